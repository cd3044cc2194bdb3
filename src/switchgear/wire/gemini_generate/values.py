"""Reading single values of a request: by either spelling of a name, with errors that name their place.

Google's own servers take ``inlineData`` and ``inline_data`` alike, and SDKs send both. They read JSON as
proto3 does, so a number or a boolean may also be written as a string, and an empty string says nothing.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import INVALID_TYPE, INVALID_VALUE, ApiError
from switchgear.wire.framing.bounds import excess
from switchgear.wire.framing.splice import NULL

Json = dict[str, Any]
"""A decoded JSON object."""

_decode_any = msgspec.json.Decoder().decode
_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_HUMP = re.compile(r"[A-Z]")
_snakes: dict[str, str] = {}


def snake(name: str) -> str:
    """``inlineData`` → ``inline_data``. To be asked for names of ours only, as it remembers them."""
    known = _snakes.get(name)
    if known is None:
        known = _snakes[name] = _HUMP.sub(lambda match: "_" + match[0].lower(), name)
    return known


def pick(holder: Mapping[str, Any], name: str) -> Any:
    """The value of a key in camel case, or of the same in snake case; None when absent."""
    value = holder.get(name)
    return holder.get(snake(name)) if value is None else value


def field(fields: Mapping[str, Raw], name: str) -> Raw | None:
    """The same for a body's raw fields; None for null, too."""
    raw = fields.get(name)
    if raw is None or raw == NULL:
        raw = fields.get(snake(name))
    return None if raw is None or raw == NULL else raw


def value_of(fields: Mapping[str, Raw], name: str) -> Any:
    """The decoded value of a field; None for an absent one and for null. Raises ApiError."""
    raw = field(fields, name)
    if raw is None:
        return None
    try:
        return _decode_any(raw)
    except (ValueError, RecursionError):
        raise wrong_type(name, "a JSON value of ordinary size") from None


def object_of(fields: Mapping[str, Raw], name: str) -> Json:
    """A field that has to be an object; empty when absent. Raises ApiError."""
    value = value_of(fields, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong_type(name, "an object")
    return value


def text_in(holder: Json, name: str, place: str) -> str:
    """A string; empty when absent. Raises ApiError."""
    value = pick(holder, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong_type(joined(place, name), "a string")
    return value


def number_in(holder: Json, name: str, place: str) -> float | None:
    """Raises ApiError."""
    value = number_of(pick(holder, name))
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise wrong_type(joined(place, name), "a number")
    return value


def integer_in(holder: Json, name: str, place: str) -> int | None:
    """An integer, which some clients spell ``4096.0``. Raises ApiError."""
    value = number_in(holder, name, place)
    if isinstance(value, float) and not value.is_integer():
        raise wrong_type(joined(place, name), "an integer")
    return None if value is None else int(value)


def flag_in(holder: Json, name: str) -> bool | None:
    """A boolean; None for an absent one, and for what is none."""
    value = pick(holder, name)
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def texts_in(holder: Json, name: str, place: str) -> tuple[str, ...]:
    """An array of strings. Raises ApiError."""
    value = pick(holder, name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise wrong_type(joined(place, name), "an array of strings")
    return tuple(value)


def number_of(value: Any) -> Any:
    """A number that is written as a string as that number, an empty string as None; else the value."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    if not _NUMBER.fullmatch(value):
        return value
    return float(value) if any(mark in value for mark in ".eE") else int(value)


def text(value: Any) -> str:
    """The value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def wrong_type(param: str, expected: str) -> ApiError:
    """The refusal of a value that is not what it has to be."""
    return ApiError(INVALID_TYPE, f"Invalid type for '{param}': expected {expected}.", param=param)


def check_count(count: int, most: int, what: str, param: str) -> None:
    """Raises ApiError for more ``what`` than ``most``."""
    if why := excess(count, most, what):
        raise wrong_value(param, why)


def wrong_value(param: str, why: str) -> ApiError:
    """The refusal of a value out of its range."""
    return ApiError(INVALID_VALUE, f"Invalid value for '{param}': {why}.", param=param)
