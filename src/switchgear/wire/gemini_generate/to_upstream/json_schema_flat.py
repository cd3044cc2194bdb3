"""A node of a JSON Schema without ``$ref`` and ``allOf``: both written out into one node, in bounded work."""

from typing import Any

import msgspec

from switchgear.kernel.limits import SCHEMA_NODES_MAX

Json = dict[str, Any]
"""A decoded JSON object."""

_LARGER = frozenset(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"))
_HOPS_MAX = 64
"""References and ``allOf`` that lead from one into the next; nobody writes more."""
_SMALLER = frozenset(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"))


class SchemaTooLarge(ValueError):
    """A schema that has no end, or as good as none, once its references are written out."""

    def __init__(self) -> None:
        super().__init__("a schema is too large once its references are written out")


class Flat(msgspec.Struct, frozen=True):
    """A node and the references that were followed to it."""

    node: Json
    refs: tuple[str, ...]
    recursive: bool = False
    """A reference led back to where it came from, or nowhere."""


class Flattener:
    """Knows the whole schema, and how much of it was written out already."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._nodes = 0

    def flatten(self, schema: object, refs: tuple[str, ...], hops: int = 0) -> Flat:
        """Anything that is no object says nothing about values. Raises SchemaTooLarge."""
        self._nodes += 1
        if self._nodes > SCHEMA_NODES_MAX:
            raise SchemaTooLarge
        if not isinstance(schema, dict):
            return Flat({}, refs)
        if hops > _HOPS_MAX:
            return Flat({}, refs, recursive=True)
        node = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
        recursive = False
        ref = schema.get("$ref")
        if isinstance(ref, str):
            target = None if ref in refs else self._target(ref)
            if target is None:
                recursive = True
            else:
                refs = (*refs, ref)
                found = self.flatten(target, refs, hops + 1)
                refs, recursive = found.refs, found.recursive
                node = {**found.node, **node}
        parts = schema.get("allOf")
        here = refs
        for part in parts if isinstance(parts, list) else ():
            flat = self.flatten(part, here, hops + 1)
            refs = tuple(dict.fromkeys((*refs, *flat.refs)))
            recursive = recursive or flat.recursive
            node = _merged(node, flat.node)
        return Flat(node, refs, recursive)

    def _target(self, ref: str) -> object | None:
        """What a JSON pointer into the schema leads to."""
        if not ref.startswith("#"):
            return None
        place: object = self._root
        for step in ref[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(place, dict) and name in place:
                place = place[name]
            elif isinstance(place, list) and name.isdecimal() and len(name) < 6 and int(name) < len(place):
                place = place[int(name)]
            else:
                return None
        return place


def _merged(one: Json, other: Json) -> Json:
    """Both at once; where the words can't say that, the first."""
    both = dict(one)
    for key, value in other.items():
        mine = both.get(key)
        if mine is None:
            both[key] = value
        elif key == "properties" and isinstance(mine, dict) and isinstance(value, dict):
            shared = {
                name: {"allOf": [mine[name], value[name]]}
                for name in value
                if name in mine and mine[name] != value[name]
            }
            both[key] = {**value, **mine, **shared}
        elif key == "required" and isinstance(mine, list) and isinstance(value, list):
            both[key] = list(dict.fromkeys(name for name in (*mine, *value) if isinstance(name, str)))
        elif key == "enum" and isinstance(mine, list) and isinstance(value, list):
            shared_values = frozenset(map(msgspec.json.encode, value))
            both[key] = [each for each in mine if msgspec.json.encode(each) in shared_values] or mine
        elif key in _LARGER or key in _SMALLER:
            both[key] = _tighter(key, mine, value)
        elif key == "type":
            both[key] = _narrower(mine, value)
    return both


def _tighter(key: str, mine: object, value: object) -> object:
    if not (isinstance(mine, int | float) and isinstance(value, int | float)):
        return mine
    return max(mine, value) if key in _LARGER else min(mine, value)


def _narrower(mine: object, value: object) -> object:
    """Types that both take; ``integer`` is a ``number``."""
    names, others = _names(mine), _names(value)
    shared = [name for name in names if name in others or (name == "integer" and "number" in others)]
    if "integer" in others and "number" in names and "integer" not in names:
        shared.append("integer")
    if not shared:
        return mine
    return shared[0] if len(shared) == 1 else shared


def _names(types: object) -> dict[str, None]:
    listed = types if isinstance(types, list) else [types]
    return dict.fromkeys(name for name in listed if isinstance(name, str))
