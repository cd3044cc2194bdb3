"""Which single values a flat node of a JSON Schema takes, in Gemini's words: types, enums, number bounds."""

from typing import TypeGuard

import msgspec

from switchgear.wire.gemini_generate.to_upstream.json_schema_flat import Json

_TYPES = frozenset(("string", "number", "integer", "boolean", "array", "object"))
_SIGNS_OF = (
    ("object", ("properties", "required", "additionalProperties", "minProperties", "patternProperties")),
    ("array", ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains")),
    ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
)
"""What a schema without a type speaks of."""


def types_of(node: Json) -> tuple[list[str], bool]:
    """The types named, and whether null is one of them."""
    named = node.get("type")
    names = named if isinstance(named, list) else [named]
    lower = [name.lower() for name in names if isinstance(name, str)]
    kinds = list(dict.fromkeys(name for name in lower if name in _TYPES))
    if "number" in kinds and "integer" in kinds:
        kinds.remove("integer")
    return kinds, "null" in lower or node.get("nullable") is True


def guessed_type(node: Json, otherwise: str) -> str:
    """The type that the other keywords speak of."""
    for kind, signs in _SIGNS_OF:
        if any(sign in node for sign in signs):
            return kind
    return otherwise


def enum_of(node: Json) -> list[object] | None:
    """The only values, where they are listed; ``const`` lists one."""
    if "const" in node:
        return [node["const"]]
    values = node.get("enum")
    return values if isinstance(values, list) else None


def enumerated(node: Json, values: list[object], nullable: bool, notes: list[str]) -> tuple[Json, bool]:
    """Enums are strings here. ``({}, nullable)`` where nothing but null is in it, or nothing at all."""
    known = [value for value in values if value is not None]
    nullable = nullable or len(known) < len(values)
    texts = list(dict.fromkeys(text for text in map(_text, known) if text))
    if not texts:
        return {}, nullable
    if "" in known:
        notes.append("may be empty")  # no value of an enum may be
    if any(not isinstance(value, str) for value in known):
        named = node.get("type")
        notes.append(
            f"stands for: {named}" if isinstance(named, str) else "some values stand for what is no text"
        )
    return {"type": "string", "enum": texts}, nullable


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def set_bounds(made: Json, node: Json, kind: str, notes: list[str]) -> None:
    """``exclusiveMinimum`` is a number, or in old schemas a mark beside ``minimum``."""
    for key, exclusive, step in (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1)):
        bound, beyond = node.get(key), node.get(exclusive)
        if beyond is True and _is_number(bound):
            bound, beyond = None, bound
        if not _is_number(beyond):
            if _is_number(bound):
                made[key] = bound
            continue
        inner = beyond
        if kind == "integer" and isinstance(beyond, int):
            inner = beyond + step
        else:
            notes.append(f"{exclusive}: {beyond}")
        tighter = max if step > 0 else min
        made[key] = tighter(bound, inner) if _is_number(bound) else inner


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
