"""Without this one keyword of a tool's schema makes Gemini refuse the whole request, or a schema that points
at itself never ends."""

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.kernel.limits import SCHEMA_BYTES_MAX, SCHEMA_DEPTH_MAX
from switchgear.wire.gemini_generate.to_upstream.json_schema import SchemaTooLarge, gemini_schema

Json = dict[str, Any]

ALLOWED = frozenset(
    (
        "type", "format", "title", "description", "nullable", "default", "items", "minItems", "maxItems",
        "enum", "properties", "required", "minProperties", "maxProperties", "minimum", "maximum",
        "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering",
    )
)  # fmt: skip
FORMATS = {"string": {"enum", "date-time"}, "number": {"float", "double"}, "integer": {"int32", "int64"}}


def check(node: Json, depth: int = 0) -> None:
    """Holds a node to what Gemini says of its subset."""
    assert set(node) <= ALLOWED
    assert depth <= SCHEMA_DEPTH_MAX + 1
    if "anyOf" in node:
        assert set(node) == {"anyOf"}
        assert len(node["anyOf"]) > 1
        for branch in node["anyOf"]:
            assert "anyOf" not in branch
            check(branch, depth + 1)
        return
    assert node["type"] in {"string", "number", "integer", "boolean", "array", "object"}
    assert node.get("nullable", True) is True
    if "enum" in node:
        assert node["type"] == "string"
        assert node["enum"]
        assert all(isinstance(value, str) and value for value in node["enum"])
    if "format" in node:
        assert node["format"] in FORMATS[node["type"]]
    if "properties" in node:
        assert node["properties"]
        for schema in node["properties"].values():
            check(schema, depth + 1)
    assert set(node.get("required", ())) <= set(node.get("properties", ()))
    assert ("items" in node) == (node["type"] == "array")
    if "items" in node:
        check(node["items"], depth + 1)


def of(schema: object, **root: object) -> Json:
    """What one property becomes."""
    before = json.dumps(schema)
    made = gemini_schema({"type": "object", "properties": {"a": schema}, **root})
    assert json.dumps(schema) == before
    assert made is not None
    check(made)
    one: Json = made["properties"]["a"]
    return one


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "const": "x"}, {"type": "string", "enum": ["x"]}),
        (
            {"const": 3},
            {"type": "string", "enum": ["3"], "description": "(some values stand for what is no text)"},
        ),
        (
            {"type": "integer", "enum": [1, 2, 2], "description": "How many."},
            {"type": "string", "enum": ["1", "2"], "description": "How many. (stands for: integer)"},
        ),
        (
            {"type": ["string", "integer", "null"], "enum": ["a", 1, None]},
            {
                "type": "string",
                "enum": ["a", "1"],
                "nullable": True,
                "description": "(some values stand for what is no text)",
            },
        ),
        ({"enum": ["a", None]}, {"type": "string", "enum": ["a"], "nullable": True}),
        ({"enum": ["", "a"]}, {"type": "string", "enum": ["a"], "description": "(may be empty)"}),
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": "STRING"}, {"type": "string"}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        (
            {"type": ["string", "integer", "null"], "maximum": 4},
            {
                "anyOf": [
                    {"type": "string", "nullable": True},
                    {"type": "integer", "maximum": 4, "nullable": True},
                ]
            },
        ),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string", "nullable": True}),
        (
            {"oneOf": [{"type": "string"}, {"type": "number"}], "description": "D"},
            {"anyOf": [{"type": "string", "description": "D"}, {"type": "number", "description": "D"}]},
        ),
        (
            {"anyOf": [{"oneOf": [{"type": "string"}, {"type": "number"}]}, {"type": "boolean"}]},
            {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]},
        ),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
        ({"type": "integer", "exclusiveMaximum": 9, "maximum": 20}, {"type": "integer", "maximum": 8}),
        ({"type": "integer", "minimum": 2, "exclusiveMinimum": True}, {"type": "integer", "minimum": 3}),
        ({"type": "integer", "minimum": 2, "exclusiveMinimum": False}, {"type": "integer", "minimum": 2}),
        (
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "number", "minimum": 0, "description": "(exclusiveMinimum: 0)"},
        ),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        (
            {"type": "string", "format": "uri", "description": "Where."},
            {"type": "string", "description": "Where. (format: uri)"},
        ),
        ({"type": "array"}, {"type": "array", "items": {"type": "string"}}),
        ({"type": "array", "items": True}, {"type": "array", "items": {"type": "string"}}),
        (
            {"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}, {"type": "string"}]},
            {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}]}},
        ),
        ({"type": "array", "items": [{"type": "number"}]}, {"type": "array", "items": {"type": "number"}}),
        (
            {"type": "array", "uniqueItems": True, "minItems": 1, "maxItems": "3"},
            {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "description": "(uniqueItems: true)",
            },
        ),
        ({}, {"type": "string"}),
        (True, {"type": "string"}),
        ({"minimum": 3}, {"type": "number", "minimum": 3}),
        (
            {"properties": {"b": {"type": "null"}}},
            {"type": "object", "properties": {"b": {"type": "string", "nullable": True}}},
        ),
        (
            {"type": "object", "additionalProperties": {"type": "number"}, "properties": {}},
            {"type": "object", "description": '(additionalProperties: {"type":"number"})'},
        ),
        (
            {"type": "number", "multipleOf": 5, "not": {"const": 10}},
            {"type": "number", "description": '(multipleOf: 5; not: {"const":10})'},
        ),
        (
            {"allOf": [{"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]},
                       {"properties": {"c": {"type": "number", "minimum": 1}}, "required": ["c", "b"]}],
             "properties": {"c": {"maximum": 4}}},
            {"type": "object",
             "properties": {"c": {"type": "number", "minimum": 1, "maximum": 4}, "b": {"type": "string"}},
             "required": ["b", "c"]},
        ),
    ],
)  # fmt: skip
def test_each_word_that_gemini_lacks(schema: object, expected: Json) -> None:
    assert of(schema) == expected


