"""Without this an edit of one key could alter, drop or reorder what the client sent, or a body crash us."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from switchgear.kernel.limits import JSON_DEPTH_MAX
from switchgear.wire.framing.splice import (
    BadJson,
    exceeds_depth,
    read_object,
    read_objects,
    repair_surrogates,
    write_array,
    write_object,
)

KEYS = st.text(alphabet='ab"\\[]{}é🙂\n', max_size=6)
LEAVES = (
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(alphabet='ab"\\[]{}é🙂\n', max_size=12)
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=8)


def nested(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((depth_of(item) for item in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth_of(item) for item in value), default=0)
    return 0


@given(OBJECTS, st.sampled_from([None, 2]))
@settings(max_examples=60, deadline=None)
def test_every_value_keeps_its_bytes_and_order(found: dict[str, Any], indent: int | None) -> None:
    body = json.dumps(found, indent=indent).encode()
    fields = read_object(body)
    assert list(fields) == list(found)
    assert all(bytes(raw) in body for raw in fields.values())
    assert json.loads(write_object(fields)) == found


def test_numbers_keep_their_spelling_and_duplicates_collapse_to_the_last() -> None:
    fields = read_object(b'{"a":1.0,"b":1e3,"a":-0.10,"c": [1, 2.50]}')
    assert write_object(fields) == b'{"a":-0.10,"b":1e3,"c":[1, 2.50]}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b"null",
        b"{",
        b'{"a":NaN}',
        b'{"a":1}x',
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b'{"a":"\n"}',
        b'{"a":"\\q"}',
        b"\x00",
        nested(5000),
        nested(JSON_DEPTH_MAX + 1),
        b'{"a":"\xed\xa0\x80"}',
    ],
)
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(BadJson) as caught:
        read_object(body)
    assert caught.value.message


def test_the_deepest_allowed_body_passes() -> None:
    assert read_object(nested(JSON_DEPTH_MAX))


@given(OBJECTS, st.integers(0, 12))
@settings(max_examples=80, deadline=None)
def test_depth_is_exact(found: dict[str, Any], bound: int) -> None:
    assert exceeds_depth(json.dumps(found).encode(), bound) == (depth_of(found) > bound)


@pytest.mark.parametrize("filler", ['"', "\\", '\\"', "[{", "]}", '["', '\\\\"'])
@pytest.mark.parametrize("count", [1, 3, 150, 500])
def test_brackets_quotes_and_escapes_in_strings_do_not_count(filler: str, count: int) -> None:
    shallow = json.dumps({f"k{at}": [filler * at, {"x": filler}] for at in range(count)}).encode()
    assert not exceeds_depth(shallow, JSON_DEPTH_MAX)
    deep = shallow[:-1] + b',"deep":' + b"[" * JSON_DEPTH_MAX + b"]" * JSON_DEPTH_MAX + b"}"
    assert exceeds_depth(deep, JSON_DEPTH_MAX)


def test_absurd_structure_is_refused_without_a_walk() -> None:
    chain = b"[" * 50 + b"]" * 50
    body = b'{"a":[' + b",".join([chain] * 20_000) + b"]}"
    assert exceeds_depth(body, JSON_DEPTH_MAX)


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    fields = read_object(rb'{"a":"x\ud83d","b":"\ud83d\ude42","c":"\\ud83d"}')
    assert write_object(fields) == rb'{"a":"x\ufffd","b":"\ud83d\ude42","c":"\\ud83d"}'


@given(st.text(alphabet=st.sampled_from(list('\\"ud83de42cx')), max_size=24))
def test_repair_touches_escapes_only(text: str) -> None:
    body = json.dumps({"a": text}).encode()
    assert repair_surrogates(body) == body


def test_non_ascii_text_over_several_steps() -> None:
    text = "é" * 300_001
    body = json.dumps({"a": text}, ensure_ascii=False).encode()
    assert bytes(read_object(body)["a"]) == f'"{text}"'.encode()
    with pytest.raises(BadJson, match="UTF-8"):
        read_object(body[:-4] + b'\xc3"}')


def test_arrays_of_objects() -> None:
    objects = read_objects(Raw(b'[{"a": 1.0},{}]'))
    assert write_array(objects) == b'[{"a":1.0},{}]'
    with pytest.raises(BadJson):
        read_objects(b"[1]")


@given(st.binary(max_size=60))
def test_random_bytes_raise_only_bad_json(body: bytes) -> None:
    try:
        fields = read_object(body)
    except BadJson:
        return
    assert re.match(rb"\s*\{", body)
    assert isinstance(fields, dict)
