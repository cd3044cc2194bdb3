"""What a call may cost at most, said before it is sent, so that its wallet can be held for it."""

from collections.abc import Mapping

import msgspec

from switchgear.catalog.price import RATE_SCALE, Price, nanos_of, rate_of

_NO_CALLS: Mapping[str, int] = {}


class CostBound(msgspec.Struct, frozen=True, gc=False):
    """An upper bound of a call's price by the length of its answer."""

    lines: tuple[tuple[int, int], ...]
    """(what is due before the first token, what each token of every choice adds) as Σ count × rate: one for
    each tier that the input may reach. The dearest counts."""
    ratio_ppm: int

    def nanos(self, output_tokens: int) -> int:
        """The price with at most so many tokens in each choice."""
        return nanos_of(max(start + output_tokens * rate for start, rate in self.lines), self.ratio_ppm)

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
    calls: Mapping[str, int] = _NO_CALLS,
) -> CostBound:
    """The bound for an input of at most so many tokens; about 2 µs.

    A token of byte-pair vocabularies covers at least one byte, so the size of a body is a bound of its
    tokens. ``context_tokens`` is the model's, 0 = unknown. ``images`` and ``audio``: there may be some, in
    or out. ``calls``: of tools that the upstream runs, by unit; more than these are beyond the bound. Cache
    writes may be dearer than plain input and are left out: they need markers that no peek reads.
    """
    if context_tokens and input_tokens > context_tokens:
        input_tokens = context_tokens
    hosted = sum(count * (rate_of(price.rates, unit) or 0) for unit, count in calls.items()) if calls else 0
    base = price.rates
    lines: tuple[tuple[int, int], ...] = (_line(base, base, input_tokens, choices, images, audio, hosted),)
    for tier in price.tiers:
        if input_tokens <= tier.above_input_tokens:
            break
        # A tier is not always dearer than the one below it, and the bound on the input may be high.
        lines += (_line(tier.rates, base, input_tokens, choices, images, audio, hosted),)
    return CostBound(lines, ratio_ppm)


def _line(
    rates: dict[str, int],
    base: dict[str, int],
    input_tokens: int,
    choices: int,
    images: bool,
    audio: bool,
    hosted: int,
) -> tuple[int, int]:
    """Each side at the dearest class that can occur; ``base`` fills gaps."""
    own, inherited = rates.get, base.get
    input_rate = own("input_uncached", inherited("input_uncached", 0))
    output_rate = own("output_text", inherited("output_text", 0))
    reasoning_rate = own("reasoning", inherited("reasoning", 0))
    # A model that prices pictures may answer any call with one.
    image_rate = own("image_out", inherited("image_out", 0))
    if reasoning_rate > output_rate:
        output_rate = reasoning_rate
    if image_rate > output_rate:
        output_rate = image_rate
    if images:
        input_rate = max(input_rate, own("image_in", inherited("image_in", 0)))
    if audio:
        input_rate = max(input_rate, own("audio_in", inherited("audio_in", 0)))
        output_rate = max(output_rate, own("audio_out", inherited("audio_out", 0)))
    return input_tokens * input_rate + hosted, choices * output_rate
