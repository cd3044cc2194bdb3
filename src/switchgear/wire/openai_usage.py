"""What the usage objects of OpenAI's two dialects have in common: totals that contain their details."""

import math
from typing import Any

from switchgear.kernel.usage import TOKENS_MAX, Usage

_DIGITS_MAX = 20


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


def count_of(found: dict[str, Any], key: str) -> int:
    """A count as some upstream may write it; whatever is none counts as 0."""
    value = found.get(key)
    if isinstance(value, str):
        value = int(value) if len(value) <= _DIGITS_MAX and value.isascii() and value.isdigit() else 0
    elif isinstance(value, float):
        value = int(value) if math.isfinite(value) else 0
    elif isinstance(value, bool) or not isinstance(value, int):
        return 0
    return min(max(value, 0), TOKENS_MAX)
