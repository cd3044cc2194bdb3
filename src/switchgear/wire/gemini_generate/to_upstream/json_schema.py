"""JSON Schema in the subset that Gemini's ``parameters`` and ``responseSchema`` take.

Gemini refuses a whole request for one keyword that it does not know. So references are written out, what has
an equivalent is said in its words, and what has none is told in the description, where the model reads it.
How: ``json_schema_flat`` makes each node free of references and ``allOf``; here a flat node becomes a node
of the subset, with ``json_schema_values`` for what says something about single values.
"""

from collections.abc import Sequence

import msgspec

from switchgear.kernel.limits import SCHEMA_BYTES_MAX, SCHEMA_DEPTH_MAX, SCHEMA_NOTE_CHARS_MAX
from switchgear.wire.gemini_generate.to_upstream.json_schema_flat import Flattener, Json, SchemaTooLarge
from switchgear.wire.gemini_generate.to_upstream.json_schema_values import (
    enum_of,
    enumerated,
    guessed_type,
    is_count,
    set_bounds,
    types_of,
)

__all__ = ["SchemaTooLarge", "gemini_schema"]

_FORMATS = {
    "string": frozenset(("enum", "date-time")),
    "number": frozenset(("float", "double")),
    "integer": frozenset(("int32", "int64")),
}
_COUNTS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_TOLD = (
    "multipleOf",
    "uniqueItems",
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "contains",
    "minContains",
    "maxContains",
    "not",
    "if",
    "then",
    "else",
    "contentEncoding",
    "contentMediaType",
    "examples",
)
"""Keywords without an equivalent that the description tells; others say nothing about values."""


def gemini_schema(schema: Json) -> Json | None:
    """A decoded JSON Schema of an object as decoded JSON of the subset; None where it asks for nothing.

    The input is not changed. Raises SchemaTooLarge over SCHEMA_BYTES_MAX, in or out, and SCHEMA_NODES_MAX;
    what is deeper than SCHEMA_DEPTH_MAX, or contains itself, becomes a plain object.
    """
    if len(msgspec.json.encode(schema)) > SCHEMA_BYTES_MAX:
        raise SchemaTooLarge
    converted = _Converter(schema).convert(schema, (), 0)
    if "anyOf" in converted:
        converted = _one_object(converted)
    return converted if converted.get("type") != "object" or "properties" in converted else None


