"""The usage object of a response: read to disjoint counts, and written from them.

``input_tokens`` contains the cached and written tokens, ``output_tokens`` the reasoning. Counts that can't be
are cut, so that the classes never overlap and always add up to the totals.
"""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.usage import Usage, with_calls
from switchgear.wire.openai_responses.frames import Response
from switchgear.wire.openai_responses.hosted_calls import CallCounter, calls_told
from switchgear.wire.openai_shared.usage import Count, InputDetails, OutputDetails, split, usage_of_any

_decode_any = msgspec.json.Decoder().decode


class _Plain(msgspec.Struct, gc=False):
    """Usage as it should be, and the fields by which others' is known."""

    input_tokens: Count
    output_tokens: Count
    total_tokens: Count
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None
    cached_tokens: Raw = Raw(b"")
    prompt_cache_hit_tokens: Raw = Raw(b"")
    cache_read_input_tokens: Raw = Raw(b"")
    cache_creation_input_tokens: Raw = Raw(b"")
    cache_creation: Raw = Raw(b"")


_decode_plain = msgspec.json.Decoder(_Plain).decode
_NO_INPUT_DETAILS = InputDetails()
_NO_OUTPUT_DETAILS = OutputDetails()


def usage_in(response: Response, seen: CallCounter) -> Usage | None:
    """Tokens and calls of a response; ``seen`` are the items that came before it, where it repeats none."""
    usage = read_usage(response.usage)
    if usage is None:
        return None
    counted = CallCounter(response.output) if response.output else seen
    return with_calls(usage, {**counted.calls, **calls_told(response.usage, response.tool_usage)})


def read_usage(raw: Raw | bytes) -> Usage | None:
    """None when there is no usage: not an object, or nothing counted in it."""
    try:
        plain = _decode_plain(raw)
    except (ValueError, RecursionError):
        return _read_any(raw)
    i = plain.input_tokens_details or _NO_INPUT_DETAILS
    odd = (
        i.is_odd
        or plain.cached_tokens
        or plain.prompt_cache_hit_tokens
        or plain.cache_read_input_tokens
        or plain.cache_creation_input_tokens
        or plain.cache_creation
    )
    if odd or not plain.total_tokens or plain.total_tokens != plain.input_tokens + plain.output_tokens:
        return _read_any(raw)
    o = plain.output_tokens_details or _NO_OUTPUT_DETAILS
    return split(
        plain.input_tokens,
        plain.output_tokens,
        (i.cached_tokens, i.cache_write_tokens, i.audio_tokens, i.image_tokens),
        (o.reasoning_tokens, o.audio_tokens, o.image_tokens),
    )


def _read_any(raw: Raw | bytes) -> Usage | None:
    try:
        found = _decode_any(raw)
    except (ValueError, RecursionError):
        return None
    return usage_of(found)


def usage_of(found: Any) -> Usage | None:
    """The same for a decoded value; the names of Chat Completions are understood, too."""
    return usage_of_any(found) if isinstance(found, dict) else None


def usage_beside(found: Any) -> Usage | None:
    """Of a decoded answer or event, an error perhaps, what stands in its ``usage`` or its response's."""
    if not isinstance(found, dict):
        return None
    response = found.get("response")
    return usage_of(found.get("usage")) or (usage_beside(response) if isinstance(response, dict) else None)


def write_usage(usage: Usage | None) -> Raw:
    """The object with all that clients look for, zeros included; ``null`` where nothing was counted."""
    if usage is None:
        return Raw(b"null")
    written = usage.cache_write_5m + usage.cache_write_1h
    return Raw(
        b'{"input_tokens":%d,"input_tokens_details":{"cached_tokens":%d,"cache_write_tokens":%d},'
        b'"output_tokens":%d,"output_tokens_details":{"reasoning_tokens":%d},"total_tokens":%d}'
        % (
            usage.input_total,
            usage.cache_read,
            written,
            usage.output_total,
            usage.reasoning,
            usage.tokens_total,
        )
    )
