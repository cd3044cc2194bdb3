"""Schemas in Google's own subset (``parameters``, ``responseSchema``) as JSON Schema.

The subset writes types in capitals, ``nullable`` beside a type, and numbers as strings, and SDKs write its
keywords in snake case, too.
"""

from typing import Any

from switchgear.wire.gemini_generate.values import Json, flag_in, number_of, snake

_COUNTS = ("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength")
_RENAMED = {snake(name): name for name in (*_COUNTS, "anyOf", "propertyOrdering", "additionalProperties")}
_NUMBERS = frozenset((*_COUNTS, "minimum", "maximum"))
_LEFT_OUT = frozenset({"propertyOrdering", "nullable", "example"})


def json_schema_of(schema: Any) -> Any:
    """The same meaning in the words of JSON Schema. What is no schema stays as it is; nesting is bounded by
    that of a body."""
    if not isinstance(schema, dict):
        return schema
    found: Json = {}
    for written, value in schema.items():
        key = str(_RENAMED.get(written, written))
        if key not in _LEFT_OUT:
            found[key] = _value(key, value)
    if "example" in schema:
        found["examples"] = [schema["example"]]
    if flag_in(schema, "nullable"):
        _allow_null(found)
    return found


def _value(key: str, value: Any) -> Any:
    if key == "type":
        return value.lower() if isinstance(value, str) else value
    if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
        return {name: json_schema_of(inner) for name, inner in value.items()}
    if key in ("anyOf", "oneOf", "allOf") and isinstance(value, list):
        return [json_schema_of(inner) for inner in value]
    if key in ("items", "additionalProperties"):
        return json_schema_of(value)
    return number_of(value) if key in _NUMBERS else value


def _allow_null(found: Json) -> None:
    if isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    elif isinstance(found.get("anyOf"), list):
        found["anyOf"] = [*found["anyOf"], {"type": "null"}]
    if isinstance(found.get("enum"), list) and None not in found["enum"]:
        found["enum"] = [*found["enum"], None]
