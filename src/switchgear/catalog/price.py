"""Prices as integers, and the one function that turns usage into a charge."""

import hashlib
from collections.abc import Iterable
from itertools import compress

import msgspec

from switchgear.kernel.charge import Charge, ChargeLine
from switchgear.kernel.money import PPM, UNITS_PER_RATE, divide_half_up
from switchgear.kernel.usage import INPUT_UNITS, OUTPUT_UNITS, PARENT_UNIT, UNITS, Usage

RATE_SCALE = UNITS_PER_RATE * PPM
"""Divisor of count × rate × ratio."""
_INPUT_UNITS = len(INPUT_UNITS)
"""They come first among ``UNITS``."""


class Tier(msgspec.Struct, frozen=True):
    """Rates that apply to the whole call once its input has more than ``above_input_tokens`` tokens."""

    above_input_tokens: int
    rates: dict[str, int]


class Price(msgspec.Struct, frozen=True):
    """What one model costs, in nanos per million units by unit of ``Usage`` (calls: per million)."""

    model: str
    rates: dict[str, int]
    tiers: tuple[Tier, ...] = ()
    """Ascending by ``above_input_tokens``."""
    since: str = ""
    """ISO date from which the figure holds."""
    source: str = ""
    """Where the figure is from: a data file and its origin, or the operator."""
    id: str = ""
    """Content hash of model, rates and tiers; see ``with_id``."""
    modes: dict[str, int] = {}
    """Mode, such as ``service_tier:flex`` → its factor on the tokens' rates in parts per million; see
    ``catalog.modes``."""


def with_id(price: Price) -> Price:
    """The same price with its content hash, 16 hex digits over model, rates and tiers."""
    tiers = [[tier.above_input_tokens, sorted(tier.rates.items())] for tier in price.tiers]
    content = msgspec.json.encode([price.model, sorted(price.rates.items()), tiers])
    return msgspec.structs.replace(price, id=hashlib.blake2b(content, digest_size=8).hexdigest())


def charge(price: Price, usage: Usage, ratio_ppm: int) -> Charge:
    """Σ count × rate × group ratio: one exact division, half up, at least 1 nano when a priced unit was used.

    A ratio of 0 is the operator's word for free and charges 0. Counts without any rate stand in the lines
    with rate 0, so they are seen; ``unpriced_units`` and ``unpriced_calls`` tell them beforehand. About 2 µs:
    one tuple of counts, no attribute walk.
    """
    counts = msgspec.structs.astuple(usage)
    rates = rates_for(price, sum(counts[:_INPUT_UNITS])) if price.tiers else price.rates
    total = 0
    lines = []
    for unit, count in compress(zip(UNITS, counts, strict=True), counts):
        rate = rates.get(unit)
        if rate is None:
            rate = rate_of(rates, unit) or 0
        total += count * rate
        lines.append(ChargeLine(unit, count, rate))
    return Charge(nanos_of(total, ratio_ppm), price.id, ratio_ppm, tuple(lines))


def nanos_of(total: int, ratio_ppm: int) -> int:
    """Σ count × rate as nanos at a group ratio, by the one rounding rule."""
    scaled = total * ratio_ppm
    return max(1, divide_half_up(scaled, RATE_SCALE)) if scaled else 0


def rates_for(price: Price, input_tokens: int) -> dict[str, int]:
    """The rates of the highest tier that the input reaches; a tier without a unit takes it from the base."""
    rates = price.rates
    for tier in price.tiers:
        if input_tokens > tier.above_input_tokens:
            rates = {**price.rates, **tier.rates}
    return rates


def rate_of(rates: dict[str, int], unit: str) -> int | None:
    """A unit's own rate, else its nearest parent's, else None."""
    name: str | None = unit
    while name is not None:
        rate = rates.get(name)
        if rate is not None:
            return rate
        name = PARENT_UNIT.get(name)
    return None


def unpriced_units(price: Price) -> tuple[str, ...]:
    """Token units that neither a rate nor a parent's rate covers, so that they would be free by accident.

    An embedding price leaves the output units here and that is right; any other price should leave none.
    """
    return tuple(unit for unit in (*INPUT_UNITS, *OUTPUT_UNITS) if rate_of(price.rates, unit) is None)


def unpriced_calls(price: Price, units: Iterable[str]) -> tuple[str, ...]:
    """Of some call units, those that neither their own rate nor that of ``calls`` covers."""
    return tuple(unit for unit in units if rate_of(price.rates, unit) is None)
