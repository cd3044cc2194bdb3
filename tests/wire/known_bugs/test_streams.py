"""Bugs that relays of this kind are known for, in streams on their way between dialects. Each test is named
by what it prevents; without it the bug could come to us, too."""

import json
from typing import Any

import pytest
from tests.wire.known_bugs.support import (
    CHAT,
    GEMINI,
    MESSAGES,
    RESPONSES,
    Json,
    calls_heard,
    chat_chunk,
    finish_heard,
    frames_of,
    gemini_chunk,
    hear,
    message_stream,
    others,
    reasoning_heard,
    said,
    text_heard,
)
from tests.wire.pairs.scenarios import SCENARIOS, Turn, play
from tests.wire.pairs.test_golden import sdks

from switchgear.kernel.dialects import DIALECTS, DialectName

CALLS_END = {
    CHAT: ["tool_calls"],
    RESPONSES: ["completed"],
    MESSAGES: ["tool_use"],
    GEMINI: ["STOP"],
}
GOOD_END = {CHAT: ["stop"], RESPONSES: ["completed"], MESSAGES: ["end_turn"], GEMINI: ["STOP"]}
ROME, OSLO = ("weather", {"city": "Rome"}), ("weather", {"city": "Oslo"})


def played(client: DialectName, upstream: DialectName, name: str) -> list[Turn]:
    return play(client, upstream, SCENARIOS[name], sdks())


def gemini_call(city: str) -> Json:
    return {"functionCall": {"name": "weather", "args": {"city": city}}}


def chat_call(at: int, id: str | None, name: str | None, arguments: Any) -> Json:
    call: Json = {"index": at, "function": {"arguments": arguments}}
    if id is not None:
        call |= {"id": id, "type": "function"}
        call["function"]["name"] = name
    return {"tool_calls": [call]}


def response_events(*events: Json, output: list[Json]) -> list[Json]:
    usage = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
    response = {"id": "resp_1", "object": "response", "status": "completed", "output": output, "usage": usage}
    started = response | {"status": "in_progress", "output": [], "usage": None}
    frames = [{"type": "response.created", "response": started}, *events]
    frames.append({"type": "response.completed", "response": response})
    return [frame | {"sequence_number": at} for at, frame in enumerate(frames)]


def function_call(at: int, city: str) -> Json:
    return {
        "id": f"fc_{at}",
        "type": "function_call",
        "call_id": f"call_{at}",
        "name": "weather",
        "arguments": json.dumps({"city": city}),
        "status": "completed",
    }


@pytest.mark.parametrize("client", others(GEMINI))
def test_bug_01_a_finish_in_every_chunk_ends_the_answer_early(client: DialectName) -> None:
    chunks = [gemini_chunk({"text": text}, finish="STOP") for text in ("one ", "two ", "three")]
    frames, _ = hear(GEMINI, client, said(GEMINI, *chunks))
    assert finish_heard(client, frames) == GOOD_END[client]
    assert text_heard(client, frames) == "one two three"


@pytest.mark.parametrize("client", others(GEMINI))
def test_bug_02_a_call_before_the_chunk_that_says_stop_is_no_plain_stop(client: DialectName) -> None:
    stream = said(GEMINI, gemini_chunk(gemini_call("Rome")), gemini_chunk({"text": ""}, finish="STOP"))
    frames, _ = hear(GEMINI, client, stream)
    assert finish_heard(client, frames) == CALLS_END[client]
    assert calls_heard(client, frames) == [ROME]


@pytest.mark.parametrize("client", others(GEMINI))
def test_bug_03_calls_of_several_chunks_all_have_the_first_index(client: DialectName) -> None:
    stream = said(GEMINI, gemini_chunk(gemini_call("Rome")), gemini_chunk(gemini_call("Oslo"), finish="STOP"))
    assert calls_heard(client, hear(GEMINI, client, stream)[0]) == [ROME, OSLO]


@pytest.mark.parametrize("client", others(RESPONSES))
def test_bug_04_output_indices_are_taken_for_indices_of_calls(client: DialectName) -> None:
    events: list[Json] = []
    reasoning: Json = {"id": "rs_0", "type": "reasoning", "summary": []}
    items = [reasoning, function_call(1, "Rome"), function_call(2, "Oslo")]
    for at, item in enumerate(items):
        begun = item | ({"arguments": ""} if "arguments" in item else {})
        events.append({"type": "response.output_item.added", "output_index": at, "item": begun})
        if "arguments" in item:
            events.append(
                {
                    "type": "response.function_call_arguments.delta",
                    "output_index": at,
                    "item_id": item["id"],
                    "delta": item["arguments"],
                }
            )
        events.append({"type": "response.output_item.done", "output_index": at, "item": item})
    frames, _ = hear(RESPONSES, client, said(RESPONSES, *response_events(*events, output=items)))
    assert calls_heard(client, frames) == [ROME, OSLO]
    if client == CHAT:
        deltas = [choice["delta"] for frame in frames for choice in frame["choices"]]
        assert {call["index"] for delta in deltas for call in delta.get("tool_calls", ())} == {0, 1}


