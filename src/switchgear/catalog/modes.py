"""What modes cost, such as a faster service: by families of models' names, as a factor on every token.

A price file has ``[[modes]]`` with patterns and ratios. A price without a ratio of its own for a mode takes
that of the most exact pattern that names one, the operator's prices as well.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache

import msgspec

from switchgear.catalog.document import CatalogError, read_document
from switchgear.catalog.price import Price
from switchgear.catalog.schema import PriceFile
from switchgear.kernel.money import PPM, MoneyError, divide_half_up, ppm_from_ratio
from switchgear.kernel.usage import CALL_UNITS

_PATTERN = re.compile(r"[a-z0-9*][a-z0-9.*_-]*")
_MODE = re.compile(r"[a-z_]+:[a-z0-9_-]+")


class ModeFamily(msgspec.Struct, frozen=True):
    """Ratios of modes with all models whose name fits a pattern."""

    pattern: str
    ratios: dict[str, int]
    """Parts per million by mode."""


def load_mode_families(texts: Mapping[str, str]) -> tuple[ModeFamily, ...]:
    """Families from file name → text, the more exact pattern after the less. Raises CatalogError."""
    families: dict[str, ModeFamily] = {}
    for file, text in texts.items():
        for entry in read_document(file, text, PriceFile).modes:
            place = f"modes of {', '.join(entry.models)}"
            if not entry.models or not entry.ratios:
                raise CatalogError(file, place, "patterns of models and at least one ratio are needed")
            ratios = {mode: _ratio(file, place, mode, ratio) for mode, ratio in entry.ratios.items()}
            for pattern in entry.models:
                if not _PATTERN.fullmatch(pattern):
                    problem = f'a pattern is a name in lower case, with "*" for any characters: "{pattern}"'
                    raise CatalogError(file, place, problem)
                if pattern in families:
                    raise CatalogError(file, place, f'"{pattern}" stands in two places; keep one')
                families[pattern] = ModeFamily(pattern, ratios)
    return tuple(sorted(families.values(), key=_rank))


def _ratio(file: str, place: str, mode: str, ratio: str) -> int:
    if not _MODE.fullmatch(mode):
        raise CatalogError(
            file, place, f'a mode is a field and a value, such as "service_tier:flex": "{mode}"'
        )
    try:
        return ppm_from_ratio(ratio)
    except MoneyError as error:
        raise CatalogError(file, f"{place}, {mode}", str(error)) from None


def with_modes(price: Price, families: Iterable[ModeFamily]) -> Price:
    """The price with the ratios of its model's family. ``families`` as ``load_mode_families`` gives them."""
    name = price.model.rsplit("/", 1)[-1].lower()
    found: dict[str, int] = {}
    for family in families:
        if _compiled(family.pattern).fullmatch(name):
            found.update(family.ratios)
    return msgspec.structs.replace(price, modes={**found, **price.modes}) if found else price


def in_modes(price: Price, modes: Iterable[str]) -> Price:
    """The price of a call that was served so; modes that it does not know cost nothing more. Calls of hosted
    tools cost the same in any mode."""
    ratio = PPM
    for mode in modes:
        ratio = divide_half_up(ratio * price.modes.get(mode, PPM), PPM)
    if ratio == PPM:
        return price
    tiers = tuple(msgspec.structs.replace(tier, rates=_scaled(tier.rates, ratio)) for tier in price.tiers)
    return msgspec.structs.replace(price, rates=_scaled(price.rates, ratio), tiers=tiers)


def served_modes(price: Price, asked: Iterable[str], reported: Mapping[str, str]) -> tuple[str, ...]:
    """The modes to charge for: what the upstream says it served, never dearer than what was asked for, nor
    dearer than usual where that was cheaper. ``reported``: see ``wire.modes.ModeReports``."""
    charged = []
    for mode in asked:
        field = mode.partition(":")[0]
        served = reported.get(field, mode)
        most = max(PPM, price.modes.get(mode, PPM))
        if price.modes.get(served, PPM) <= most:
            charged.append(served)
        else:
            charged.append(mode)
    return tuple(charged)


def _scaled(rates: dict[str, int], ratio_ppm: int) -> dict[str, int]:
    return {
        unit: rate if unit in CALL_UNITS else divide_half_up(rate * ratio_ppm, PPM)
        for unit, rate in rates.items()
    }


def _rank(family: ModeFamily) -> tuple[int, str]:
    return len(family.pattern.replace("*", "")), family.pattern


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))))
