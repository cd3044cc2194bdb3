"""What the usage objects of OpenAI's two dialects have in common: totals that contain their details."""

from typing import Annotated, Any

import msgspec

from switchgear.kernel.usage import TOKENS_MAX, Usage
from switchgear.wire.counts import count_of

Count = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]


class InputDetails(msgspec.Struct, gc=False):
    cached_tokens: Count = 0
    cache_write_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    """The same by another name, as DashScope has it."""
    audio_tokens: Count = 0
    image_tokens: Count = 0

    @property
    def written(self) -> int:
        return self.cache_write_tokens or self.cache_creation_input_tokens


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
    return split(prompt, completion, inputs, outputs) if prompt or completion else None


def _totals(found: dict[str, Any], cached: int, reasoning: int) -> tuple[int, int]:
    """prompt and completion tokens. What the total has beyond them belongs to one of the two: null or nothing
    may stand for a count, and some hosts keep details beside it."""
    prompt = count_of(found, "prompt_tokens") or count_of(found, "input_tokens")
    if not prompt:
        prompt = count_of(found, "prompt_cache_hit_tokens") + count_of(found, "prompt_cache_miss_tokens")
    completion = count_of(found, "completion_tokens") or count_of(found, "output_tokens")
    beyond = count_of(found, "total_tokens") - prompt - completion
    if beyond > 0:
        if beyond == reasoning:
            completion += beyond  # xAI
        elif not prompt or (cached and beyond == cached):
            prompt += beyond
        elif not completion or ("completion_tokens" in found and not reasoning):
            completion += beyond  # Google's thoughts in Chat Completions are in the total alone
    return min(prompt, TOKENS_MAX), min(completion, TOKENS_MAX)


def _input_details(found: dict[str, Any]) -> tuple[int, int, int, int]:
    """cache read, cache write, audio, image."""
    details = _details_of(found, "prompt_tokens_details") or _details_of(found, "input_tokens_details")
    read = max(
        count_of(details, "cached_tokens"),
        count_of(found, "cached_tokens"),
        count_of(found, "prompt_cache_hit_tokens"),
        count_of(found, "cache_read_input_tokens"),
    )
    written = max(
        count_of(details, "cache_write_tokens"),
        count_of(details, "cache_creation_input_tokens"),
        count_of(found, "cache_creation_input_tokens"),
    )
    return read, written, count_of(details, "audio_tokens"), count_of(details, "image_tokens")


def _output_details(found: dict[str, Any]) -> tuple[int, int, int]:
    """reasoning, audio, image."""
    details = _details_of(found, "completion_tokens_details") or _details_of(found, "output_tokens_details")
    return (
        count_of(details, "reasoning_tokens"),
        count_of(details, "audio_tokens"),
        count_of(details, "image_tokens"),
    )


def _details_of(found: dict[str, Any], key: str) -> dict[str, Any]:
    details = found.get(key)
    return details if isinstance(details, dict) else {}