class _Converter:
    """One conversion."""

    def __init__(self, root: Json) -> None:
        self._flattener = Flattener(root)
        self._left_bytes = SCHEMA_BYTES_MAX
        self._written: dict[int, str] = {}
        """Values that are told in descriptions, by identity: references name the same one many times."""

    def convert(self, schema: object, refs: tuple[str, ...], depth: int) -> Json:
        """``refs``: the references that led here, so that one that leads back is seen."""
        if depth > SCHEMA_DEPTH_MAX:
            return {"type": "object", "description": "Any JSON object."}
        flat = self._flattener.flatten(schema, refs)
        node, inner = flat.node, flat.refs
        if flat.recursive:
            node = {"type": "object", **node}
        branches = _branches(node)
        if branches is not None:
            return self._any_of(node, branches, inner, depth)
        kinds, nullable = types_of(node)
        if len(kinds) > 1 and enum_of(node) is None:
            return self._any_of(
                {key: value for key, value in node.items() if key not in ("type", "nullable")},
                [*({"type": kind} for kind in kinds), *([{"type": "null"}] if nullable else [])],
                inner,
                depth,
            )
        kind = kinds[0] if kinds else guessed_type(node, "string" if depth else "object")
        made = self._single(node, kind, nullable, inner, depth)
        self._spend(_own_size(made))
        return made

    def _any_of(self, node: Json, branches: Sequence[object], refs: tuple[str, ...], depth: int) -> Json:
        """Gemini wants nothing beside ``anyOf``: what stands beside it goes into each branch."""
        dropped = ("anyOf", "oneOf", "description", "title", "nullable")
        base = {key: value for key, value in node.items() if key not in dropped}
        nullable = node.get("nullable") is True
        converted: dict[bytes, Json] = {}
        for branch in branches:
            if isinstance(branch, dict) and branch.get("type") == "null":
                nullable = True
                continue
            both: object = {"allOf": [base, branch]} if base else branch
            made = self.convert(both, refs, depth + 1)
            # A choice of choices is one choice.
            for one in made["anyOf"] if isinstance(made.get("anyOf"), list) else [made]:
                converted.setdefault(msgspec.json.encode(one), one)
        if not converted:
            return {"type": "string", "nullable": True}
        front = node.get("description")
        if isinstance(front, str):
            self._spend(len(front) * len(converted))
        choices = [
            _with_front({**one, "nullable": True} if nullable else one, front) for one in converted.values()
        ]
        return choices[0] if len(choices) == 1 else {"anyOf": choices}

    def _single(self, node: Json, kind: str, nullable: bool, refs: tuple[str, ...], depth: int) -> Json:
        notes: list[str] = []
        values = enum_of(node)
        if values is not None:
            made, nullable = enumerated(node, values, nullable, notes)
            if made:
                return self._finished(made, node, nullable, notes)
        made = {"type": kind}
        if kind == "object":
            self._object(made, node, refs, depth)
        elif kind == "array":
            made["items"] = self._items(node, refs, depth)
        elif kind in ("number", "integer"):
            set_bounds(made, node, kind, notes)
        elif kind == "string" and isinstance(node.get("pattern"), str):
            made["pattern"] = node["pattern"]
        for key in _COUNTS.get(kind, ()):
            if is_count(node.get(key)):
                made[key] = node[key]
        form = node.get("format")
        if isinstance(form, str):
            if form in _FORMATS.get(kind, ()):
                made["format"] = form
            else:
                notes.append(f"format: {form[:SCHEMA_NOTE_CHARS_MAX]}")
        return self._finished(made, node, nullable, notes)

    def _object(self, made: Json, node: Json, refs: tuple[str, ...], depth: int) -> None:
        properties = node.get("properties")
        if not isinstance(properties, dict) or not properties:
            return
        made["properties"] = {
            name: self.convert(schema, refs, depth + 1) for name, schema in properties.items()
        }
        for key in ("required", "propertyOrdering"):
            names = node.get(key)
            if isinstance(names, list):
                known = [name for name in names if isinstance(name, str) and name in properties]
                if known:
                    made[key] = list(dict.fromkeys(known))

    def _items(self, node: Json, refs: tuple[str, ...], depth: int) -> Json:
        """Gemini has no tuples: they become arrays of any of their kinds."""
        items, prefix = node.get("items"), node.get("prefixItems")
        tuple_of = prefix if isinstance(prefix, list) else items if isinstance(items, list) else None
        if tuple_of:
            rest = [items] if isinstance(items, dict) and items else []
            return self.convert({"anyOf": [*tuple_of, *rest]}, refs, depth + 1)
        return self.convert(items, refs, depth + 1) if isinstance(items, dict) else {"type": "string"}

    def _finished(self, made: Json, node: Json, nullable: bool, notes: list[str]) -> Json:
        """Adds what every kind may have; the description also tells what the subset has no field for."""
        if nullable:
            made["nullable"] = True
        for key in ("default", "example"):
            if key in node and "enum" not in made:
                self._spend(len(self._text_of(node[key])))
                made[key] = node[key]
        if isinstance(node.get("title"), str):
            made["title"] = node["title"]
        for key in _TOLD:
            value = node.get(key)
            if value is True if key == "uniqueItems" else value and value is not True:
                notes.append(f"{key}: {self._text_of(value)[:SCHEMA_NOTE_CHARS_MAX]}")
        description = node.get("description")
        parts = [description] if isinstance(description, str) and description else []
        if notes:
            parts.append(f"({'; '.join(notes)})")
        if parts:
            made["description"] = " ".join(parts)
        return made

    def _text_of(self, value: object) -> str:
        text = self._written.get(id(value))
        if text is None:
            text = self._written[id(value)] = msgspec.json.encode(value).decode()
        return text

    def _spend(self, size: int) -> None:
        """References can multiply long texts too. Raises SchemaTooLarge."""
        self._left_bytes -= size
        if self._left_bytes < 0:
            raise SchemaTooLarge


def _branches(node: Json) -> Sequence[object] | None:
    for key in ("anyOf", "oneOf"):
        branches = node.get(key)
        if isinstance(branches, list) and branches:
            return branches
    return None


def _with_front(node: Json, description: object) -> Json:
    """The description of a choice is told in each of its branches."""
    if not isinstance(description, str) or not description:
        return node
    own = node.get("description")
    if isinstance(own, str) and own.startswith(description):
        return node
    return {**node, "description": f"{description} {own}" if own else description}


def _one_object(choice: Json) -> Json:
    """Arguments of a tool are one object: all properties of the choices, required what each requires."""
    branches = [branch for branch in choice["anyOf"] if branch.get("type") == "object"]
    properties: Json = {}
    for branch in branches:
        for name, schema in branch.get("properties", {}).items():
            properties.setdefault(name, schema)
    needed = [frozenset(branch.get("required", ())) for branch in branches]
    required = [name for name in properties if all(name in names for names in needed)]
    made: Json = {"type": "object"}
    if properties:
        made["properties"] = properties
    if required:
        made["required"] = required
    told = list(dict.fromkeys(branch["description"] for branch in branches if "description" in branch))
    if len(frozenset(needed)) > 1:
        ways = msgspec.json.encode([branch.get("required", []) for branch in branches]).decode()
        told.append(f"(required, one of: {ways[:SCHEMA_NOTE_CHARS_MAX]})")
    if told:
        made["description"] = " ".join(told)
    return made


def _own_size(made: Json) -> int:
    """Characters of the node's own texts and of its properties' names."""
    texts = [made.get("description", ""), made.get("title", ""), made.get("pattern", "")]
    return sum(map(len, (*texts, *made.get("enum", ()), *made.get("properties", ()))))
