"""The schema of an answer as this dialect takes it: objects are closed, and bounds of values are words."""

from collections.abc import Iterator
from typing import Any

from msgspec import Raw

from switchgear.kernel.limits import SCHEMA_DEPTH_MAX
from switchgear.wire.framing.splice import any_of

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


def can_be_closed(schema: Raw) -> bool:
    """False where closed objects would mean something else: maps with keys of any name, and objects of which
    nothing is said; and for a schema that contains itself, which the upstream refuses."""
    found = any_of(schema)
    if not isinstance(found, dict):
        return True
    leads_to: dict[str, set[str]] = {}
    for front in ("$defs", "definitions"):
        defined = found.get(front)
        for name, inner in (defined if isinstance(defined, dict) else {}).items():
            leads_to[f"#/{front}/{name}"] = {ref for node in _nodes(inner, 0) if (ref := _ref_of(node))}
    if any(_is_map(node) or _ref_of(node) == "#" for node in _nodes(found, 0)):
        return False
    return not any(_leads_back(name, leads_to) for name in leads_to)


def is_object(schema: Raw) -> bool:
    """Whether every answer is an object, as the arguments of a tool are."""
    found = any_of(schema)
    return isinstance(found, dict) and found.get("type") == "object"


def _nodes(schema: Any, depth: int) -> Iterator[dict[str, Any]]:
    """A schema and all within it."""
    if not isinstance(schema, dict) or depth >= SCHEMA_DEPTH_MAX:
        return
    yield schema
    for key in _MAPS:
        inner = schema.get(key)
        for value in inner.values() if isinstance(inner, dict) else ():
            yield from _nodes(value, depth + 1)
    for key in _LISTS:
        inner = schema.get(key)
        for value in inner if isinstance(inner, list) else ():
            yield from _nodes(value, depth + 1)
    yield from _nodes(schema.get("items"), depth + 1)


def _is_map(node: dict[str, Any]) -> bool:
    if isinstance(node.get("additionalProperties"), dict) or node.get("patternProperties"):
        return True
    kind = node.get("type")
    is_object = kind == "object" or (isinstance(kind, list) and "object" in kind)
    says_more = any(node.get(key) for key in ("properties", "$ref", *_LISTS))
    return is_object and not says_more and node.get("additionalProperties") is not False


def _ref_of(node: dict[str, Any]) -> str:
    ref = node.get("$ref")
    return ref if isinstance(ref, str) else ""


def _leads_back(start: str, leads_to: dict[str, set[str]]) -> bool:
    seen: set[str] = set()
    waiting = [*leads_to[start]]
    while waiting:
        name = waiting.pop()
        if name == start:
            return True
        if name not in seen:
            seen.add(name)
            waiting += leads_to.get(name, ())
    return False


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
