"""``retry-after`` in each of its spellings, as whole seconds within a bound."""

import math
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from switchgear.kernel.limits import COOL_MAX_S

_NUMBER = re.compile(r"\d{1,20}(?:\.\d{1,20})?|\d{21,64}", re.ASCII)
_DATE_CHARS_MAX = 64


def read_retry_after(headers: Mapping[str, str], now_s: float | None = None) -> int | None:
    """Seconds to wait, from 1 to COOL_MAX_S; None when there is no such header or it means nothing.

    Header names are in lower case. ``retry-after-ms`` is the more exact one and wins; a date needs ``now_s``.
    """
    ms = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(ms):
        return _bounded(float(ms) / 1000)
    text = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(text):
        return _bounded(float(text))
    if now_s is None or not text or len(text) > _DATE_CHARS_MAX:
        return None
    try:
        at = parsedate_to_datetime(text)
        return _bounded((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now_s)
    except (ValueError, TypeError, OverflowError, IndexError, AttributeError):
        return None


def _bounded(seconds: float) -> int:
    return math.ceil(min(max(seconds, 1.0), COOL_MAX_S))
