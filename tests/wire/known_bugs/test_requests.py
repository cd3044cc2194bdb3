"""Bugs that relays of this kind are known for, in requests on their way between dialects. Each test is named
by what it prevents; the upstreams are strict ones, so a request that their vendor refuses fails, too."""

import json
from typing import Any

import pytest
from tests.sim.speakers import TOOLS
from tests.wire.known_bugs.support import (
    CHAT,
    CONVERTED,
    FOREIGN,
    GEMINI,
    IMAGE,
    MESSAGES,
    RESPONSES,
    WEATHER,
    Json,
    ask,
    frames_of,
    others,
    sent,
)
from tests.wire.pairs.asks import ASKERS, Ask
from tests.wire.pairs.relay import Target
from tests.wire.pairs.scenarios import TARGETS
from tests.wire.pairs.transcript import pretty

from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.relay.routes import find_route
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.framing.fields import read_fields

NAME, SCHEMA = TOOLS[0]
ODD_ID = "functions.weather:0"
CALLED: dict[DialectName, list[Json]] = {
    CHAT: [
        {"role": "user", "content": "How warm?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": ODD_ID, "type": "function", "function": {"name": NAME, "arguments": '{"city":"Rome"}'}}
            ],
        },
    ],
    RESPONSES: [
        {"role": "user", "content": "How warm?"},
        {"type": "function_call", "call_id": ODD_ID, "name": NAME, "arguments": '{"city":"Rome"}'},
    ],
    MESSAGES: [
        {"role": "user", "content": "How warm?"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": NAME, "input": {"city": "Rome"}}],
        },
    ],
    GEMINI: [
        {"role": "user", "parts": [{"text": "How warm?"}]},
        {"role": "model", "parts": [{"functionCall": {"name": NAME, "args": {"city": "Rome"}}}]},
    ],
}
NEXT: dict[DialectName, Json] = {
    CHAT: {"role": "user", "content": "Never mind."},
    RESPONSES: {"role": "user", "content": "Never mind."},
    MESSAGES: {"role": "user", "content": "Never mind."},
    GEMINI: {"role": "user", "parts": [{"text": "Never mind."}]},
}
TURNS = {CHAT: "messages", RESPONSES: "input", MESSAGES: "messages", GEMINI: "contents"}


def base(client: DialectName, tools: bool = False) -> Json:
    return ASKERS[client](Ask("Hi", tools=tools)).body


def names_of(upstream: DialectName, written: Json) -> list[str]:
    """The names of the functions that an upstream is offered."""
    tools: list[Json] = written.get("tools") or []
    if upstream == GEMINI:
        tools = [it for tool in tools for it in tool.get("functionDeclarations", ())]
    return [(tool.get("function") or tool)["name"] for tool in tools]


@pytest.mark.parametrize("upstream", [MESSAGES, GEMINI])
@pytest.mark.parametrize("client", [CHAT, RESPONSES])
def test_bug_29_tools_of_free_text_are_lost(client: DialectName, upstream: DialectName) -> None:
    body = base(client)
    custom = {"name": "apply_patch", "description": "Changes files."}
    flat = {"type": "custom"} | custom
    body["tools"] = [{"type": "custom", "custom": custom} if client == CHAT else flat]
    text = '[tool:apply_patch {"input":"*** Begin"}]'
    body[TURNS[client]] = [{"role": "user", "content": text}]
    outcome = ask(client, body, TARGETS[upstream])
    assert names_of(upstream, sent(outcome)) == ["apply_patch"]
    reply: Json = json.loads(outcome.body)
    if client == CHAT:
        call = reply["choices"][0]["message"]["tool_calls"][0]
        assert (call["type"], call["custom"]) == ("custom", {"name": "apply_patch", "input": "*** Begin"})
    else:
        item = reply["output"][-1]
        assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "apply_patch", "*** Begin")


@pytest.mark.parametrize(("client", "upstream"), [pair for pair in CONVERTED if pair[0] in (CHAT, RESPONSES)])
def test_bug_30_a_choice_among_tools_is_lost(client: DialectName, upstream: DialectName) -> None:
    body = base(client, tools=True)
    entry: Json = {"type": "function", "name": "clock"}
    if client == CHAT:
        allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "clock"}}]}
        body["tool_choice"] = {"type": "allowed_tools", "allowed_tools": allowed}
    else:
        body["tool_choice"] = {"type": "allowed_tools", "mode": "required", "tools": [entry]}
    outcome = ask(client, body, TARGETS[upstream])
    written = sent(outcome)
    assert "clock" in names_of(upstream, written)
    called = pretty(json.loads(outcome.body))
    assert '"clock"' in called, "the vendor heeds what it may call"
    assert NAME not in json.dumps(
        json.loads(outcome.body).get("output" if client == RESPONSES else "choices")
    )


