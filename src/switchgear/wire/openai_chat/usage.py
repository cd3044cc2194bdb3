"""The usage object of the OpenAI family, brought to disjoint counts whatever an upstream put into it.

Its totals contain their details: ``prompt_tokens`` the cached, written, audio and image tokens,
``completion_tokens`` the reasoning and audio tokens. Counts that can't be are cut, so that the classes never
overlap and always add up to the totals.
"""

import math
from typing import Annotated, Any

import msgspec
from msgspec import Raw

from switchgear.kernel.usage import TOKENS_MAX, Usage, with_calls
from switchgear.wire.openai_chat.hosted_calls import may_tell_searches, searches_told

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
    """Usage as OpenAI itself writes it, and the fields by which others' is known."""

    prompt_tokens: Count
    total_tokens: Count
    completion_tokens: Count = 0
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    cached_tokens: Raw = Raw(b"")
    prompt_cache_hit_tokens: Raw = Raw(b"")
    input_tokens: Raw = Raw(b"")
    output_tokens: Raw = Raw(b"")
    input_tokens_details: Raw = Raw(b"")
    output_tokens_details: Raw = Raw(b"")


_decode_plain = msgspec.json.Decoder(_Plain).decode
_NO_INPUT_DETAILS = _InputDetails()
_NO_OUTPUT_DETAILS = _OutputDetails()


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
        or plain.input_tokens
        or plain.output_tokens
        or plain.input_tokens_details
        or plain.output_tokens_details
    )
    if odd or plain.total_tokens != prompt + completion or not plain.total_tokens:
        return None
    i = plain.prompt_tokens_details or _NO_INPUT_DETAILS
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
    prompt, completion = _totals(found)
    if not prompt and not completion:
        return None
    usage = _split(prompt, completion, _input_details(found), _output_details(found))
    return with_calls(usage, {"search_calls": searches_told(found)})


def merge_max(a: Usage | None, b: Usage | None) -> Usage | None:
    """Cumulative maximum of two reports of one stream, taken on totals and details, as a later report may
    know more of the details than an earlier one; what is left of a total is its plain text."""
    if a is None or b is None or a == b:
        return b if a is None else a
    usage = _split(
        max(a.input_total, b.input_total),
        max(a.output_total, b.output_total),
        (
            max(a.cache_read, b.cache_read),
            max(a.cache_write_5m, b.cache_write_5m),
            max(a.audio_in, b.audio_in),
            max(a.image_in, b.image_in),
        ),
        (max(a.reasoning, b.reasoning), max(a.audio_out, b.audio_out), max(a.image_out, b.image_out)),
    )
    return with_calls(usage, {"search_calls": max(a.search_calls, b.search_calls)})


def _totals(found: dict[str, Any]) -> tuple[int, int]:
    """prompt and completion tokens, completed from what else is told."""
    total = _count(found, "total_tokens")
    if "prompt_tokens" in found or "input_tokens" in found:
        prompt = _count(found, "prompt_tokens") or _count(found, "input_tokens")
    else:
        prompt = _count(found, "prompt_cache_hit_tokens") + _count(found, "prompt_cache_miss_tokens")
    if "completion_tokens" in found or "output_tokens" in found:
        completion = _count(found, "completion_tokens") or _count(found, "output_tokens")
        if total > prompt + completion:
            # xAI counts reasoning beside the completion; it is recognised by the sum.
            outside = total - prompt - completion
            if outside == _count(_details(found, "completion_tokens_details"), "reasoning_tokens"):
                completion += outside
    elif not prompt:
        prompt, completion = total, 0
    else:
        completion = max(0, total - prompt)
    return min(prompt, TOKENS_MAX), min(completion, TOKENS_MAX)


def _input_details(found: dict[str, Any]) -> tuple[int, int, int, int]:
    """cache read, cache write, audio, image."""
    details = _details(found, "prompt_tokens_details") or _details(found, "input_tokens_details")
    cached = max(
        _count(details, "cached_tokens"),
        _count(found, "cached_tokens"),
        _count(found, "prompt_cache_hit_tokens"),
    )
    return (
        cached,
        _count(details, "cache_write_tokens"),
        _count(details, "audio_tokens"),
        _count(details, "image_tokens"),
    )


def _output_details(found: dict[str, Any]) -> tuple[int, int, int]:
    """reasoning, audio, image."""
    details = _details(found, "completion_tokens_details") or _details(found, "output_tokens_details")
    return (
        _count(details, "reasoning_tokens"),
        _count(details, "audio_tokens"),
        _count(details, "image_tokens"),
    )


def _split(
    prompt: int, completion: int, inputs: tuple[int, int, int, int], outputs: tuple[int, int, int]
) -> Usage:
    """Details are taken out of their total in order, each as far as something is left."""
    parts = []
    for total, details in ((prompt, inputs), (completion, outputs)):
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
