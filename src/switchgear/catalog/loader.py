"""Turns the texts of model and price files into models and prices, and cross-checks the two."""

import datetime
from collections.abc import Iterable, Mapping

from switchgear.catalog.document import CatalogError, read_document
from switchgear.catalog.price import Price, Tier, unpriced_units, with_id
from switchgear.catalog.schema import (
    UNIT_OF_KEY,
    CallRates,
    Model,
    ModelEntry,
    ModelFile,
    PriceEntry,
    PriceFile,
    PriceSource,
)
from switchgear.kernel.dialects import EMBEDDING_OPERATIONS
from switchgear.kernel.limits import MODEL_NAME_CHARS_MAX
from switchgear.kernel.money import MoneyError, rate_from_usd_per_mtok
from switchgear.kernel.usage import CALL_UNITS

_UNIX_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
_SECONDS_PER_DAY = 86_400
_CALLS_SCALE = 1000
"""A price per thousand calls is this many times as much per million."""


def load_models(texts: Mapping[str, str]) -> dict[str, Model]:
    """Models by id from file name → text. An id in two places is an error. Raises CatalogError."""
    models: dict[str, Model] = {}
    origin: dict[str, str] = {}
    for file, text in texts.items():
        document = read_document(file, text, ModelFile)
        for name, entry in document.models.items():
            place = f'models."{name}"'
            if name in models:
                raise CatalogError(file, place, f"the model is already defined in {origin[name]}; keep one")
            models[name] = _model(file, place, document, name, entry)
            origin[name] = file
    return models


def load_prices(texts: Mapping[str, str]) -> dict[str, Price]:
    """Prices by model, each with its content hash, from file name → text.

    A later file overrides an earlier one, so an operator's own come last. Raises CatalogError, also when
    one file prices a model twice.
    """
    prices: dict[str, Price] = {}
    for file, text in texts.items():
        document = read_document(file, text, PriceFile)
        seen: set[str] = set()
        for entry in document.price:
            place = f'price of "{entry.model}"'
            if entry.model in seen:
                raise CatalogError(file, place, "the model is priced twice in this file; keep one")
            seen.add(entry.model)
            prices[entry.model] = _price(file, place, entry, document.source)
    return prices


def check_priced(models: Iterable[Model], prices: Mapping[str, Price]) -> tuple[str, ...]:
    """Ids of the models without any price, sorted: they are refused when called, never free.

    A price that would leave a token of the model's endpoints free by accident raises CatalogError.
    """
    missing: list[str] = []
    for model in models:
        price = prices.get(model.id)
        if price is None:
            missing.append(model.id)
            continue
        free = unpriced_units(price)
        if free and not EMBEDDING_OPERATIONS.issuperset(model.endpoints):
            raise CatalogError(
                "prices",
                f'price of "{model.id}"',
                f'no rate covers {", ".join(free)}; write one ("0" where it is meant to be free)',
            )
    return tuple(sorted(missing))


def _model(file: str, place: str, document: ModelFile, name: str, entry: ModelEntry) -> Model:
    if not name or len(name) > MODEL_NAME_CHARS_MAX or name != name.strip():
        problem = f"a model id has 1 to {MODEL_NAME_CHARS_MAX} characters and no outer spaces"
        raise CatalogError(file, place, problem)
    if entry.context_tokens < 0 or entry.output_tokens_max < 0:
        raise CatalogError(file, place, "token counts can't be negative; leave out what is not known")
    endpoints = entry.endpoints or document.endpoints
    if not endpoints:
        raise CatalogError(file, place, "a model needs at least one endpoint")
    return Model(
        id=name,
        vendor=document.vendor,
        owned_by=entry.owned_by or document.owned_by,
        endpoints=endpoints,
        created=_unix_seconds(entry.created),
        context_tokens=entry.context_tokens,
        output_tokens_max=entry.output_tokens_max,
        upstream_id=entry.upstream_id,
    )


def _price(file: str, place: str, entry: PriceEntry, source: PriceSource) -> Price:
    rates = rates_of(file, place, entry)
    if not rates:
        raise CatalogError(file, place, "there is no rate at all; remove the price or write one")
    tiers: list[Tier] = []
    for tier in entry.tier:
        where = f"{place}, tier above {tier.above_input_tokens}"
        if tier.above_input_tokens <= (tiers[-1].above_input_tokens if tiers else 0):
            raise CatalogError(file, where, "tiers ascend by above_input_tokens and start above 0")
        tier_rates = rates_of(file, where, tier)
        if not tier_rates:
            raise CatalogError(file, where, "the tier has no rate")
        tiers.append(Tier(tier.above_input_tokens, tier_rates))
    told = entry.source or f"{source.name} {source.version}".strip()
    return with_id(
        Price(
            model=entry.model,
            rates=rates,
            tiers=tuple(tiers),
            since=(entry.since or source.read_on).isoformat(),
            source=f"{file}: {told}",
        )
    )


def rates_of(file: str, place: str, entry: CallRates) -> dict[str, int]:
    """Nanos per million by unit. Raises CatalogError."""
    rates: dict[str, int] = {}
    for key, unit in UNIT_OF_KEY.items():
        text: str | None = getattr(entry, key, None)
        if text is None:
            continue
        try:
            rate = rate_from_usd_per_mtok(text)
        except MoneyError as error:
            raise CatalogError(file, f"{place}, {key}", str(error)) from None
        if rate < 0:
            raise CatalogError(file, f"{place}, {key}", f"a price can't be negative: {text!r}")
        rates[unit] = rate * _CALLS_SCALE if unit in CALL_UNITS else rate
    return rates


def _unix_seconds(day: datetime.date | None) -> int:
    return (day.toordinal() - _UNIX_EPOCH_DAY) * _SECONDS_PER_DAY if day is not None else 0
