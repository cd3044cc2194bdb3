"""The usage object of the Messages dialect, read and written.

Its counts stand beside each other: ``input_tokens`` holds neither cache reads nor cache writes. Thinking is
inside ``output_tokens``, and told apart only by newer models.
"""

import math
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.usage import TOKENS_MAX, Usage

_decode_any = msgspec.json.Decoder().decode

Counts = dict[str, int]
"""Counts of one stream so far, by the unit of ``Usage`` or ``cache_write`` for writes of any age."""

_PLAIN = (
    ("input_tokens", "input_uncached"),
    ("cache_read_input_tokens", "cache_read"),
    ("cache_creation_input_tokens", "cache_write"),
    ("output_tokens", "output"),
)
_SERVER_CALLS = ("web_search_requests", "web_fetch_requests")


class UsageReader:
    """Adds up the reports of one answer: a later report overwrites what it names and leaves the rest."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counts = {}

    def take(self, found: Any) -> None:
        """A decoded usage object, or anything else, which says nothing. Zeros never take a count away, as
        some hosts report everything at the start and zeros at the end."""
        if not isinstance(found, dict):
            return
        counts = self._counts
        for key, unit in _PLAIN:
            if (count := _count(found.get(key))) is not None:
                counts[unit] = count or counts.get(unit, 0)
        writes = found.get("cache_creation")
        if isinstance(writes, dict):
            for key, unit in (("ephemeral_5m_input_tokens", "5m"), ("ephemeral_1h_input_tokens", "1h")):
                if (count := _count(writes.get(key))) is not None:
                    counts[unit] = count or counts.get(unit, 0)
        details = found.get("output_tokens_details")
        if isinstance(details, dict) and (count := _count(details.get("thinking_tokens"))):
            counts["thinking"] = count
        tools = found.get("server_tool_use")
        if isinstance(tools, dict):
            calls = sum(_count(tools.get(key)) or 0 for key in _SERVER_CALLS)
            counts["calls"] = max(counts.get("calls", 0), calls)

    @property
    def usage(self) -> Usage | None:
        """None when nothing was counted."""
        counts = self._counts
        if not any(counts.values()):
            return None
        # The sum is what is billed; its parts may be missing or disagree.
        written = max(counts.get("cache_write", 0), counts.get("5m", 0) + counts.get("1h", 0))
        written_1h = min(counts.get("1h", 0), written)
        output = counts.get("output", 0)
        thinking = min(counts.get("thinking", 0), output)
        return Usage(
            input_uncached=counts.get("input_uncached", 0),
            cache_read=counts.get("cache_read", 0),
            cache_write_5m=written - written_1h,
            cache_write_1h=written_1h,
            output_text=output - thinking,
            reasoning=thinking,
            calls=counts.get("calls", 0),
        )


def read_usage(raw: Raw | bytes) -> Usage | None:
    """Of one report alone; None when there is none."""
    try:
        found = _decode_any(raw)
    except (ValueError, RecursionError):
        return None
    reader = UsageReader()
    reader.take(found)
    return reader.usage


def usage_object(usage: Usage) -> dict[str, Any]:
    """The whole object, as clients of this dialect read it."""
    found: dict[str, Any] = {
        "input_tokens": usage.input_uncached + usage.audio_in + usage.image_in,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output_total,
        "service_tier": "standard",
    }
    if usage.reasoning:
        found["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if usage.calls:
        found["server_tool_use"] = {"web_search_requests": usage.calls, "web_fetch_requests": 0}
    return found


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return min(max(int(value), 0), TOKENS_MAX)
