"""What a call may cost at most, said before it is sent, so that its wallet can be held for it."""

from collections.abc import Mapping

import msgspec

from switchgear.catalog.price import RATE_SCALE, Price, nanos_of, rate_of

_NO_CALLS: Mapping[str, int] = {}
_INPUTS = ("input_uncached", "cache_write_5m")
_OUTPUTS = ("output_text", "reasoning", "image_out")
"""A model that prices pictures may answer any call with one."""
_OUTPUTS_WITH_AUDIO = (*_OUTPUTS, "audio_out")


class CostBound(msgspec.Struct, frozen=True, gc=False):
    """An upper bound of a call's price by the length of its answer."""

    lines: tuple[tuple[int, int], ...]
    """(what is due before the first token, what each token of every choice adds) as Σ count × rate: one for
    each tier that the input may reach. The dearest counts."""
    ratio_ppm: int

    def nanos(self, output_tokens: int) -> int:
        """The price with at most so many tokens in each choice."""
        most = 0
        for start, rate in self.lines:
            total = start + output_tokens * rate
            if total > most:
                most = total
        return nanos_of(most, self.ratio_ppm)

    def output_tokens(self, nanos: int) -> int | None:
        """The most tokens in each choice that the amount covers; 0 also where it does not cover the input,
        None where output costs nothing."""
        if not self.ratio_ppm or not any(rate for _, rate in self.lines):
            return None
        room = nanos * RATE_SCALE // self.ratio_ppm
        return max(0, min((room - start) // rate for start, rate in self.lines if rate))


def cost_bound(
    price: Price,
    input_tokens: int,
    *,
    choices: int,
    ratio_ppm: int,
    context_tokens: int = 0,
    images: bool = False,
    audio: bool = False,
    long_cache: bool = False,
    calls: Mapping[str, int] = _NO_CALLS,
) -> CostBound:
    """The bound for an input of at most so many tokens; about 2 µs.

    A token of byte-pair vocabularies covers at least one byte, so the size of a body is a bound of its
    tokens. ``context_tokens`` is the model's, 0 = unknown. ``images`` and ``audio``: there may be some, in
    or out. ``long_cache``: the input may be written to a cache for an hour; for the usual while it may in any
    case. ``calls``: of tools that the upstream runs, by unit; more than these are beyond the bound.
    """
    if context_tokens and input_tokens > context_tokens:
        input_tokens = context_tokens
    hosted = sum(count * (rate_of(price.rates, unit) or 0) for unit, count in calls.items()) if calls else 0
    base = price.rates
    inputs: tuple[str, ...] = _INPUTS
    if images:
        inputs += ("image_in",)
    if audio:
        inputs += ("audio_in",)
    if long_cache:
        inputs += ("cache_write_1h",)
    outputs = _OUTPUTS_WITH_AUDIO if audio else _OUTPUTS
    lines: tuple[tuple[int, int], ...] = ()
    # A tier is not always dearer than the one below it, and the bound on the input may be high.
    reached = (base, *_reached(price, input_tokens)) if price.tiers else (base,)
    for rates in reached:
        due = input_tokens * _dearest(rates, base, inputs) + hosted
        lines += ((due, choices * _dearest(rates, base, outputs)),)
    return CostBound(lines, ratio_ppm)


def _reached(price: Price, input_tokens: int) -> list[dict[str, int]]:
    return [tier.rates for tier in price.tiers if input_tokens > tier.above_input_tokens]


def _dearest(rates: dict[str, int], base: dict[str, int], units: tuple[str, ...]) -> int:
    """Of the classes that can occur; ``base`` fills gaps."""
    most = 0
    for unit in units:
        rate = rates.get(unit)
        if rate is None:
            rate = base.get(unit, 0)
        if rate > most:
            most = rate
    return most
