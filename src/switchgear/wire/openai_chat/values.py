"""Reading single values of a request, with errors that name their place."""

import math
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import INVALID_TYPE, INVALID_VALUE, ApiError
from switchgear.wire.framing.bounds import excess
from switchgear.wire.framing.splice import NULL

_decode_any = msgspec.json.Decoder().decode


def value_of(fields: dict[str, Raw], key: str) -> Any:
    """The decoded value; None for an absent one, and for null, which means the same. Raises ApiError."""
    raw = fields.get(key)
    if raw is None or raw == NULL:
        return None
    try:
        return _decode_any(raw)
    except (ValueError, RecursionError):
        raise wrong_type(key, "a JSON value of ordinary size") from None


_NUMBERS = (int, float)


def text_of(fields: dict[str, Raw], key: str) -> str:
    """A string; empty when absent. Raises ApiError."""
    if key not in fields:
        return ""
    value = value_of(fields, key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong_type(key, "a string")
    return value


def number_of(fields: dict[str, Raw], key: str) -> float | None:
    """Raises ApiError."""
    if key not in fields:
        return None
    value = value_of(fields, key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, _NUMBERS) or not math.isfinite(value):
        raise wrong_type(key, "a number")
    return value


def integer_of(fields: dict[str, Raw], key: str) -> int | None:
    """An integer, which some clients spell ``4096.0``. Raises ApiError."""
    if key not in fields:
        return None
    value = number_of(fields, key)
    if isinstance(value, float) and not value.is_integer():
        raise wrong_type(key, "an integer")
    return None if value is None else int(value)


def flag_of(fields: dict[str, Raw], key: str) -> bool | None:
    """Raises ApiError."""
    if key not in fields:
        return None
    value = value_of(fields, key)
    if value is not None and not isinstance(value, bool):
        raise wrong_type(key, "a boolean")
    return value


def raw_of(fields: dict[str, Raw], key: str) -> Raw | None:
    """The value as it was spelt; None for null."""
    raw = fields.get(key)
    return None if raw is None or raw == NULL else raw


def check_count(count: int, most: int, what: str, param: str) -> None:
    """Raises ApiError for more ``what`` than ``most``."""
    if why := excess(count, most, what):
        raise ApiError(INVALID_VALUE, f"Invalid value for '{param}': {why}.", param=param)


def wrong_type(param: str, expected: str) -> ApiError:
    """The refusal of a value that is not what it has to be."""
    return ApiError(INVALID_TYPE, f"Invalid type for '{param}': expected {expected}.", param=param)
