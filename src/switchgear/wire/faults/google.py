"""What Google's errors say beside their message: a status word, a reason, and when to come back."""

import math
import re
from typing import Any

import msgspec

from switchgear.kernel.limits import COOL_MAX_S

_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s", re.ASCII)
_WORD_CHARS_MAX = 64


class GoogleDetails(msgspec.Struct, frozen=True, gc=False):
    word: str
    """``INVALID_ARGUMENT``, ``RESOURCE_EXHAUSTED`` …; or the exact reason where one is told, such as
    ``API_KEY_INVALID``, which comes with the status of a client's fault."""
    retry_after_s: int | None = None


def google_details(found: Any) -> GoogleDetails | None:
    """None for an error that is not in Google's form."""
    if isinstance(found, list) and found:
        found = found[0]
    error = found.get("error") if isinstance(found, dict) else None
    if not isinstance(error, dict):
        return None
    word = error.get("status")
    if not isinstance(word, str) or not word or not isinstance(error.get("code"), int):
        return None
    details = error.get("details")
    listed = [item for item in details if isinstance(item, dict)] if isinstance(details, list) else []
    reason = next((text for item in listed if isinstance(text := item.get("reason"), str) and text), word)
    delay = next((text for item in listed if isinstance(text := item.get("retryDelay"), str)), "")
    match = _DELAY.fullmatch(delay)
    seconds = math.ceil(min(max(float(match[1]), 1.0), COOL_MAX_S)) if match else None
    return GoogleDetails(reason[:_WORD_CHARS_MAX], seconds)
