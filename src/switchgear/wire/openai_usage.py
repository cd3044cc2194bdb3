"""What the usage objects of OpenAI's two dialects have in common: totals that contain their details."""

from typing import Annotated, Any

import msgspec

from switchgear.kernel.usage import TOKENS_MAX, Usage

Count = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]


class InputDetails(msgspec.Struct, gc=False):
    cached_tokens: Count = 0
    cache_write_tokens: Count = 0
    audio_tokens: Count = 0
    image_tokens: Count = 0


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


def details_of(found: dict[str, Any], key: str) -> dict[str, Any]:
    details = found.get(key)
    return details if isinstance(details, dict) else {}