@pytest.mark.parametrize("client", others(GEMINI))
def test_bug_30_the_wish_for_one_call_at_a_time_is_lost(client: DialectName) -> None:
    wishes: dict[DialectName, Json] = {
        CHAT: {"parallel_tool_calls": False},
        RESPONSES: {"parallel_tool_calls": False},
        MESSAGES: {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    }
    for upstream in others(client):
        outcome = ask(client, base(client, tools=True) | wishes[client], TARGETS[upstream])
        written = sent(outcome)
        if upstream == MESSAGES:
            assert written["tool_choice"]["disable_parallel_tool_use"] is True
        elif upstream == GEMINI:
            assert len(outcome.dropped) == 1
        else:
            assert written["parallel_tool_calls"] is False


def test_bug_31_a_tool_of_the_maker_goes_to_a_foreign_server() -> None:
    body = base(MESSAGES, tools=True)
    body["tools"] = [{"type": "web_search_20250305", "name": "web_search"}, WEATHER]
    assert names_of(MESSAGES, sent(ask(MESSAGES, body, FOREIGN))) == [NAME]


@pytest.mark.parametrize(("client", "upstream"), CONVERTED)
def test_bug_32_a_call_without_its_result_is_refused(client: DialectName, upstream: DialectName) -> None:
    body = base(client, tools=True)
    body[TURNS[client]] = [*CALLED[client], NEXT[client]]
    written = json.dumps(sent(ask(client, body, TARGETS[upstream])))
    assert "Never mind." in written
    assert "Rome" in written


@pytest.mark.parametrize("upstream", others(MESSAGES))
def test_bug_33_a_text_before_the_results_parts_them_from_their_calls(upstream: DialectName) -> None:
    body = base(MESSAGES, tools=True)
    use = {"type": "tool_use", "name": NAME, "input": {"city": "Rome"}}
    result = {"type": "tool_result", "content": "18"}
    body["messages"] = [
        {"role": "user", "content": "How warm?"},
        {"role": "assistant", "content": [use | {"id": "toolu_1"}, use | {"id": "toolu_2"}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Here it is."},
                result | {"tool_use_id": "toolu_2"},
                result | {"tool_use_id": "toolu_1"},
            ],
        },
    ]
    written = json.dumps(sent(ask(MESSAGES, body, TARGETS[upstream])))
    assert written.index("Here it is.") > max(written.rindex("toolu_1"), written.rindex("toolu_2"))


@pytest.mark.parametrize("upstream", DIALECTS)
def test_bug_34_images_in_results_are_dropped(upstream: DialectName) -> None:
    body = base(MESSAGES, tools=True)
    content = [{"type": "text", "text": "A map"}, IMAGE]
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": content}
    body["messages"] = [*CALLED[MESSAGES], {"role": "user", "content": [result]}]
    written = json.dumps(sent(ask(MESSAGES, body, TARGETS[upstream])))
    assert IMAGE["source"]["data"] in written
    assert "A map" in written


@pytest.mark.parametrize("client", [CHAT, RESPONSES])
@pytest.mark.parametrize("upstream", [MESSAGES, GEMINI])
def test_bug_35_ids_that_the_upstream_refuses_go_to_it(client: DialectName, upstream: DialectName) -> None:
    body = base(client, tools=True)
    result: Json = {"type": "function_call_output", "call_id": ODD_ID, "output": "18"}
    if client == CHAT:
        result = {"role": "tool", "tool_call_id": ODD_ID, "content": "18"}
    body[TURNS[client]] = [*CALLED[client], result]
    written = sent(ask(client, body, TARGETS[upstream]))
    if upstream == MESSAGES:
        use, back = written["messages"][1]["content"][0], written["messages"][2]["content"][0]
        assert use["id"] == back["tool_use_id"] != ODD_ID


@pytest.mark.parametrize("client", DIALECTS)
def test_bug_36_schemas_that_gemini_has_no_words_for_are_refused(client: DialectName) -> None:
    schema: Json = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "$defs": {"place": {"type": "object", "properties": {"name": {"const": "Rome"}}}},
        "properties": {
            "at": {"$ref": "#/$defs/place"},
            "count": {"type": ["integer", "null"], "exclusiveMinimum": 0},
            "any": {"oneOf": [{"type": "string", "format": "uri"}, {"type": "number"}]},
        },
        "required": ["at", "gone"],
        "additionalProperties": False,
    }
    tools: dict[DialectName, Json] = {
        CHAT: {"type": "function", "function": {"name": "f", "parameters": schema}},
        RESPONSES: {"type": "function", "name": "f", "parameters": schema, "strict": False},
        MESSAGES: {"name": "f", "input_schema": schema},
        GEMINI: {"functionDeclarations": [{"name": "f", "parametersJsonSchema": schema}]},
    }
    body = base(client) | {"tools": [tools[client]]}
    assert names_of(GEMINI, sent(ask(client, body, TARGETS[GEMINI]))) == ["f"]