def test_bookkeeping_words_vanish_and_required_names_exist() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "x",
        "additionalProperties": False,
        "strict": True,
        "type": "object",
        "properties": {"a": {"type": "string", "$comment": "x", "x-order": 1, "readOnly": True}},
        "required": ["a", "gone", 3],
        "$defs": {"unused": {"type": "string"}},
    }
    made = gemini_schema(schema)
    assert made == {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def test_properties_may_be_named_like_keywords() -> None:
    names = ["const", "$ref", "format", "title", "anyOf", "type", "required", "properties", "enum", "not"]
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": names}
    assert gemini_schema(schema) == schema


def test_references_are_written_out_and_their_neighbours_win() -> None:
    defs = {
        "place/of": {"type": "string", "description": "A place.", "maxLength": 5},
        "again": {"$ref": "#/$defs/place~1of"},
    }
    made = of({"$ref": "#/$defs/again", "description": "Home."}, **{"$defs": defs})
    assert made == {"type": "string", "description": "Home.", "maxLength": 5}
    assert of({"$ref": "#/properties/a/x", "x": {"type": "boolean"}}) == {"type": "boolean"}
    assert of({"$ref": "#/definitions/list/1"}, definitions={"list": [{}, {"type": "integer"}]}) == {
        "type": "integer"
    }


@pytest.mark.parametrize(
    "ref", ["#/gone", "https://example.com/x.json", "#/a/b/c", "", "#/properties/a/$ref/0"]
)
def test_references_to_nothing_become_objects(ref: str) -> None:
    assert of({"$ref": ref, "description": "D"}) == {"type": "object", "description": "D"}


def test_a_schema_that_contains_itself_ends_in_a_plain_object() -> None:
    node = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        },
    }
    made = of({"$ref": "#/$defs/node"}, **{"$defs": {"node": node}})
    assert made["properties"]["name"] == {"type": "string"}
    assert made["properties"]["children"] == {"type": "array", "items": {"type": "object"}}
    assert made["properties"]["next"] == {"type": "object", "nullable": True}
    assert of({"$ref": "#"})["properties"]["a"] == {"type": "object"}
    assert of({"$ref": "#/$defs/x"}, **{"$defs": {"x": {"$ref": "#/$defs/x"}}}) == {"type": "object"}


def test_one_definition_used_twice_is_no_recursion() -> None:
    defs = {"p": {"type": "object", "properties": {"x": {"type": "number"}}}, "q": {"$ref": "#/$defs/p"}}
    both = of({"allOf": [{"$ref": "#/$defs/p"}, {"$ref": "#/$defs/q"}]}, **{"$defs": defs})
    assert both == {"type": "object", "properties": {"x": {"type": "number"}}}


def test_what_stands_beside_a_choice_goes_into_each_branch() -> None:
    schema = {
        "type": "object",
        "properties": {"b": {"type": "string"}, "c": {"type": "string"}},
        "anyOf": [{"required": ["b"]}, {"required": ["c"]}],
    }
    assert of(schema) == {
        "anyOf": [
            {"type": "object", "properties": schema["properties"], "required": ["b"]},
            {"type": "object", "properties": schema["properties"], "required": ["c"]},
        ]
    }


