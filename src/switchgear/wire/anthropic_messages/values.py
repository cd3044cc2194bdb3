"""What a client's field may be, and the error for one that may not."""

import math
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import INVALID_TYPE, INVALID_VALUE, MISSING_PARAMETER, ApiError
from switchgear.wire.framing.bounds import excess
from switchgear.wire.framing.splice import NULL

Fields = dict[str, Raw]

_TYPES = {
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
}
_NUMBERS = (int, float)
_decode_any = msgspec.json.Decoder().decode
_decode_str = msgspec.json.Decoder(str).decode


def is_there(fields: Fields, key: str) -> bool:
    return key in fields and fields[key] != NULL


def missing(param: str) -> ApiError:
    return ApiError(MISSING_PARAMETER, f"Missing required parameter: '{param}'.", param=param)


def wrong_type(param: str, expected: str) -> ApiError:
    return ApiError(INVALID_TYPE, f"expected {expected}", param=param)


def wrong_value(param: str, why: str) -> ApiError:
    return ApiError(INVALID_VALUE, why, param=param)


def check_count(count: int, most: int, what: str, param: str) -> None:
    """Raises ApiError for more ``what`` than ``most``."""
    if why := excess(count, most, what):
        raise wrong_value(param, why)


def decoded(fields: Fields, key: str) -> Any:
    """The value; None where it is absent, null, or what a strict parser refuses."""
    raw = fields.get(key)
    if raw is None or raw == NULL:
        return None
    try:
        return _decode_any(raw)
    except (ValueError, RecursionError):
        return None


def read_str(fields: Fields, key: str) -> str:
    """Empty where absent. Raises ApiError INVALID_TYPE."""
    if not is_there(fields, key):
        return ""
    try:
        return _decode_str(fields[key])
    except ValueError:
        raise wrong_type(key, "a string") from None


def read_bool(fields: Fields, key: str) -> bool:
    """False where absent. Raises ApiError INVALID_TYPE."""
    if key not in fields:
        return False
    value = decoded(fields, key)
    if value is None and not is_there(fields, key):
        return False
    if not isinstance(value, bool):
        raise wrong_type(key, "a boolean")
    return value


def read_number(fields: Fields, key: str) -> float | None:
    """None where absent. Raises ApiError INVALID_TYPE."""
    if key not in fields:
        return None
    value = decoded(fields, key)
    if value is None and not is_there(fields, key):
        return None
    if isinstance(value, bool) or not isinstance(value, _NUMBERS) or not math.isfinite(value):
        raise wrong_type(key, "a number")
    return float(value)


def read_whole(fields: Fields, key: str) -> int | None:
    """An integer, which some clients spell ``4096.0``; None where absent. Raises ApiError INVALID_TYPE."""
    value = read_number(fields, key)
    if value is None:
        return None
    if not value.is_integer():
        raise wrong_type(key, "an integer")
    return int(value)


def reason_of(error: Exception) -> str:
    """What a typed decoder expected, as words for after "expected"."""
    expected, found, got = str(error).partition(" - at `")[0].removeprefix("Expected ").partition(", got ")
    if not found:
        return expected.replace("`", "'")
    return f"{_worded(expected)}, got {_worded(got)}"


def _worded(types: str) -> str:
    """Types of a decoder as JSON calls them."""
    words = (_TYPES.get(word, word) for word in types.replace("`", "").split(" | "))
    return " or ".join(dict.fromkeys(words))


def param_of(error: Exception, front: str) -> str:
    """Where a typed decoder stopped, as clients know the place: ``messages.0.content``."""
    _, found, path = str(error).rpartition(" - at `$")
    if not found:
        return front
    place = path.removesuffix("`").replace("[...]", "").replace("[", ".").replace("]", "")
    return f"{front}{place}" if place.startswith(".") or not place else f"{front}.{place}"