def test_bug_05_block_indices_are_taken_for_indices_of_calls() -> None:
    frames = [f for t in played(CHAT, MESSAGES, "parallel_tools")[:1] for f in frames_of(t.outcome.body)]
    deltas = [choice["delta"] for frame in frames for choice in frame["choices"]]
    assert [call["index"] for delta in deltas for call in delta.get("tool_calls", ())] == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("client", others(GEMINI))
def test_bug_06_arguments_that_come_with_a_change_of_block_are_lost(client: DialectName) -> None:
    parts = {"text": "I see", "thought": True}, {"text": "Looking."}, gemini_call("Rome")
    frames, _ = hear(GEMINI, client, said(GEMINI, gemini_chunk(*parts, finish="STOP")))
    assert calls_heard(client, frames) == [ROME]
    assert text_heard(client, frames) == "Looking."
    assert reasoning_heard(client, frames) == "I see"


@pytest.mark.parametrize("client", others(RESPONSES))
def test_bug_07_arguments_that_come_only_when_done_are_lost(client: DialectName) -> None:
    item = function_call(0, "Rome")
    events: list[Json] = [
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"arguments": ""}},
        {
            "type": "response.function_call_arguments.done",
            "output_index": 0,
            "item_id": "fc_0",
            "arguments": item["arguments"],
        },
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ]
    stream = said(RESPONSES, *response_events(*events, output=[item]))
    assert calls_heard(client, hear(RESPONSES, client, stream)[0]) == [ROME]


@pytest.mark.parametrize("upstream", others(MESSAGES))
def test_bug_08_an_answer_of_calls_alone_begins_with_an_empty_block(upstream: DialectName) -> None:
    frames = frames_of(played(MESSAGES, upstream, "parallel_tools")[0].outcome.body)
    blocks = [frame["content_block"] for frame in frames if frame["type"] == "content_block_start"]
    assert "text" not in [block["type"] for block in blocks]
    deltas = [frame["delta"] for frame in frames if frame["type"] == "content_block_delta"]
    assert all(delta.get("partial_json") != "" and delta.get("text") != "" for delta in deltas)


def test_bug_09_text_is_put_into_the_block_of_a_call() -> None:
    stream = said(
        CHAT,
        chat_chunk({"role": "assistant", "content": ""}),
        chat_chunk(chat_call(0, "call_1", "weather", '{"city":')),
        chat_chunk({"content": ""}),
        chat_chunk(chat_call(0, None, None, '"Rome"}')),
        chat_chunk({"content": "Wait."}),
        chat_chunk({}, "tool_calls"),
    )
    frames, _ = hear(CHAT, MESSAGES, stream)
    kinds = {f["index"]: f["content_block"]["type"] for f in frames if f["type"] == "content_block_start"}
    assert list(kinds.values()) == ["tool_use", "text"]
    for frame in frames:
        if frame["type"] == "content_block_delta":
            fits = {"tool_use": "input_json_delta", "text": "text_delta"}
            assert frame["delta"]["type"] == fits[kinds[frame["index"]]]
    assert calls_heard(MESSAGES, frames) == [ROME]


@pytest.mark.parametrize("upstream", others(MESSAGES))
def test_bug_10_block_indices_do_not_count_from_zero(upstream: DialectName) -> None:
    for name in ("stream", "parallel_tools", "reasoning"):
        frames = frames_of(played(MESSAGES, upstream, name)[0].outcome.body)
        starts = [frame["index"] for frame in frames if frame["type"] == "content_block_start"]
        assert starts == list(range(len(starts)))
        assert starts


@pytest.mark.parametrize("client", others(CHAT))
@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_bug_11_reasoning_of_a_chat_upstream_is_not_shown(client: DialectName, field: str) -> None:
    deltas = [{field: "I "}, {field: "see"}, {"content": "Yes."}]
    stream = said(CHAT, *(chat_chunk(delta) for delta in deltas), chat_chunk({}, "stop"))
    frames, _ = hear(CHAT, client, stream)
    assert reasoning_heard(client, frames) == "I see"
    assert text_heard(client, frames) == "Yes."


