"""What a call consumed, in disjoint classes: each token stands in exactly one unit.

Vendors count cached tokens inside the input or beside it; a tap has to tell them apart before it makes a
Usage, so that a price is a plain sum and never a subtraction.
"""

from collections.abc import Iterable

import msgspec
from msgspec.structs import astuple


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


UNITS: tuple[str, ...] = Usage.__struct_fields__
INPUT_UNITS = ("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h", "audio_in", "image_in")
OUTPUT_UNITS = ("output_text", "reasoning", "audio_out", "image_out")
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
}
TOKENS_MAX = 2**40
"""An absurd count is cut to this before it can overflow a bill."""
