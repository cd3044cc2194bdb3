"""The usage object of the Messages dialect, read and written.

Its counts stand beside each other: ``input_tokens`` holds neither cache reads nor cache writes. Thinking is
inside ``output_tokens``, and told apart only by newer models.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.usage import Usage
from switchgear.wire.faults.upstream_error import UpstreamError, counted
from switchgear.wire.framing.counts import count
from switchgear.wire.openai_shared.usage import usage_of_any

_decode_any = msgspec.json.Decoder().decode

Counts = dict[str, int]
"""Counts of one stream so far, by the unit of ``Usage`` or ``cache_write`` for writes of any age."""

_INPUT = (
    ("input_tokens", "input_uncached"),
    ("cache_read_input_tokens", "cache_read"),
    ("cache_creation_input_tokens", "cache_write"),
)
OPENING_TOKENS_MAX = 8
"""Output that a stream's start may tell before there is any; a count of nothing at the end takes it away."""
_WRITES = (("ephemeral_5m_input_tokens", "5m"), ("ephemeral_1h_input_tokens", "1h"))
_OWN_NAMES = ("input_tokens", "output_tokens")
# A step that failed is not paid for.
_RESULTS = ((b'"web_search_tool_result"', "searched"), (b'code_execution_tool_result"', "ran"))
_FAILED = b'_tool_result_error"'


class UsageReader:
    """Adds up the reports of one answer: a later report overwrites what it names and leaves the rest."""

    __slots__ = ("_begun", "_counts", "_steps")

    def __init__(self) -> None:
        self._counts: Counts = {}
        self._begun = 0
        """Output that was told at the start: a few tokens, or with some hosts all of it."""
        self._steps: dict[str, int] = {}

    def take_start(self, found: Any) -> None:
        """The report of a stream's start. Its output counts once a later report leaves it standing; without
        one it is not known how much there was."""
        self.take(found)
        self._begun = self._counts.pop("output", 0)

    def take(self, found: Any) -> None:
        """A decoded usage object, or anything else, which says nothing. Zeros take a count away only beside
        input of another class, as some hosts report everything at the start and zeros at the end; and the
        output of an opening."""
        if not isinstance(found, dict):
            return
        found = _by_own_names(found)
        counts = self._counts
        counts.setdefault("output", self._begun)
        self._take_input(found)
        output = _count(found.get("output_tokens"))
        if output or (output == 0 and counts["output"] <= OPENING_TOKENS_MAX):
            counts["output"] = output
        details = found.get("output_tokens_details")
        if isinstance(details, dict) and (told := _count(details.get("thinking_tokens"))):
            counts["thinking"] = told
        tools = found.get("server_tool_use")
        if isinstance(tools, dict):
            for key in ("web_search_requests", "web_fetch_requests"):
                counts[key] = max(counts.get(key, 0), _count(tools.get(key)) or 0)

    def _take_input(self, found: dict[str, Any]) -> None:
        """What a report names replaces what was known. Parts of the written tokens go with their total: those
        of a report that names both and no total make a new one."""
        counts = self._counts
        writes = found.get("cache_creation")
        totals, parts = _named(found, _INPUT), _named(writes, _WRITES) if isinstance(writes, dict) else {}
        if not any(totals.values()) and not any(parts.values()):
            for unit in totals:
                counts.setdefault(unit, 0)
            return
        if len(parts) == len(_WRITES) and any(parts.values()):
            counts.pop("cache_write", None)
        counts.update(totals)
        counts.update(parts)

    @property
    def counted(self) -> Usage | None:
        """What an answer that fails now has cost; None where only its start was reported."""
        return self.usage if "output" in self._counts else None

    def fail(self, error: UpstreamError, found: Any) -> UpstreamError:
        """The error with what was counted before it, or stands beside it in its event or reply."""
        if isinstance(found, dict):
            self.take(found.get("usage"))
        return counted(error, self.counted)

    def see_block(self, raw: Raw) -> None:
        """A block of the answer, where it may be a hosted tool's result."""
        text = bytes(raw)
        if b"_tool_result" in text and _FAILED not in text:
            for mark, step in _RESULTS:
                if mark in text:
                    self._steps[step] = self._steps.get(step, 0) + 1

    @property
    def calls(self) -> dict[str, int]:
        """Of hosted tools so far, by unit of ``Usage``. An answer's code runs in one container, which costs
        nothing beside a search or a fetch."""
        counts = self._counts
        searches = max(counts.get("web_search_requests", 0), self._steps.get("searched", 0))
        is_free = searches or counts.get("web_fetch_requests")
        ran = 0 if is_free else min(self._steps.get("ran", 0), 1)
        return {"search_calls": searches, "code_sessions": ran}

    @property
    def usage(self) -> Usage | None:
        """None when nothing was counted."""
        counts = self._counts
        if not any(counts.values()):
            return None
        # The total is what is billed; its parts may be missing or disagree.
        written = counts.get("cache_write", counts.get("5m", 0) + counts.get("1h", 0))
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
            **self.calls,
        )


def read_usage(raw: Raw | bytes, blocks: Iterable[Raw] = ()) -> Usage | None:
    """Of one report alone, and of the answer's blocks; None when there is none."""
    try:
        found = _decode_any(raw)
    except (ValueError, RecursionError):
        return None
    reader = UsageReader()
    reader.take(found)
    for block in blocks:
        reader.see_block(block)
    return reader.usage


def usage_beside(found: Any) -> Usage | None:
    """Of a decoded answer, an error perhaps, what stands in its ``usage``."""
    reader = UsageReader()
    reader.take(found.get("usage") if isinstance(found, dict) else None)
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
    if usage.search_calls:
        found["server_tool_use"] = {"web_search_requests": usage.search_calls, "web_fetch_requests": 0}
    return found


def _by_own_names(found: dict[str, Any]) -> dict[str, Any]:
    """A report by the names of Chat Completions, as some hosts give it in this dialect, too."""
    if any(name in found for name in _OWN_NAMES) or "prompt_tokens" not in found:
        return found
    usage = usage_of_any(found)
    return {**found, **usage_object(usage)} if usage is not None else found


def _named(found: dict[str, Any], names: tuple[tuple[str, str], ...]) -> Counts:
    """The counts that a report names, zeros among them."""
    return {unit: told for key, unit in names if (told := _count(found.get(key))) is not None}


def _count(value: Any) -> int | None:
    """None for what is no count."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return count(value)
