"""The schema of an answer as this dialect takes it: objects are closed, and bounds of values are words."""

from typing import Any

from msgspec import Raw

from switchgear.kernel.limits import SCHEMA_DEPTH_MAX
from switchgear.wire.splice import any_of

_BOUNDS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
)
"""Refused by the upstream, so they go into the description."""
_UNKNOWN = frozenset({"$schema", "title", "examples", "strict"})
_MAPS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")


def close_schema(schema: Raw) -> dict[str, Any]:
    """The schema with ``additionalProperties: false`` on each object that has properties."""
    found = any_of(schema)
    return _closed(found, 0) if isinstance(found, dict) else {"type": "object", "properties": {}}


def _closed(schema: dict[str, Any], depth: int) -> dict[str, Any]:
    if depth >= SCHEMA_DEPTH_MAX:
        return schema
    found = {key: value for key, value in schema.items() if key not in _BOUNDS and key not in _UNKNOWN}
    for key in _MAPS:
        if isinstance(found.get(key), dict):
            found[key] = {name: _inner(value, depth) for name, value in found[key].items()}
    for key in _LISTS:
        if isinstance(found.get(key), list):
            found[key] = [_inner(value, depth) for value in found[key]]
    if "oneOf" in found:
        found["anyOf"] = found.pop("oneOf")
    if isinstance(found.get("items"), dict):
        found["items"] = _closed(found["items"], depth + 1)
    kind = found.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind):
        found["additionalProperties"] = False
        found.setdefault("properties", {})
    bounds = ", ".join(f"{key}: {schema[key]}" for key in _BOUNDS if key in schema)
    if bounds:
        found["description"] = f"{found.get('description', '')} ({bounds})".strip()
    return found


def _inner(value: Any, depth: int) -> Any:
    return _closed(value, depth + 1) if isinstance(value, dict) else value
