"""What the usage objects of OpenAI's two dialects have in common: totals that contain their details."""

from typing import Annotated, Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from switchgear.kernel.usage import TOKENS_MAX, Usage
from switchgear.wire.framing.counts import count_of

Count = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]


_WRITTEN = (
    "cache_write_tokens",
    "cache_creation_input_tokens",
    "cache_creation_tokens",
    "cached_creation_tokens",
)
"""Names of the tokens written to a cache inside the prompt's details: OpenAI's, DashScope's, two relays'."""
_HOUR = "ephemeral_1h_input_tokens"


class InputDetails(msgspec.Struct, gc=False):
    cached_tokens: Count = 0
    cache_write_tokens: Count = 0
    audio_tokens: Count = 0
    image_tokens: Count = 0

    cache_creation_input_tokens: Raw = Raw(b"")
    cache_creation_tokens: Raw = Raw(b"")
    cached_creation_tokens: Raw = Raw(b"")
    cache_creation: Raw = Raw(b"")
    cache_creation_token_details: Raw = Raw(b"")

    @property
    def is_odd(self) -> bool:
        """It has names of others than OpenAI's."""
        return bool(
            self.cache_creation_input_tokens
            or self.cache_creation_tokens
            or self.cached_creation_tokens
            or self.cache_creation
            or self.cache_creation_token_details
        )


class OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Count = 0
    audio_tokens: Count = 0
    image_tokens: Count = 0


def split(
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


def usage_of_any(found: dict[str, Any]) -> Usage | None:
    """Usage in whatever spelling, by the names of either dialect; None when nothing is counted."""
    inputs, outputs = _input_details(found), _output_details(found)
    prompt, completion = _totals(found, inputs[0] + inputs[1], outputs[0])
    if not prompt and not completion:
        return None
    usage = split(prompt, completion, inputs, outputs)
    hour = min(max(count_of(parts, _HOUR) for parts in _ages(found)), usage.cache_write_5m)
    if not hour:
        return usage
    return replace(usage, cache_write_5m=usage.cache_write_5m - hour, cache_write_1h=hour)


def _totals(found: dict[str, Any], cached: int, reasoning: int) -> tuple[int, int]:
    """prompt and completion tokens. What the total has beyond them belongs to one of the two: null or nothing
    may stand for a count, and some hosts keep details beside it."""
    prompt = count_of(found, "prompt_tokens") or count_of(found, "input_tokens")
    if not prompt:
        prompt = count_of(found, "prompt_cache_hit_tokens") + count_of(found, "prompt_cache_miss_tokens")
    completion = count_of(found, "completion_tokens") or count_of(found, "output_tokens")
    total = count_of(found, "total_tokens")
    prompt += _cached_beside(found, prompt, total - completion)
    beyond = total - prompt - completion
    if beyond > 0:
        if beyond == reasoning:
            completion += beyond  # xAI
        elif not prompt or (cached and beyond == cached):
            prompt += beyond
        elif not completion or ("completion_tokens" in found and not reasoning):
            completion += beyond  # Google's thoughts in Chat Completions are in the total alone
    return min(prompt, TOKENS_MAX), min(completion, TOKENS_MAX)


def _cached_beside(found: dict[str, Any], prompt: int, input_total: int) -> int:
    """Cached tokens that the prompt's count leaves out. By the names of Messages they stand beside it, as
    there; some relays count them in it, and then the total has no room for them. ``input_total``: what the
    total holds of the input, if there is one."""
    written = count_of(found, "cache_creation_input_tokens")
    if "cache_creation_input_tokens" not in found:
        written = _sum_of_ages(_object_of(found, "cache_creation"))
    beside = count_of(found, "cache_read_input_tokens") + written
    is_inside = beside <= prompt <= input_total < prompt + beside
    return 0 if is_inside else beside


def _input_details(found: dict[str, Any]) -> tuple[int, int, int, int]:
    """cache read, cache write, audio, image."""
    details = _object_of(found, "prompt_tokens_details") or _object_of(found, "input_tokens_details")
    read = max(
        count_of(details, "cached_tokens"),
        count_of(found, "cached_tokens"),
        count_of(found, "prompt_cache_hit_tokens"),
        count_of(found, "cache_read_input_tokens"),
    )
    told = [count_of(details, name) for name in _WRITTEN]
    if "cache_creation_input_tokens" in found:
        told.append(count_of(found, "cache_creation_input_tokens"))
    written = max(told) or max(map(_sum_of_ages, _ages(found)))
    return read, written, count_of(details, "audio_tokens"), count_of(details, "image_tokens")


def _output_details(found: dict[str, Any]) -> tuple[int, int, int]:
    """reasoning, audio, image."""
    details = _object_of(found, "completion_tokens_details") or _object_of(found, "output_tokens_details")
    return (
        count_of(details, "reasoning_tokens"),
        count_of(details, "audio_tokens"),
        count_of(details, "image_tokens"),
    )


def _ages(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects that tell written tokens by how long they are kept, wherever they stand."""
    details = _object_of(found, "prompt_tokens_details") or _object_of(found, "input_tokens_details")
    return [
        _object_of(found, "cache_creation"),
        _object_of(details, "cache_creation"),
        _object_of(details, "cache_creation_token_details"),
    ]


def _sum_of_ages(parts: dict[str, Any]) -> int:
    return count_of(parts, "ephemeral_5m_input_tokens") + count_of(parts, _HOUR)


def _object_of(found: dict[str, Any], key: str) -> dict[str, Any]:
    inner = found.get(key)
    return inner if isinstance(inner, dict) else {}
