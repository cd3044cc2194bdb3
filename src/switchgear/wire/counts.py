"""Counts of tokens as upstreams write them."""

import math
from typing import Any

from switchgear.kernel.usage import TOKENS_MAX

_DIGITS_MAX = 20


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
