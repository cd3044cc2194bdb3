"""What of a reported usage can be true: more than a call can come to is not charged, whoever reports it."""

import msgspec
from msgspec.structs import replace

from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import (
    INPUT_TOKENS_UNKNOWN_MAX,
    OUTPUT_TOKENS_UNKNOWN_MAX,
    RESERVE_IMAGE_TOKENS,
)
from switchgear.kernel.usage import Usage
from switchgear.relay.prepare import Prepared
from switchgear.wire.call import Call

DOUBT_BYTES_PER_TOKEN = 16
"""Few tokens are longer: text of more bytes for each reported one makes the report doubtful."""
DOUBT_BYTES_FREE = 64
"""One long token alone is no reason for doubt."""

# What is left out first where a report says more than can be.
_OUTPUT_ORDER = ("reasoning", "output_text", "audio_out", "image_out")
_INPUT_ORDER = (
    "input_uncached",
    "cache_write_1h",
    "cache_write_5m",
    "audio_in",
    "image_in",
    "cache_read",
)


class Bounds(msgspec.Struct, frozen=True, gc=False):
    """The most tokens that one call can come to, beside what is seen of its answer."""

    output: int = OUTPUT_TOKENS_UNKNOWN_MAX
    """Of plain answers: what the request allows, or the model."""
    output_in_all: int = OUTPUT_TOKENS_UNKNOWN_MAX
    """With reasoning, sound and pictures, which not every host counts against the request's cap."""
    input: int = 0
    """0: no bound, as tools of the upstream add to it."""


def bounds_of(call: Call, prepared: Prepared, facts: ModelFacts, output_max: int, context_max: int) -> Bounds:
    """``prepared``: what the upstream got; ``output_max``, ``context_max``: the model's, 0 = unknown."""
    largest = facts.output_tokens_max or output_max
    cap = call.output_tokens_cap or prepared.output_cap
    output = cap or largest or OUTPUT_TOKENS_UNKNOWN_MAX
    context = facts.context_tokens or context_max or INPUT_TOKENS_UNKNOWN_MAX
    sent = call.input_bytes + call.images * RESERVE_IMAGE_TOKENS
    return Bounds(
        output * call.choices,
        max(cap, largest or OUTPUT_TOKENS_UNKNOWN_MAX) * call.choices,
        0 if prepared.calls else max(context, sent) * prepared.copies,
    )


def is_within(usage: Usage, bounds: Bounds) -> bool:
    """Whether nothing has to be looked at more closely."""
    return usage.output_total <= bounds.output and (not bounds.input or usage.input_total <= bounds.input)


def within(usage: Usage, bounds: Bounds, seen_bytes: int, *, writes_more: bool) -> Usage:
    """The usage as far as it can be true; a token covers a byte of the text that was seen at least.
    ``writes_more``: the model may write what the request's cap does not count."""
    open_ended = writes_more or usage.audio_out or usage.image_out
    allowed = max(bounds.output_in_all if open_ended else bounds.output, seen_bytes)
    trimmed = _trimmed(usage, usage.output_total - allowed, _OUTPUT_ORDER)
    if bounds.input:
        trimmed = _trimmed(trimmed, usage.input_total - bounds.input, _INPUT_ORDER)
    return trimmed


def is_thin(usage: Usage, text_bytes: int) -> bool:
    """Whether a whole answer has far more text than its report has output."""
    return text_bytes > DOUBT_BYTES_PER_TOKEN * usage.output_total + DOUBT_BYTES_FREE


def _trimmed(usage: Usage, excess: int, order: tuple[str, ...]) -> Usage:
    if excess <= 0:
        return usage
    left: dict[str, int] = {}
    for unit in order:
        count = getattr(usage, unit)
        cut = min(count, excess)
        excess -= cut
        left[unit] = count - cut
    return replace(usage, **left)
