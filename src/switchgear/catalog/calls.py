"""What tools that the upstream runs itself cost: by families of models' names, and no price restates it.

A price file has ``[[calls]]`` with patterns and rates. Each price without a rate of its own for a kind of
call takes that of the most exact pattern that names one, the operator's prices as well.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache

import msgspec

from switchgear.catalog.document import CatalogError, read_document
from switchgear.catalog.loader import rates_of
from switchgear.catalog.price import Price, with_id
from switchgear.catalog.schema import PriceFile

_PATTERN = re.compile(r"[a-z0-9*][a-z0-9.*_-]*")


class CallFamily(msgspec.Struct, frozen=True):
    """Rates of calls with all models whose name fits a pattern."""

    pattern: str
    rates: dict[str, int]
    """Nanos per million calls by unit of ``Usage``."""


def load_call_families(texts: Mapping[str, str]) -> tuple[CallFamily, ...]:
    """Families from file name → text, the more exact pattern after the less. Raises CatalogError."""
    families: dict[str, CallFamily] = {}
    for file, text in texts.items():
        for entry in read_document(file, text, PriceFile).calls:
            place = f"calls of {', '.join(entry.models)}"
            rates = rates_of(file, place, entry)
            if not rates or not entry.models:
                raise CatalogError(file, place, "patterns of models and at least one rate are needed")
            for pattern in entry.models:
                if not _PATTERN.fullmatch(pattern):
                    problem = f'a pattern is a name in lower case, with "*" for any characters: "{pattern}"'
                    raise CatalogError(file, place, problem)
                if pattern in families:
                    raise CatalogError(file, place, f'"{pattern}" stands in two places; keep one')
                families[pattern] = CallFamily(pattern, rates)
    return tuple(sorted(families.values(), key=_rank))


def with_call_rates(price: Price, families: Iterable[CallFamily]) -> Price:
    """The price with the rates of its model's family; a rate of its own stands, and ``calls`` stands for
    every kind of call. ``families`` as ``load_call_families`` gives them."""
    if "calls" in price.rates:
        return price
    name = price.model.rsplit("/", 1)[-1].lower()
    found: dict[str, int] = {}
    for family in families:
        if _compiled(family.pattern).fullmatch(name):
            found.update(family.rates)
    rates = {**found, **price.rates}
    return price if rates == price.rates else with_id(msgspec.structs.replace(price, rates=rates))


def _rank(family: CallFamily) -> tuple[int, str]:
    return len(family.pattern.replace("*", "")), family.pattern


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))))
