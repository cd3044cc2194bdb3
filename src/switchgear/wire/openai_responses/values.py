"""Fields of a request as values of the type they must have, or the error that names them.

Clients write ``null`` for what they don't say and ``4096.0`` for 4096; both are taken.
"""

import math
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import INVALID_TYPE, INVALID_VALUE, ApiError
from switchgear.wire.framing.bounds import excess
from switchgear.wire.framing.splice import NULL, repair_surrogates

_decode_any = msgspec.json.Decoder().decode
_NUMBERS = (int, float)
_TRUE = Raw(b"true")
_FALSE = Raw(b"false")

Fields = dict[str, Raw]


def decoded(raw: Raw, param: str) -> Any:
    """Any JSON value. Raises ApiError INVALID_VALUE for what a strict parser refuses, such as a number out of
    range."""
    try:
        return _decode_any(raw)
    except (ValueError, RecursionError):
        pass
    try:
        return _decode_any(repair_surrogates(bytes(raw)))
    except (ValueError, RecursionError):
        raise invalid_value(param, "it can't be read as JSON") from None


def value_of(fields: Fields, key: str) -> Any:
    """None for what is absent or null."""
    raw = fields.get(key)
    return None if raw is None or raw == NULL else decoded(raw, key)


def text_of(fields: Fields, key: str) -> str:
    """Empty when absent."""
    found = value_of(fields, key)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise invalid_type(key, "a string")
    return found


def object_of(fields: Fields, key: str) -> dict[str, Any]:
    """Empty when absent."""
    found = value_of(fields, key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise invalid_type(key, "an object")
    return found


def flag_of(fields: Fields, key: str) -> bool | None:
    raw = fields.get(key)
    if raw is None or raw == NULL:
        return None
    if raw == _TRUE:
        return True
    if raw == _FALSE:
        return False
    raise invalid_type(key, "a boolean")


def number_of(fields: Fields, key: str) -> float | None:
    found = value_of(fields, key)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, _NUMBERS):
        raise invalid_type(key, "a number")
    return found


def whole_of(fields: Fields, key: str) -> int | None:
    found = number_of(fields, key)
    if found is None:
        return None
    if isinstance(found, float) and not (math.isfinite(found) and found.is_integer()):
        raise invalid_type(key, "an integer")
    return int(found)


def count_of(fields: Fields, key: str) -> int | None:
    found = whole_of(fields, key)
    if found is not None and found < 0:
        raise invalid_value(key, "at least 0")
    return found


def invalid_type(param: str, expected: str) -> ApiError:
    return ApiError(INVALID_TYPE, f"Invalid type for '{param}': expected {expected}.", param=param)


def check_count(count: int, most: int, what: str, param: str) -> None:
    """Raises ApiError for more ``what`` than ``most``."""
    if why := excess(count, most, what):
        raise invalid_value(param, why)


def invalid_value(param: str, why: str) -> ApiError:
    return ApiError(INVALID_VALUE, f"Invalid value for '{param}': {why}.", param=param)
