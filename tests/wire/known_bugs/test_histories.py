"""Bugs that relays of this kind are known for, in histories on their way between dialects. Each test is named
by what it prevents; the upstreams are strict ones, so a request that their vendor refuses fails, too."""

import json
from typing import Any

import pytest
from tests.sim.speakers import PIXEL, TOOLS
from tests.wire.known_bugs.support import CHAT, GEMINI, MESSAGES, RESPONSES, Json, ask, others, sent
from tests.wire.pairs.relay import Target
from tests.wire.pairs.scenarios import TARGETS

from switchgear.kernel.dialects import DIALECTS, DialectName

NAME, SCHEMA = TOOLS[0]
DECLARED = {"functionDeclarations": [{"name": NAME, "parametersJsonSchema": SCHEMA}]}
SYSTEM: dict[DialectName, Json] = {
    CHAT: {"messages": [{"role": "system", "content": "Say hello."}]},
    RESPONSES: {"input": [{"role": "developer", "content": "Say hello."}]},
    MESSAGES: {"system": "Say hello.", "messages": [{"role": "user", "content": ""}], "max_tokens": 99},
    GEMINI: {
        "systemInstruction": {"parts": [{"text": "Say hello."}]},
        "contents": [{"role": "user", "parts": [{"text": ""}]}],
    },
}
EMPTY: dict[DialectName, Json] = {
    CHAT: {"messages": [{"role": "user", "content": ""}]},
    RESPONSES: {"input": [{"role": "user", "content": [{"type": "input_text", "text": ""}]}]},
    MESSAGES: {"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}], "max_tokens": 99},
    GEMINI: {"contents": [{"role": "user", "parts": [{"text": ""}]}]},
}


def asked(client: DialectName, body: Json, upstream: DialectName) -> Json:
    return sent(ask(client, {"model": "m1"} | body, TARGETS[upstream]))


def results_in(upstream: DialectName, written: Json) -> list[str]:
    """What the upstream reads as results, in their order."""
    match upstream:
        case "openai_chat":
            return [it["content"] for it in written["messages"] if it["role"] == "tool"]
        case "openai_responses":
            return [it["output"] for it in written["input"] if it.get("type") == "function_call_output"]
        case "anthropic_messages":
            blocks = [block for message in written["messages"] for block in message["content"]]
            return [block["content"] for block in blocks if block["type"] == "tool_result"]
    parts = [part for content in written["contents"] for part in content["parts"]]
    found = [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
    return [response.get("output", response) for response in found]


def texts_in(value: Any) -> list[str]:
    """Every string of a request's body."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in texts_in(item)]


@pytest.mark.parametrize("upstream", others(GEMINI))
@pytest.mark.parametrize(
    ("call_ids", "result_ids"),
    [((None, None), ("w-1-x", "w-2-x")), ((None, "b"), ("w-1-x", "b")), (("a", "b"), (None, None))],
    ids=["on results", "on one call", "on calls"],
)
def test_results_are_lost_where_ids_stand_on_one_half_of_a_pair(
    upstream: DialectName, call_ids: tuple[str | None, ...], result_ids: tuple[str | None, ...]
) -> None:
    """Gemini CLI gives an id to what it answers, and none to what the model asked."""

    def part(key: str, id: str | None, **more: Json) -> Json:
        return {key: {"name": NAME, **({"id": id} if id else {}), **more}}

    cities = ("Rome", "Oslo")
    calls = [part("functionCall", i, args={"city": c}) for i, c in zip(call_ids, cities, strict=True)]
    results = [
        part("functionResponse", i, response={"output": f"It rains in {c}."})
        for i, c in zip(result_ids, cities, strict=True)
    ]
    contents = [
        {"role": "user", "parts": [{"text": "How warm?"}]},
        {"role": "model", "parts": calls},
        {"role": "user", "parts": results},
    ]
    written = asked(GEMINI, {"contents": contents, "tools": [DECLARED]}, upstream)
    assert results_in(upstream, written) == ["It rains in Rome.", "It rains in Oslo."]


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_instructions_alone_are_an_empty_conversation(client: DialectName, upstream: DialectName) -> None:
    if client == upstream:
        pytest.skip("passes through")
    written = asked(client, SYSTEM[client], upstream)
    assert "Say hello." in texts_in(written)
    assert written.get("input", written.get("messages", written.get("contents")))


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_an_empty_text_is_an_empty_conversation(client: DialectName, upstream: DialectName) -> None:
    if client == upstream:
        pytest.skip("passes through")
    assert "." in texts_in(asked(client, EMPTY[client], upstream))


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("kind", ["function_call_output", "custom_tool_call_output"])
@pytest.mark.parametrize("call_id", [{}, {"call_id": None}, {"call_id": ""}])
def test_a_result_without_a_call_is_refused(upstream: DialectName, kind: str, call_id: Json) -> None:
    """Automations of Codex speak by such items, and nothing else says what is to be done."""
    said = "Automation: Daily brief"
    items: list[Json] = [
        {"type": "function_call", "call_id": "c1", "name": NAME, "arguments": '{"city":"Rome"}'},
        {"type": kind, "name": "automation_update", "namespace": "app", "output": said, **call_id},
        {"type": "function_call_output", "call_id": "c1", "output": "18 C"},
    ]
    tools = [{"type": "function", "name": NAME, "parameters": SCHEMA}]
    written = asked(RESPONSES, {"input": items, "tools": tools}, upstream)
    assert results_in(upstream, written) == ["18 C"]
    assert said in "\n".join(texts_in(written))
    assert asked(RESPONSES, {"input": [items[1]]}, upstream)


def test_a_result_that_names_neither_call_nor_tool_is_refused_by_its_place() -> None:
    items = [{"type": "function_call_output", "output": "18 C"}]
    outcome = ask(RESPONSES, {"model": "m1", "input": items}, TARGETS[CHAT])
    assert outcome.status == 400
    assert b"input.0.call_id" in outcome.body


@pytest.mark.parametrize("client", others(CHAT))
def test_two_texts_are_an_array_that_templates_of_small_servers_do_not_take(client: DialectName) -> None:
    bodies: dict[DialectName, Json] = {
        RESPONSES: {
            "input": [
                {"role": role, "content": [{"type": "input_text", "text": text} for text in ("One.", "Two.")]}
                for role in ("developer", "user")
            ]
        },
        MESSAGES: {
            "max_tokens": 99,
            "system": [{"type": "text", "text": text} for text in ("One.", "Two.")],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": text} for text in ("One.", "Two.")]}
            ],
        },
        GEMINI: {
            "systemInstruction": {"parts": [{"text": "One."}, {"text": "Two."}]},
            "contents": [{"role": "user", "parts": [{"text": "One."}, {"text": "Two."}]}],
        },
    }
    written = asked(client, bodies[client], CHAT)
    assert [(it["role"], it["content"]) for it in written["messages"]] == [
        ("system", "One.\nTwo."),
        ("user", "One.\nTwo."),
    ]


def test_a_text_beside_a_picture_stays_a_part() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    content = [{"type": "text", "text": "One."}, picture]
    body = {"max_tokens": 99, "messages": [{"role": "user", "content": content}]}
    (message,) = asked(MESSAGES, body, CHAT)["messages"]
    assert len(message["content"]) == 2


def test_a_cache_mark_that_does_not_go_out_does_not_keep_its_text_apart() -> None:
    marked = {"type": "text", "text": "Two.", "cache_control": {"type": "ephemeral"}}
    blocks = [{"type": "text", "text": "One."}, marked]
    body = {"max_tokens": 99, "system": blocks, "messages": [{"role": "user", "content": blocks}]}
    contents = [message["content"] for message in asked(MESSAGES, body, CHAT)["messages"]]
    assert contents == ["One.\nTwo."] * 2


@pytest.mark.parametrize("upstream", [CHAT, MESSAGES])
def test_a_turn_that_can_not_be_carried_becomes_a_phantom(upstream: DialectName) -> None:
    """A "." of the user and one of the assistant are read as what they said."""
    trace = {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}
    items = [
        {"role": "user", "content": "First."},
        trace,
        {"role": "user", "content": "Second."},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": []},
        {"role": "assistant", "content": "I wait."},
        {"role": "user", "content": "Third."},
    ]
    written = asked(RESPONSES, {"input": items}, upstream)
    assert [message["role"] for message in written["messages"]] == ["user", "assistant", "user"]
    assert "." not in texts_in(written["messages"])
    assert "First." in json.dumps(written["messages"][0])
    assert "Second." in json.dumps(written["messages"][0])


@pytest.mark.parametrize("upstream", others(MESSAGES))
def test_a_blank_text_of_a_messages_client_becomes_a_phantom(upstream: DialectName) -> None:
    messages = [
        {"role": "user", "content": "First."},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "SIG"}]},
        {"role": "user", "content": "Second."},
    ]
    written = asked(MESSAGES, {"max_tokens": 99, "messages": messages}, upstream)
    assert "." not in texts_in(written)
    assert "assistant" not in json.dumps(written)


@pytest.mark.parametrize("upstream", others(CHAT))
def test_tools_and_calls_that_are_written_flat_are_refused(upstream: DialectName) -> None:
    tools = [
        {"type": "custom", "name": "patch", "description": "Edits.", "format": {"type": "text"}},
        {"type": "function", "name": NAME, "parameters": SCHEMA},
        {"type": "custom", "name": "look", "input_schema": SCHEMA},
    ]
    calls = [
        {"id": "c1", "type": "custom", "name": "patch", "input": "*** Begin"},
        {"id": "c2", "type": "function", "name": NAME, "arguments": '{"city":"Rome"}'},
    ]
    messages: list[Json] = [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
        {"role": "tool", "tool_call_id": "c2", "content": "18 C"},
    ]
    written = asked(CHAT, {"messages": messages, "tools": tools}, upstream)
    text = json.dumps(written)
    assert all(f'"{name}"' in text for name in ("patch", "look", NAME))
    assert "*** Begin" in text
    assert "Rome" in text


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_a_tool_that_is_declared_twice_goes_out_twice(client: DialectName, upstream: DialectName) -> None:
    if client == upstream:
        pytest.skip("passes through")
    chat = {"type": "function", "function": {"name": NAME, "parameters": SCHEMA}}
    bodies: dict[DialectName, Json] = {
        CHAT: {"messages": [{"role": "user", "content": "Hi"}], "tools": [chat, chat]},
        RESPONSES: {
            "input": "Hi",
            "tools": [
                {"type": "function", "name": NAME, "parameters": SCHEMA},
                {"type": "custom", "custom": {"name": NAME}},
            ],
        },
        MESSAGES: {
            "max_tokens": 99,
            "messages": [{"role": "user", "content": "Hi"}],
            "tools": [{"name": NAME, "input_schema": SCHEMA}] * 2,
        },
        GEMINI: {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "tools": [DECLARED, DECLARED]},
    }
    written = asked(client, bodies[client], upstream)
    assert json.dumps(written["tools"]).count(f'"{NAME}"') == 1


def test_a_host_with_one_system_message_gets_texts_run_together() -> None:
    """What stands in two parts is two lines."""
    mistral = Target("openai_chat", "mistral", "mistral-large-latest")
    system = [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]
    body = {"max_tokens": 99, "system": system, "messages": [{"role": "user", "content": "Hi"}]}
    assert "One.\nTwo." in texts_in(sent(ask(MESSAGES, {"model": "m1"} | body, mistral)))
