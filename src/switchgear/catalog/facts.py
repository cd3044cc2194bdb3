"""Facts of a model by its upstream name: families of names as data, the more exact pattern above the less.

A model file has ``[families."<pattern>"]`` for what holds of such names wherever they are served, and
``[hosted."<pattern>"]`` for what holds only at its own vendor. Patterns are in lower case; ``*`` stands for
any run of characters. So a dated name, or one of an operator's own server, has the facts of its family.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache

import msgspec

from switchgear.catalog.document import CatalogError, read_document, suggestion
from switchgear.catalog.schema import Model, ModelFile
from switchgear.kernel.facts import ModelFacts

_PATTERN = re.compile(r"[a-z0-9*][a-z0-9.*_-]*")

_IMPLIED: dict[object, dict[str, object]] = {
    "always": {"thinking_off": False, "efforts": (), "budget_min": 0, "budget_max": 0},
    "none": {
        "thinking_off": True,
        "efforts": (),
        "budget_min": 0,
        "budget_max": 0,
        "thinking_auto_only": False,
        "needs_reasoning_back": False,
    },
}
"""What a switch says of other facts, whatever a wider pattern said of them."""


class Family(msgspec.Struct, frozen=True):
    """Facts of all models whose name fits a pattern."""

    pattern: str
    facts: dict[str, object]
    """Those that the file names, by field of ``ModelFacts``."""
    vendor: str = ""
    """The only vendor at which they hold; empty = any."""


def load_families(texts: Mapping[str, str]) -> tuple[Family, ...]:
    """Families from file name → text, in the order in which they override each other. Raises CatalogError."""
    families: list[Family] = []
    for file, text in texts.items():
        document = read_document(file, text, ModelFile)
        for pattern, facts in document.families.items():
            families.append(_family(file, f'families."{pattern}"', pattern, facts, ""))
        for pattern, facts in document.hosted.items():
            families.append(_family(file, f'hosted."{pattern}"', pattern, facts, document.vendor))
    _check_unique(families)
    return tuple(sorted(families, key=_rank))


def facts_for(
    vendor: str, upstream_model: str, families: Iterable[Family], models: Mapping[str, Model]
) -> ModelFacts:
    """What is known of a model at a vendor's place; ``families`` as ``load_families`` gives them.

    A name such as ``openai/gpt-oss-120b`` is known by its last part. Token figures are the catalogue's where
    it lists the model. About 0.2 ms, so it is for the making of a snapshot.
    """
    name = upstream_model.rsplit("/", 1)[-1].lower()
    found: dict[str, object] = {}
    for family in families:
        if family.vendor in ("", vendor) and _compiled(family.pattern).fullmatch(name):
            found.update(family.facts)
    found.update(_IMPLIED.get(found.get("thinking"), {}))
    model = _listed(vendor, upstream_model, models)
    if model is not None:
        figures = {"context_tokens": model.context_tokens, "output_tokens_max": model.output_tokens_max}
        found.update((key, count) for key, count in figures.items() if count)
    return msgspec.convert(found, ModelFacts)


def _listed(vendor: str, upstream_model: str, models: Mapping[str, Model]) -> Model | None:
    """The catalogue's entry: the vendor's own by its upstream name, else any of the same id."""
    for model in models.values():
        if model.vendor == vendor and upstream_model in (model.id, model.upstream_id):
            return model
    return models.get(upstream_model)


def _family(file: str, place: str, pattern: str, facts: dict[str, object], vendor: str) -> Family:
    if not _PATTERN.fullmatch(pattern):
        raise CatalogError(file, place, 'a pattern is a name in lower case, with "*" for any characters')
    for key in facts:
        if key not in ModelFacts.__struct_fields__:
            hint = suggestion(key, ModelFacts.__struct_fields__)
            raise CatalogError(file, place, f'unknown key "{key}"{hint}')
    try:
        read = msgspec.convert(facts, ModelFacts)
    except msgspec.ValidationError as error:
        raise CatalogError(file, place, str(error)) from None
    if min(read.budget_min, read.budget_max, read.output_tokens_max, read.context_tokens) < 0:
        raise CatalogError(file, place, "token counts can't be negative; leave out what is not known")
    if read.budget_max and read.budget_min > read.budget_max:
        raise CatalogError(file, place, "budget_min is above budget_max")
    return Family(pattern, facts, vendor)


def _check_unique(families: Iterable[Family]) -> None:
    seen: set[tuple[str, str]] = set()
    for family in families:
        key = (family.pattern, family.vendor)
        if key in seen:
            place = f'families."{family.pattern}"'
            raise CatalogError("models", place, "the pattern stands in two places; keep one")
        seen.add(key)


def _rank(family: Family) -> tuple[bool, int, str]:
    """A vendor's own word stands above the general one, a longer pattern above a shorter."""
    return bool(family.vendor), len(family.pattern.replace("*", "")), family.pattern


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))))
