"""The usage object of a response: read to disjoint counts, and written from them.

``input_tokens`` contains the cached and written tokens, ``output_tokens`` the reasoning. Counts that can't be
are cut, so that the classes never overlap and always add up to the totals.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Raw

from switchgear.kernel.usage import TOKENS_MAX, Usage

_decode_any = msgspec.json.Decoder().decode
_DIGITS_MAX = 20

Count = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]


class _InputDetails(msgspec.Struct, gc=False):
    cached_tokens: Count = 0
    cache_write_tokens: Count = 0
    audio_tokens: Count = 0
    image_tokens: Count = 0


class _OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Count = 0
    audio_tokens: Count = 0
    image_tokens: Count = 0


class _Plain(msgspec.Struct, gc=False):
    """Usage as it should be."""

    input_tokens: Count
    output_tokens: Count
    total_tokens: Count
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


_decode_plain = msgspec.json.Decoder(_Plain).decode
_NO_INPUT_DETAILS = _InputDetails()
_NO_OUTPUT_DETAILS = _OutputDetails()


class _Action(msgspec.Struct, gc=False):
    type: str = "search"


class _HostedCall(msgspec.Struct, gc=False):
    type: str = ""
    action: _Action | None = None


_decode_hosted = msgspec.json.Decoder(_HostedCall).decode


def usage_in(raw: Raw, output: Sequence[Raw] | None) -> Usage | None:
    """Usage of a response whose ``output`` tells of the searches, which are paid by the call."""
    usage = read_usage(raw)
    calls = sum(map(_is_paid_call, output or ()))
    return msgspec.structs.replace(usage, calls=calls) if usage is not None and calls else usage


def _is_paid_call(item: Raw) -> bool:
    """A search of the web or of files; to open what was found costs nothing."""
    if b"_search_call" not in bytes(item):
        return False
    try:
        call = _decode_hosted(item)
    except (ValueError, RecursionError):
        return False
    if call.type == "web_search_call":
        return call.action is None or call.action.type == "search"
    return call.type == "file_search_call"


def read_usage(raw: Raw | bytes) -> Usage | None:
    """None when there is no usage: not an object, or nothing counted in it."""
    try:
        plain = _decode_plain(raw)
    except (ValueError, RecursionError):
        return _read_any(raw)
    if not plain.total_tokens or plain.total_tokens != plain.input_tokens + plain.output_tokens:
        return _read_any(raw)
    i = plain.input_tokens_details or _NO_INPUT_DETAILS
    o = plain.output_tokens_details or _NO_OUTPUT_DETAILS
    return _split(
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
    if not isinstance(found, dict):
        return None
    read = _count(found, "input_tokens") or _count(found, "prompt_tokens")
    written = _count(found, "output_tokens") or _count(found, "completion_tokens")
    if not read and not written:
        read = _count(found, "total_tokens")
    if not read and not written:
        return None
    i = _details(found, "input_tokens_details") or _details(found, "prompt_tokens_details")
    o = _details(found, "output_tokens_details") or _details(found, "completion_tokens_details")
    return _split(
        read,
        written,
        (
            max(_count(i, "cached_tokens"), _count(found, "cached_tokens")),
            _count(i, "cache_write_tokens"),
            _count(i, "audio_tokens"),
            _count(i, "image_tokens"),
        ),
        (_count(o, "reasoning_tokens"), _count(o, "audio_tokens"), _count(o, "image_tokens")),
    )


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


def _split(
    read: int, written: int, inputs: tuple[int, int, int, int], outputs: tuple[int, int, int]
) -> Usage:
    """Details are taken out of their total in order, each as far as something is left."""
    parts = []
    for total, details in ((read, inputs), (written, outputs)):
        for count in details:
            taken = min(count, total)
            total -= taken
            parts.append(taken)
        parts.append(total)
    cache_read, cache_write, audio_in, image_in, uncached, reasoning, audio_out, image_out, text = parts
    return Usage(
        input_uncached=uncached,
        cache_read=cache_read,
        cache_write_5m=cache_write,
        audio_in=audio_in,
        image_in=image_in,
        output_text=text,
        reasoning=reasoning,
        audio_out=audio_out,
        image_out=image_out,
    )


def _details(found: dict[str, Any], key: str) -> dict[str, Any]:
    details = found.get(key)
    return details if isinstance(details, dict) else {}


def _count(found: dict[str, Any], key: str) -> int:
    """A count as some upstream may write it; whatever is none counts as 0."""
    value = found.get(key)
    if isinstance(value, str):
        value = int(value) if len(value) <= _DIGITS_MAX and value.isascii() and value.isdigit() else 0
    elif isinstance(value, float):
        value = int(value) if math.isfinite(value) else 0
    elif isinstance(value, bool) or not isinstance(value, int):
        return 0
    return min(max(value, 0), TOKENS_MAX)
