"""The usage object of the OpenAI family, brought to disjoint counts whatever an upstream put into it.

Its totals contain their details: ``prompt_tokens`` the cached, written, audio and image tokens,
``completion_tokens`` the reasoning and audio tokens. Counts that can't be are cut, so that the classes never
overlap and always add up to the totals.
"""

from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from switchgear.kernel.usage import Usage, with_calls
from switchgear.wire.framing.counts import count_of
from switchgear.wire.openai_chat.hosted_calls import may_tell_searches, searches_told
from switchgear.wire.openai_shared.usage import Count, InputDetails, OutputDetails, split, usage_of_any

_decode_any = msgspec.json.Decoder().decode


class _Plain(msgspec.Struct, gc=False):
    """Usage as OpenAI itself writes it, and the fields by which others' is known."""

    prompt_tokens: Count
    total_tokens: Count
    completion_tokens: Count = 0
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    cached_tokens: Raw = Raw(b"")
    prompt_cache_hit_tokens: Raw = Raw(b"")
    cache_read_input_tokens: Raw = Raw(b"")
    cache_creation_input_tokens: Raw = Raw(b"")
    input_tokens: Raw = Raw(b"")
    output_tokens: Raw = Raw(b"")
    input_tokens_details: Raw = Raw(b"")
    output_tokens_details: Raw = Raw(b"")
    cache_creation: Raw = Raw(b"")


_decode_plain = msgspec.json.Decoder(_Plain).decode
_NO_INPUT_DETAILS = InputDetails()
_NO_OUTPUT_DETAILS = OutputDetails()


def read_usage(raw: Raw | bytes) -> Usage | None:
    """None when there is no usage: not an object, or nothing counted in it."""
    if may_tell_searches(bytes(raw)):
        return _read_any(raw)
    return _read_plain(raw) or _read_any(raw)


def _read_plain(raw: Raw | bytes) -> Usage | None:
    """The ordinary form, at a tenth of the cost; None for whatever is not exactly that."""
    try:
        return _usage_of_plain(_decode_plain(raw))
    except (ValueError, RecursionError):
        return None


def _usage_of_plain(plain: _Plain) -> Usage | None:
    prompt, completion = plain.prompt_tokens, plain.completion_tokens
    odd = (
        plain.cached_tokens
        or plain.prompt_cache_hit_tokens
        or plain.cache_read_input_tokens
        or plain.cache_creation_input_tokens
        or plain.input_tokens
        or plain.output_tokens
        or plain.input_tokens_details
        or plain.output_tokens_details
        or plain.cache_creation
    )
    if odd or plain.total_tokens != prompt + completion or not plain.total_tokens:
        return None
    i = plain.prompt_tokens_details or _NO_INPUT_DETAILS
    if i.is_odd:
        return None
    o = plain.completion_tokens_details or _NO_OUTPUT_DETAILS
    uncached = prompt - i.cached_tokens - i.cache_write_tokens - i.audio_tokens - i.image_tokens
    text = completion - o.reasoning_tokens - o.audio_tokens - o.image_tokens
    if uncached < 0 or text < 0:
        return None
    return Usage(
        input_uncached=uncached,
        cache_read=i.cached_tokens,
        cache_write_5m=i.cache_write_tokens,
        audio_in=i.audio_tokens,
        image_in=i.image_tokens,
        output_text=text,
        reasoning=o.reasoning_tokens,
        audio_out=o.audio_tokens,
        image_out=o.image_tokens,
    )


def _read_any(raw: Raw | bytes) -> Usage | None:
    try:
        found = _decode_any(raw)
    except (ValueError, RecursionError):
        return None
    return _usage_of_any(found) if isinstance(found, dict) else None


def usage_of(found: Any) -> Usage | None:
    """The same for a decoded value."""
    if not isinstance(found, dict):
        return None
    return _convert_plain(found) or _usage_of_any(found)


def _convert_plain(found: dict[str, Any]) -> Usage | None:
    try:
        return _usage_of_plain(msgspec.convert(found, _Plain))
    except (ValueError, RecursionError):
        return None


def _usage_of_any(found: dict[str, Any]) -> Usage | None:
    usage = usage_of_any(found)
    return None if usage is None else with_calls(usage, {"search_calls": searches_told(found)})


def usage_beside(found: Any) -> Usage | None:
    """Of a decoded answer, an error perhaps, what stands in its ``usage``."""
    return usage_of(found.get("usage")) if isinstance(found, dict) else None


def with_timings(usage: Usage | None, timings: Any) -> Usage | None:
    """The usage with the cache hits that llama.cpp reports beside it. ``timings``: a decoded value of any
    kind."""
    if usage is None or usage.cache_read or not isinstance(timings, dict):
        return usage
    hits = min(count_of(timings, "cache_n"), usage.input_uncached)
    return replace(usage, input_uncached=usage.input_uncached - hits, cache_read=hits)


def merge_reports(a: Usage | None, b: Usage | None) -> Usage | None:
    """Two reports of one stream, the later one second. Totals only grow. Details are those of the later
    report that has any, as a token reported as written and then as read was one of the two; what is left of a
    total is its plain text."""
    if a is None or b is None or a == b:
        return b if a is None else a
    inputs = b if b.input_total > b.input_uncached else a
    outputs = b if b.output_total > b.output_text else a
    written = inputs.cache_write_5m + inputs.cache_write_1h
    usage = split(
        max(a.input_total, b.input_total),
        max(a.output_total, b.output_total),
        (inputs.cache_read, written, inputs.audio_in, inputs.image_in),
        (outputs.reasoning, outputs.audio_out, outputs.image_out),
    )
    hour = min(inputs.cache_write_1h, usage.cache_write_5m)
    usage = replace(usage, cache_write_5m=usage.cache_write_5m - hour, cache_write_1h=hour)
    return with_calls(usage, {"search_calls": max(a.search_calls, b.search_calls)})
