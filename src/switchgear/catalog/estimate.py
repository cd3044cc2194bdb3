"""What a call may cost at most, told before it is sent, so that its wallet can be held for it."""

from collections.abc import Mapping

from switchgear.catalog.price import Price, nanos_of, rate_of
from switchgear.kernel.limits import RESERVE_IMAGE_TOKENS, RESERVE_OUTPUT_TOKENS

_NO_CALLS: Mapping[str, int] = {}


def reserve_nanos(
    price: Price,
    *,
    input_bytes: int,
    images: int,
    output_tokens_cap: int | None,
    output_tokens_max: int,
    choices: int,
    ratio_ppm: int,
    context_tokens: int = 0,
    audio: bool = False,
    calls: Mapping[str, int] = _NO_CALLS,
    reserve_output_tokens: int = RESERVE_OUTPUT_TOKENS,
) -> int:
    """Upper bound in nanos from what a peek knows; about 2 µs.

    A token of byte-pair vocabularies covers at least one byte, so a body never holds more tokens than
    bytes; pictures behind a URL add a constant each. ``output_tokens_cap`` is the client's own cap, None if
    it names none: then the reserve figure stands in, and what a longer reply costs beyond it is the excess
    that a wallet may go under. ``output_tokens_max`` and ``context_tokens`` are the model's, 0 = unknown.
    ``audio``: sound goes in or comes out. ``calls``: of tools that the upstream runs, by unit; more than
    these are the excess as well. Cache writes may be dearer than plain input and are left out:
    they need markers that no peek reads.
    """
    return refined_nanos(
        price,
        input_bytes + images * RESERVE_IMAGE_TOKENS,
        output_tokens_cap=output_tokens_cap,
        output_tokens_max=output_tokens_max,
        choices=choices,
        ratio_ppm=ratio_ppm,
        context_tokens=context_tokens,
        images=images > 0,
        audio=audio,
        calls=calls,
        reserve_output_tokens=reserve_output_tokens,
    )


def refined_nanos(
    price: Price,
    input_tokens: int,
    *,
    output_tokens_cap: int | None,
    output_tokens_max: int,
    choices: int,
    ratio_ppm: int,
    context_tokens: int = 0,
    images: bool = False,
    audio: bool = False,
    calls: Mapping[str, int] = _NO_CALLS,
    reserve_output_tokens: int = RESERVE_OUTPUT_TOKENS,
) -> int:
    """The same bound from a counted input, for calls whose cheap bound does not fit into the wallet."""
    if context_tokens and input_tokens > context_tokens:
        input_tokens = context_tokens
    output_tokens = reserve_output_tokens if output_tokens_cap is None else output_tokens_cap
    if output_tokens_max and output_tokens > output_tokens_max:
        output_tokens = output_tokens_max
    output_tokens *= choices
    base = price.rates
    total = _dearest(base, base, input_tokens, output_tokens, images, audio)
    for tier in price.tiers:
        if input_tokens <= tier.above_input_tokens:
            break
        # A tier is not always dearer than the one below it, and the bound on the input may be high.
        total = max(total, _dearest(tier.rates, base, input_tokens, output_tokens, images, audio))
    for unit, count in calls.items():
        total += count * (rate_of(base, unit) or 0)
    return nanos_of(total, ratio_ppm)


def _dearest(
    rates: dict[str, int],
    base: dict[str, int],
    input_tokens: int,
    output_tokens: int,
    images: bool,
    audio: bool,
) -> int:
    """Σ count × rate with each side at the dearest class that can occur; ``base`` fills gaps."""
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
    return input_tokens * input_rate + output_tokens * output_rate