def test_bug_41_an_error_is_sent_as_an_event_stream() -> None:
    for client in DIALECTS:
        for upstream in DIALECTS:
            asker = ASKERS[client](Ask("[error-503] Hi", stream=True))
            outcome = ask(client, asker.body, TARGETS[upstream], stream=True)
            assert outcome.status >= 500
            assert dict(outcome.headers)["content-type"].startswith("application/json")
            assert json.loads(outcome.body)


@pytest.mark.parametrize("upstream", DIALECTS)
def test_bug_47_a_line_of_the_client_that_changes_each_time_defeats_the_cache(upstream: DialectName) -> None:
    line = "x-anthropic-billing-header: cc_version=2.1; cch=a1b2c3;"
    body = base(MESSAGES)
    body["system"] = [{"type": "text", "text": line}, {"type": "text", "text": "Be brief."}]
    written = json.dumps(sent(ask(MESSAGES, body, TARGETS[upstream])))
    assert ("cch=" in written) == (upstream == MESSAGES)
    assert "Be brief." in written
    assert "cch=" not in json.dumps(sent(ask(MESSAGES, body, FOREIGN)))


@pytest.mark.parametrize(("client", "upstream"), [(CHAT, RESPONSES), (RESPONSES, CHAT), (CHAT, CHAT)])
def test_bug_48_the_key_of_the_cache_is_replaced(client: DialectName, upstream: DialectName) -> None:
    body = base(client) | {"prompt_cache_key": "session-1"}
    assert sent(ask(client, body, TARGETS[upstream]))["prompt_cache_key"] == "session-1"


@pytest.mark.parametrize("upstream", others(MESSAGES))
def test_bug_49_instructions_among_the_messages_are_refused(upstream: DialectName) -> None:
    body = base(MESSAGES)
    body["messages"] = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "system", "content": "Answer in Latin."},
        {"role": "user", "content": "Go on."},
    ]
    written = sent(ask(MESSAGES, body, TARGETS[upstream]))
    assert "Answer in Latin." in json.dumps(written)
    turns: list[Any] = written.get("messages") or written.get("input") or written["contents"]
    assert "Latin" not in json.dumps([it for it in turns if it.get("role") in ("assistant", "model")])


