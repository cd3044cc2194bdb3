"""A schema of a function's arguments as strict vendors want it: of an object that names its properties,
without alternatives at its top. Servers of tools leave those out, and some clients leave out the type."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.wire.framing.splice import NULL, any_of

NO_ARGUMENTS = Raw(b'{"type":"object","properties":{}}')
_BRANCHES = ("allOf", "anyOf", "oneOf")


class _Root(msgspec.Struct, gc=False):
    """What is looked at; the rest is not decoded."""

    type: Raw = NULL
    properties: Raw = NULL
    allOf: Raw = NULL  # noqa: N815 - the keyword's own spelling
    anyOf: Raw = NULL  # noqa: N815
    oneOf: Raw = NULL  # noqa: N815


_decode_root = msgspec.json.Decoder(_Root).decode


def function_schema(schema: Raw | None) -> Raw | dict[str, Any]:
    """The very schema where it is good already."""
    if schema is None:
        return NO_ARGUMENTS
    try:
        root = _decode_root(schema)
    except (ValueError, RecursionError):
        return object_schema(schema)
    is_good = root.type == b'"object"' and root.properties != NULL
    return schema if is_good and root.allOf == root.anyOf == root.oneOf == NULL else object_schema(schema)


def object_schema(schema: Raw | None) -> dict[str, Any]:
    """Decoded; alternatives at the top are joined."""
    found = any_of(schema) if schema is not None else None
    if not isinstance(found, dict):
        return {"type": "object", "properties": {}}
    if found.get("type") == "object" and not any(key in found for key in _BRANCHES):
        found.setdefault("properties", {})
        return found
    joined = {key: value for key, value in found.items() if key not in _BRANCHES}
    properties = {**_mapping(joined.get("properties"))}
    required = dict.fromkeys(name for name in _listed(joined.get("required")) if isinstance(name, str))
    for key in _BRANCHES:
        for branch in _listed(found.get(key)):
            if isinstance(branch, dict) and isinstance(branch.get("properties"), dict):
                properties.update(branch["properties"])
                if key == "allOf":
                    names = _listed(branch.get("required"))
                    required.update(dict.fromkeys(name for name in names if isinstance(name, str)))
    joined |= {"type": "object", "properties": properties}
    if required:
        joined["required"] = list(required)
    return joined


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
