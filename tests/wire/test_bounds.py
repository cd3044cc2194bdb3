"""Without this a small body of very many small things would hold a worker for seconds, and with it every
other call of that worker."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.known_bugs.support import CHAT, GEMINI, MESSAGES, RESPONSES, Json, ask, others
from tests.wire.pairs.relay import read_call
from tests.wire.pairs.scenarios import TARGETS

from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import (
    FIELDS_MAX,
    MESSAGES_MAX,
    PARTS_MAX,
    SCHEMA_BYTES_MAX,
    STOPS_MAX,
    TOOLS_MAX,
    VALUES_MAX,
)
from switchgear.wire.framing.fields import read_fields
from switchgear.wire.framing.values_count import exceeds_values
from switchgear.wire.neutral.object_schema import object_schema

EMPTY_SCHEMA: Json = {"type": "object", "properties": {}}


def messages(client: DialectName, count: int) -> Json:
    match client:
        case "openai_chat":
            return {"messages": [{"role": "user", "content": "a"}] * count}
        case "openai_responses":
            return {"input": [{"role": "user", "content": "a"}] * count}
        case "anthropic_messages":
            return {"max_tokens": 9, "messages": [{"role": "user", "content": "a"}] * count}
    return {"contents": [{"role": "user", "parts": [{"text": "a"}]}] * count}


def parts(client: DialectName, count: int) -> Json:
    """In two messages, of which neither has too many."""
    half = count // 2
    match client:
        case "openai_chat":
            return {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * half}] * 2}
        case "openai_responses":
            return {"input": [{"role": "user", "content": [{"type": "input_text", "text": "a"}] * half}] * 2}
        case "anthropic_messages":
            return {
                "max_tokens": 9,
                "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * half}] * 2,
            }
    return {"contents": [{"role": "user", "parts": [{"text": "a"}] * half}] * 2}


def tools(client: DialectName, count: int, schema: Json = EMPTY_SCHEMA) -> Json:
    names = [f"f{at}" for at in range(count)]
    match client:
        case "openai_chat":
            listed = [{"type": "function", "function": {"name": it, "parameters": schema}} for it in names]
        case "openai_responses":
            listed = [{"type": "function", "name": it, "parameters": schema} for it in names]
        case "anthropic_messages":
            listed = [{"name": it, "input_schema": schema} for it in names]
        case _:
            declared = [{"name": it, "parametersJsonSchema": schema} for it in names]
            listed = [{"functionDeclarations": declared}]
    return messages(client, 1) | {"tools": listed}


def stops(client: DialectName, count: int) -> Json:
    found = [f"s{at}" for at in range(count)]
    if client == GEMINI:
        return messages(client, 1) | {"generationConfig": {"stopSequences": found}}
    return messages(client, 1) | {"stop_sequences" if client == MESSAGES else "stop": found}


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize(
    ("made", "most"),
    [(messages, MESSAGES_MAX), (parts, PARTS_MAX), (tools, TOOLS_MAX)],
    ids=["messages", "parts", "tools"],
)
def test_more_than_the_bound_is_refused_by_its_number(
    client: DialectName, made: Callable[[DialectName, int], Json], most: int
) -> None:
    upstream = next(name for name in others(client) if name != RESPONSES)
    outcome = ask(client, {"model": "m1"} | made(client, most + 2), TARGETS[upstream])
    assert outcome.status == 400, outcome.body[:300]
    assert str(most).encode() in outcome.body
    assert outcome.asked is None


@pytest.mark.parametrize("client", [CHAT, MESSAGES, GEMINI])
def test_more_stop_sequences_than_the_bound_are_refused_by_their_number(client: DialectName) -> None:
    outcome = ask(client, {"model": "m1"} | stops(client, STOPS_MAX + 1), TARGETS[RESPONSES])
    assert outcome.status == 400
    assert str(STOPS_MAX).encode() in outcome.body


@pytest.mark.parametrize("client", DIALECTS)
def test_a_schema_over_the_bound_is_refused_by_its_size(client: DialectName) -> None:
    large = {"type": "object", "properties": {"a": {"type": "string", "description": "x" * SCHEMA_BYTES_MAX}}}
    upstream = CHAT if client != CHAT else MESSAGES
    outcome = ask(client, {"model": "m1"} | tools(client, 1, large), TARGETS[upstream])
    assert outcome.status == 400
    assert str(SCHEMA_BYTES_MAX).encode() in outcome.body


@pytest.mark.parametrize("client", DIALECTS)
def test_what_agents_send_is_taken(client: DialectName) -> None:
    """Some thousands of messages and some hundreds of tools."""
    body = {"model": "m1"} | tools(client, 128) | messages(client, 4000)
    upstream = CHAT if client != CHAT else MESSAGES
    assert ask(client, body, TARGETS[upstream]).status == 200


def test_more_fields_than_any_vendor_knows_are_refused() -> None:
    body = {"model": "m1", "messages": [], **{f"k{at}": 1 for at in range(FIELDS_MAX)}}
    with pytest.raises(ApiError, match=str(FIELDS_MAX)):
        read_fields(json.dumps(body).encode())


def test_more_values_than_can_be_decoded_at_once_are_refused() -> None:
    body = b'{"model":"m1","messages":[' + b",".join([b'{"role":"user"}'] * VALUES_MAX) + b"]}"
    with pytest.raises(ApiError, match=str(VALUES_MAX)):
        read_fields(body)


def test_a_long_text_is_one_value() -> None:
    said = 'if (a) { b["x"] = [1, 2, 3]; }\\\n' * 100_000
    body = json.dumps({"model": "m1", "messages": [{"role": "user", "content": said}]}).encode()
    assert body.count(b",") + body.count(b"{") + body.count(b"[") > VALUES_MAX
    assert read_call("/v1/chat/completions", body)[1].model == "m1"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a,{["\\é', max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('b,["\\', max_size=3), inner, max_size=3)
    ),
)


def marks_of(value: Any) -> int:
    """Brackets that open, and commas between."""
    if not isinstance(value, list | dict):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(len(value) - 1, 0) + sum(map(marks_of, inner))


@given(json_values, st.booleans())
def test_values_are_counted_outside_of_strings(value: Any, is_ascii: bool) -> None:
    body = json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "replace")
    count = marks_of(value)
    assert not exceeds_values(body, count)
    assert count == 0 or exceeds_values(body, count - 1)


def test_a_name_that_many_branches_require_takes_linear_time() -> None:
    names = [f"n{at}" for at in range(20_000)]
    branch = {"properties": {}, "required": names}
    found = object_schema(json.dumps({"allOf": [branch, branch]}).encode())  # type: ignore[arg-type]
    assert found["required"] == names