def test_arguments_that_are_a_choice_become_one_object() -> None:
    branches = [
        {
            "type": "object",
            "properties": {"op": {"const": "get"}, "id": {"type": "string"}},
            "required": ["op", "id"],
        },
        {
            "type": "object",
            "properties": {"op": {"const": "list"}},
            "required": ["op"],
            "description": "All.",
        },
    ]
    made = gemini_schema({"oneOf": branches})
    assert made is not None
    check(made)
    assert made["properties"]["id"] == {"type": "string"}
    assert made["required"] == ["op"]
    assert made["description"] == 'All. (required, one of: [["op","id"],["op"]])'


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {}, "additionalProperties": False},
        {"$schema": "x", "title": "T"},
        {"properties": {}},
    ],
)
def test_arguments_without_properties_are_none(schema: Json) -> None:
    assert gemini_schema(schema) is None


def test_depth_ends_in_a_plain_object() -> None:
    schema: Json = {"type": "string"}
    for _ in range(90):
        schema = {"type": "object", "properties": {"a": schema}}
    made = gemini_schema(schema)
    assert made is not None
    check(made)


def bomb(levels: int) -> Json:
    """Each definition names the next one twice."""
    defs: Json = {f"d{levels}": {"type": "string"}}
    for level in range(levels):
        inner = {"$ref": f"#/$defs/d{level + 1}"}
        defs[f"d{level}"] = {"type": "object", "properties": {"l": inner, "r": inner}}
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": defs}


def wide(word: str, value: object) -> Json:
    """One large value that many properties refer to."""
    ref = {"$ref": "#/$defs/big"}
    return {
        "type": "object",
        "properties": {f"p{at}": ref for at in range(5000)},
        "$defs": {"big": {"type": "string", word: value}},
    }


@pytest.mark.parametrize(
    "schema",
    [
        bomb(22),
        wide("description", "x" * 200_000),
        wide("enum", [f"v{at}" for at in range(20_000)]),
        wide("default", ["x" * 200_000]),
        wide("anyOf", [{"type": "string", "maxLength": at} for at in range(5000)]),
        {"description": "x" * 200_000, "anyOf": [{"type": "string", "maxLength": at} for at in range(5000)]},
        {"type": "object", "properties": {f"p{at}": {"type": "string"} for at in range(11_000)}},
        {"type": "object", "properties": {"a": {"description": "x" * SCHEMA_BYTES_MAX}}},
        {"allOf": [{"enum": [f"{part}v{at}" for at in range(10)]} for part in range(11_000)]},
    ],
)
def test_schemas_that_grow_without_end_are_refused_soon(schema: Json) -> None:
    start = time.perf_counter()
    with pytest.raises(SchemaTooLarge):
        gemini_schema(schema)
    assert time.perf_counter() - start < 5


def test_long_chains_and_large_notes_do_no_harm() -> None:
    chain: Json = {f"d{at}": {"$ref": f"#/$defs/d{at + 1}"} for at in range(5000)}
    chain["d5000"] = {"type": "string"}
    assert of({"$ref": "#/$defs/d0"}, **{"$defs": chain}) == {"type": "object"}
    for at in range(5000):
        chain[f"d{at}"] = {"allOf": [{"allOf": [{"$ref": f"#/$defs/d{at + 1}"}]}]}
    assert of({"$ref": "#/$defs/d0"}, **{"$defs": chain}) == {"type": "object"}
    made = gemini_schema(wide("examples", ["x" * 200_000]) | {"properties": {"a": {"$ref": "#/$defs/big"}}})
    assert made is not None
    assert len(made["properties"]["a"]["description"]) < 300


WORDS = st.sampled_from(
    ["type", "enum", "const", "properties", "items", "anyOf", "oneOf", "allOf", "$ref", "required", "format",
     "exclusiveMinimum", "minimum", "description", "nullable", "prefixItems", "additionalProperties", "not",
     "minLength", "default", "$defs", "title", "pattern", "x"]
)  # fmt: skip
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [
            "string",
            "object",
            "array",
            "integer",
            "null",
            "#",
            "#/$defs/x",
            "#/properties/x",
            "#/anyOf/0",
            "uri",
            "",
        ]
    ),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(WORDS, VALUES, max_size=6))
@settings(max_examples=400, deadline=None)
def test_anything_becomes_the_subset_or_is_refused(schema: Json) -> None:
    before = msgspec.json.encode(schema)
    made = gemini_schema(schema)
    assert msgspec.json.encode(schema) == before
    if made is not None:
        check(made)
        assert gemini_schema(schema) == made