@pytest.mark.parametrize("upstream", DIALECTS)
def test_bug_24_the_last_event_of_a_response_has_no_output(upstream: DialectName) -> None:
    last = frames_of(played(RESPONSES, upstream, "reasoning")[0].outcome.body)[-1]
    assert last["type"] == "response.completed"
    # Google signs the text; the token stands behind it.
    signed = ["reasoning"] if upstream == GEMINI else []
    assert [item["type"] for item in last["response"]["output"]] == ["reasoning", "message", *signed]


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("name", ["stream", "parallel_tools", "reasoning_with_tools_stream", "refusal"])
def test_bug_25_fields_that_strict_clients_need_are_missing(upstream: DialectName, name: str) -> None:
    frames = frames_of(played(RESPONSES, upstream, name)[0].outcome.body)
    assert [frame["sequence_number"] for frame in frames] == list(range(len(frames)))
    response = frames[-1]["response"]
    assert response["text"]["format"] == {"type": "text"}
    assert "cached_tokens" in response["usage"]["input_tokens_details"]
    assert "reasoning_tokens" in response["usage"]["output_tokens_details"]


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("name", ["stream", "parallel_tools", "reasoning_with_tools_stream", "search"])
def test_bug_26_a_delta_comes_before_its_item(upstream: DialectName, name: str) -> None:
    open_items: set[int] = set()
    for frame in frames_of(played(RESPONSES, upstream, name)[0].outcome.body):
        at = frame.get("output_index")
        if frame["type"] == "response.output_item.added":
            open_items.add(at)
        elif at is not None:
            assert at in open_items, frame
        if frame["type"] == "response.output_item.done":
            open_items.remove(at)
    assert not open_items


@pytest.mark.parametrize("client", others(CHAT))
def test_bug_27_arguments_as_an_object_break_the_answer_and_its_bill(client: DialectName) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    stream = said(
        CHAT,
        chat_chunk(chat_call(0, "call_1", "weather", {"city": "Rome"})),
        chat_chunk({}, "tool_calls", usage=usage),
    )
    frames, counted = hear(CHAT, client, stream)
    assert calls_heard(client, frames) == [ROME]
    assert counted is not None
    assert (counted.input_uncached, counted.output_text) == (9, 4)


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_bug_39_a_stream_that_breaks_looks_like_success(client: DialectName, upstream: DialectName) -> None:
    for name in ("cut", "error_midstream"):
        frames = frames_of(played(client, upstream, name)[0].outcome.body)
        if client == RESPONSES:
            assert finish_heard(client, frames) in ([], ["failed"])
        else:
            assert finish_heard(client, [f for f in frames if "error" not in f]) == []
        last = json.dumps(frames[-1])
        assert '"error"' in last


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("name", ["cut", "error_midstream"])
def test_bug_40_a_broken_response_ends_with_an_error_that_clients_ignore(
    upstream: DialectName, name: str
) -> None:
    last = frames_of(played(RESPONSES, upstream, name)[0].outcome.body)[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"]["message"]


@pytest.mark.parametrize("upstream", others(CHAT))
@pytest.mark.parametrize("name", ["stream", "parallel_tools", "reasoning"])
def test_bug_42_the_first_chunk_has_no_role(upstream: DialectName, name: str) -> None:
    frames = frames_of(played(CHAT, upstream, name)[0].outcome.body)
    roles = [choice["delta"].get("role") for frame in frames for choice in frame["choices"]]
    assert roles[0] == "assistant"
    assert set(roles[1:]) == {None}


@pytest.mark.parametrize("client", others(CHAT))
def test_bug_43_a_chunk_of_usage_alone_breaks_the_stream(client: DialectName) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    alone = chat_chunk({}) | {"choices": [], "usage": usage}
    stream = said(CHAT, chat_chunk({"content": "Hi"}), chat_chunk({}, "stop"), alone)
    frames, counted = hear(CHAT, client, stream)
    assert text_heard(client, frames) == "Hi"
    assert counted is not None
    assert counted.output_text == 4


@pytest.mark.parametrize(
    ("reason", "ends"),
    [
        ("refusal", {CHAT: "content_filter", RESPONSES: "content_filter", GEMINI: "SAFETY"}),
        (
            "model_context_window_exceeded",
            {CHAT: "length", RESPONSES: "max_output_tokens", GEMINI: "MAX_TOKENS"},
        ),
        ("max_tokens", {CHAT: "length", RESPONSES: "max_output_tokens", GEMINI: "MAX_TOKENS"}),
    ],
)
def test_bug_38_an_unusual_end_is_told_as_a_usual_one(reason: str, ends: dict[DialectName, str]) -> None:
    block = {"type": "text", "text": "", "deltas": [{"type": "text_delta", "text": "No."}]}
    stream = said(MESSAGES, *message_stream(block, stop_reason=reason))
    for client, end in ends.items():
        assert finish_heard(client, hear(MESSAGES, client, stream)[0]) == [end]


@pytest.mark.parametrize("upstream", DIALECTS)
def test_bug_38_a_refusal_is_told_to_a_client_of_messages_as_a_usual_end(upstream: DialectName) -> None:
    for name in ("refusal", "block"):
        heard = played(MESSAGES, upstream, name)[0].heard
        assert isinstance(heard, dict)
        assert heard["stop_reason"] == "refusal"
