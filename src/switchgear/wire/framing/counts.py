"""Counts of tokens as upstreams write them."""

import math
from typing import Any

from switchgear.kernel.usage import TOKENS_MAX

_DIGITS_MAX = 20


def count_of(found: dict[str, Any], key: str) -> int:
    """A count as some upstream may write it; whatever is none counts as 0."""
    return count(found.get(key))


def count(value: Any) -> int:
    """The same of the value itself."""
    told = 0
    if isinstance(value, int):
        told = 0 if isinstance(value, bool) else value
    elif isinstance(value, float):
        told = int(value) if math.isfinite(value) else 0
    elif isinstance(value, str):
        told = int(value) if len(value) <= _DIGITS_MAX and value.isascii() and value.isdigit() else 0
    return told if 0 <= told <= TOKENS_MAX else min(max(told, 0), TOKENS_MAX)