@pytest.mark.parametrize("client", [CHAT, RESPONSES])
@pytest.mark.parametrize("role", ["system", "developer"])
def test_bug_50_leading_instructions_are_sent_as_a_message(client: DialectName, role: str) -> None:
    body = base(client)
    body.pop("instructions", None)
    body[TURNS[client]] = [{"role": role, "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    written = sent(ask(client, body, TARGETS[MESSAGES]))
    assert [block["text"] for block in written["system"]] == ["Be kind."]
    assert [message["role"] for message in written["messages"]] == ["user"]


def test_bug_51_a_time_to_live_of_the_cache_goes_to_a_foreign_server() -> None:
    body = base(MESSAGES, tools=True)
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body["system"] = [{"type": "text", "text": "Be brief."} | mark]
    body["messages"] = [{"role": "user", "content": [{"type": "text", "text": "Hi"} | mark]}]
    body["tools"] = [WEATHER | mark]
    assert "ttl" not in json.dumps(sent(ask(MESSAGES, body, FOREIGN)))
    assert json.dumps(sent(ask(MESSAGES, body, TARGETS[MESSAGES]))).count('"ttl": "1h"') == 3


@pytest.mark.parametrize("upstream", others(RESPONSES))
def test_bug_52_tools_of_a_namespace_come_back_under_a_flat_name(upstream: DialectName) -> None:
    body = base(RESPONSES)
    child = {"type": "function", "name": "read", "parameters": {"type": "object", "properties": {}}}
    body["tools"] = [{"type": "namespace", "name": "mcp__files__", "description": "", "tools": [child]}]
    body["input"] = [{"role": "user", "content": "[tool] Read it."}]
    outcome = ask(RESPONSES, body, TARGETS[upstream])
    assert names_of(upstream, sent(outcome)) == ["mcp__files__read"]
    item = json.loads(outcome.body)["output"][-1]
    assert (item["namespace"], item["name"]) == ("mcp__files__", "read")


@pytest.mark.parametrize("upstream", others(CHAT))
def test_bug_54_a_null_is_taken_for_a_wish(upstream: DialectName) -> None:
    body = base(CHAT, tools=True) | {"parallel_tool_calls": None, "stop": None, "temperature": None}
    outcome = ask(CHAT, body, TARGETS[upstream])
    assert "null" not in json.dumps(sent(outcome))
    assert outcome.dropped == ()


COUNTED: dict[str, Json] = {
    "/v1/messages/count_tokens": {
        "model": "m1",
        "system": [{"type": "text", "text": "INSTRUCTION"}],
        "tools": [{"name": "TOOL", "description": "PURPOSE", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": "QUESTION"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "TOOL", "input": {"k": "ARGUMENT"}}],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t",
                        "content": [{"type": "text", "text": "RESULT"}],
                    }
                ],
            },
        ],
    },
    "/v1/responses/input_tokens": {
        "model": "m1",
        "instructions": "INSTRUCTION",
        "tools": [{"type": "function", "name": "TOOL", "description": "PURPOSE"}],
        "input": [
            {"role": "user", "content": "QUESTION"},
            {"type": "function_call", "call_id": "t", "name": "TOOL", "arguments": '{"k":"ARGUMENT"}'},
            {"type": "function_call_output", "call_id": "t", "output": "RESULT"},
        ],
    },
    "/v1beta/models/m1:countTokens": {
        "generateContentRequest": {
            "systemInstruction": {"parts": [{"text": "INSTRUCTION"}]},
            "tools": [{"functionDeclarations": [{"name": "TOOL", "description": "PURPOSE"}]}],
            "contents": [
                {"role": "user", "parts": [{"text": "QUESTION"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "TOOL", "args": {"k": "ARGUMENT"}}}]},
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"name": "TOOL", "response": {"output": "RESULT"}}}],
                },
            ],
        }
    },
}


@pytest.mark.parametrize("path", COUNTED)
def test_bug_45_tokens_are_not_counted_where_no_upstream_does(path: str) -> None:
    """Everything that a model would read counts, and the number comes in the client's form."""
    route = find_route(path)
    assert route is not None
    assert route.counts is not None
    dialect = DIALECT_OF_OPERATION[route.counts]
    fields = read_fields(json.dumps(COUNTED[path]).encode())
    call = dialect.read_call(route.counts, fields, "m1", route.in_path)
    text = dialect.input_text(call)
    words = ("INSTRUCTION", "TOOL", "PURPOSE", "QUESTION", "ARGUMENT", "RESULT")
    assert [word for word in words if word not in text] == []
    assert dialect.overhead_tokens(call) > 0
    assert 123 in json.loads(dialect.render_count(123)).values()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_bug_28_a_host_that_knows_only_chat_can_not_answer_a_response(stream: bool) -> None:
    body = base(RESPONSES) | {"stream": stream}
    outcome = ask(RESPONSES, body, Target(CHAT, "deepseek", "deepseek-chat"), stream)
    sent(outcome)
    response = json.loads(outcome.body) if not stream else frames_of(outcome.body)[-1]["response"]
    assert (response["object"], response["status"]) == ("response", "completed")
    assert response["output"][-1]["content"][0]["text"].startswith("word0 word1")
    assert response["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("client", [MESSAGES, GEMINI])
def test_bug_54_a_stop_sequence_goes_to_a_model_that_refuses_it(client: DialectName) -> None:
    body = base(client)
    if client == MESSAGES:
        body["stop_sequences"] = ["END"]
    else:
        body["generationConfig"]["stopSequences"] = ["END"]
    body[TURNS[client]] = ASKERS[client](Ask("[echo] one END two")).body[TURNS[client]]
    outcome = ask(client, body, Target(CHAT, "openai", "o4-mini"))
    assert "stop" not in sent(outcome)
    assert b"one" in outcome.body
    assert outcome.dropped or b"two" not in outcome.body, "kept by other means, or told to be left out"
