"""What a call consumed, in disjoint classes: each token stands in exactly one unit.

Vendors count cached tokens inside the input or beside it; a tap has to tell them apart before it makes a
Usage, so that a price is a plain sum and never a subtraction.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import astuple, replace


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Integer counts by unit, none negative. ``input_uncached`` excludes every other input class, and so
    on."""

    input_uncached: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    audio_in: int = 0
    image_in: int = 0
    output_text: int = 0
    reasoning: int = 0
    audio_out: int = 0
    image_out: int = 0
    calls: int = 0
    """Of tools that the upstream ran itself, of a kind without a unit of its own."""
    search_calls: int = 0
    """Web searches that are paid for: by call, query or prompt, as the model's vendor counts them."""
    file_search_calls: int = 0
    code_sessions: int = 0
    """Containers in which code ran, as far as one answer tells."""
    image_calls: int = 0
    """Pictures made by a tool, whose tokens are another model's."""

    def counts(self) -> list[tuple[str, int]]:
        """(unit, count) of the units that are not zero, in the order of ``UNITS``."""
        return [(unit, count) for unit, count in zip(UNITS, astuple(self), strict=True) if count]

    @property
    def input_total(self) -> int:
        return (
            self.input_uncached
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.audio_in
            + self.image_in
        )

    @property
    def output_total(self) -> int:
        return self.output_text + self.reasoning + self.audio_out + self.image_out

    @property
    def tokens_total(self) -> int:
        return self.input_total + self.output_total


def sum_of(usages: Iterable[Usage]) -> Usage:
    """Of several calls, class by class."""
    return Usage(*(sum(counts) for counts in zip(*map(astuple, usages), strict=True)))


def with_calls(usage: Usage, calls: Mapping[str, int]) -> Usage:
    """The usage with at least so many calls of hosted tools, by unit; none is added to what it tells."""
    more = {unit: min(count, TOKENS_MAX) for unit, count in calls.items() if count > getattr(usage, unit)}
    return replace(usage, **more) if more else usage


UNITS: tuple[str, ...] = Usage.__struct_fields__
INPUT_UNITS = ("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h", "audio_in", "image_in")
OUTPUT_UNITS = ("output_text", "reasoning", "audio_out", "image_out")
CALL_UNITS = ("calls", "search_calls", "file_search_calls", "code_sessions", "image_calls")
# A count without a rate of its own takes its parent's, so that nothing is free by accident.
PARENT_UNIT = {
    "cache_read": "input_uncached",
    "cache_write_5m": "input_uncached",
    "cache_write_1h": "cache_write_5m",
    "audio_in": "input_uncached",
    "image_in": "input_uncached",
    "reasoning": "output_text",
    "audio_out": "output_text",
    "image_out": "output_text",
    "search_calls": "calls",
    "file_search_calls": "calls",
    "code_sessions": "calls",
    "image_calls": "calls",
}
TOKENS_MAX = 2**40
"""An absurd count is cut to this before it can overflow a bill."""
