"""Answers of hosts that bend their dialect, as a client of each of the others reads them with its own SDK.

Without this a call could be lost, or two of them become one, or an answer come out empty, for the habits of a
host that its own clients put up with.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from tests.sim.speakers import PIXEL
from tests.wire.pairs.asks import ASKERS, Ask
from tests.wire.pairs.relay import Outcome, Target, run
from tests.wire.pairs.scenarios import HEADERS, REASONER, TARGETS
from tests.wire.pairs.sdk import Json, Sdks
from tests.wire.pairs.upstream import Said, Wire

from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.net.transport import Timeouts, UpstreamRequest

CHAT, RESPONSES, MESSAGES, GEMINI = DIALECTS
COUNTED = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
CITY = '{"city":"Rome"}'

Meaning = tuple[str, list[tuple[str, Any]]]
"""The text, and the calls: name and arguments."""


class OneAnswer(Wire):
    """A transport whose upstream says the same to everybody."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self._body = body

    async def open(self, request: UpstreamRequest, timeouts: Timeouts) -> Said:
        self.asked = request
        self.said = Said(200, {"content-type": "text/event-stream"}, [self._body], cut=False)
        return self.said


@cache
def sdks() -> Sdks:
    return Sdks()


def played(client: DialectName, target: Target, body: bytes) -> Outcome:
    asker = ASKERS[client](Ask("Hi", stream=True, tools=True, think=True))
    asked = json.dumps(asker.body).encode()
    outcome = run(asker.path, asked, target, OneAnswer(body), HEADERS.get(client))
    assert outcome.state == "complete"
    return outcome


def heard(client: DialectName, target: Target, body: bytes) -> Json:
    """What the SDK's user has of the stream."""
    outcome = played(client, target, body)
    sdks().reply = outcome.status, outcome.headers, outcome.frames
    return sdks().hear(client, True)


def _of_chat(reply: Json) -> Meaning:
    message = reply["choices"][0]["message"]
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    return message["content"] or "", [(call["name"], json.loads(call["arguments"])) for call in calls]


def _of_responses(reply: Json) -> Meaning:
    items = reply["output"]
    texts = [part["text"] for item in items if item["type"] == "message" for part in item["content"]]
    calls = [item for item in items if item["type"] == "function_call"]
    return "".join(texts), [(call["name"], json.loads(call["arguments"])) for call in calls]


def _of_messages(reply: Json) -> Meaning:
    blocks = reply["content"]
    texts = [block["text"] for block in blocks if block["type"] == "text"]
    calls = [block for block in blocks if block["type"] == "tool_use"]
    return "".join(texts), [(call["name"], call["input"]) for call in calls]


def _of_gemini(reply: Json) -> Meaning:
    parts = reply["candidates"][0]["content"]["parts"]
    texts = [part["text"] for part in parts if "text" in part and not part.get("thought")]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    return "".join(texts), [(call["name"], call.get("args", {})) for call in calls]


MEANING: dict[DialectName, Callable[[Json], Meaning]] = {
    CHAT: _of_chat,
    RESPONSES: _of_responses,
    MESSAGES: _of_messages,
    GEMINI: _of_gemini,
}


def ids_of(client: DialectName, reply: Json) -> list[str]:
    """By which a client names the calls when it gives their results."""
    if client == CHAT:
        return [call["id"] for call in reply["choices"][0]["message"]["tool_calls"]]
    if client == RESPONSES:
        return [item["call_id"] for item in reply["output"] if item["type"] == "function_call"]
    if client == MESSAGES:
        return [block["id"] for block in reply["content"] if block["type"] == "tool_use"]
    parts = reply["candidates"][0]["content"]["parts"]
    return [part["functionCall"]["id"] for part in parts if "functionCall" in part]


# --- Chat Completions


def chat(*choices: Json) -> bytes:
    chunks: list[Json] = [{"id": "c", "model": "m", "choices": [{"index": 0, **one}]} for one in choices]
    chunks.append({"id": "c", "choices": [], "usage": COUNTED})
    return b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"


def called(*functions: Any) -> Json:
    """One piece with these calls, all of them at index 0 and without an id."""
    return {"delta": {"tool_calls": [{"index": 0, "function": function} for function in functions]}}


def placed(index: Any, name: str, arguments: str = "") -> Json:
    """A piece of the call at this index; with its name, the first one."""
    head = {"id": f"call_{name}"} if name else {}
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return {"delta": {"tool_calls": [{"index": index, **head, "function": function}]}}


WEATHER, CLOCK = {"name": "weather", "arguments": CITY}, {"name": "clock", "arguments": "{}"}
TWO: Meaning = ("", [("weather", {"city": "Rome"}), ("clock", {})])
ENDED = {"delta": {}, "finish_reason": "tool_calls"}
WHOLE = {"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
CHATS: dict[str, tuple[bytes, Meaning]] = {
    "two calls at one index without ids": (chat(called(WEATHER, CLOCK), ENDED), TWO),
    "the same in two pieces": (chat(called(WEATHER), called(CLOCK), ENDED), TWO),
    "a name in every piece of one call": (
        chat(
            called({"name": "weather", "arguments": '{"city":'}),
            called({"name": "weather", "arguments": '"Rome"}'}),
            ENDED,
        ),
        ("", [("weather", {"city": "Rome"})]),
    ),
    "the same call twice": (chat(called(WEATHER), called(WEATHER), ENDED), ("", TWO[1][:1] * 2)),
    "arguments that are null": (chat(called({"name": "clock", "arguments": None}), ENDED), ("", TWO[1][1:])),
    "the word null": (chat(called({"name": "clock", "arguments": "null"}), ENDED), ("", TWO[1][1:])),
    "an empty list": (chat(called({"name": "clock", "arguments": []}), ENDED), ("", TWO[1][1:])),
    "no arguments": (chat(called({"name": "clock"}), ENDED), ("", TWO[1][1:])),
    "the whole answer as one chunk": (chat(WHOLE), ("Hello", [])),
    "two calls by indices that are texts": (
        chat(
            placed("0", "weather") | {"finish_reason": None},
            placed("1", "clock"),
            placed("0", "", CITY),
            placed("1", "", "{}"),
            ENDED,
        ),
        TWO,
    ),
    "the whole answer once more at the end": (
        chat({"delta": {"content": "Hel"}}, {"delta": {"content": "lo"}}, WHOLE),
        ("Hello", []),
    ),
}


@pytest.mark.parametrize("client", [RESPONSES, MESSAGES, GEMINI])
@pytest.mark.parametrize("name", CHATS)
def test_chat(client: DialectName, name: str) -> None:
    body, meaning = CHATS[name]
    reply = heard(client, REASONER, body)
    assert MEANING[client](reply) == meaning
    ids = ids_of(client, reply)
    assert len(set(ids)) == len(ids)
    assert all(ids), "a result has to name its call"


def test_thinking_as_the_text_of_a_part() -> None:
    """Most hosts with typed parts nest it once more."""
    parts = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hi"}]
    body = chat({"delta": {"content": parts}}, {"delta": {}, "finish_reason": "stop"})
    thinking, text = heard(MESSAGES, REASONER, body)["content"]
    assert (thinking["thinking"], text["text"]) == ("Hm.", "Hi")


def test_a_picture_among_the_parts_of_the_content() -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    body = chat({"delta": {"content": [picture]}}, {"delta": {}, "finish_reason": "stop"})
    (part,) = heard(GEMINI, REASONER, body)["candidates"][0]["content"]["parts"]
    assert part["inlineData"]["mimeType"] == "image/png"


@pytest.mark.parametrize(
    ("word", "stop_reason"),
    [
        ("MAX_TOKENS", "max_tokens"),
        ("content_filter: RECITATION", "refusal"),
        ("SAFETY", "refusal"),
        ("STOP", "end_turn"),
    ],
)
def test_words_of_google_end_a_chat(word: str, stop_reason: str) -> None:
    """As its own endpoint of this dialect and relays before it write them."""
    body = chat({"delta": {"content": "Hi"}}, {"delta": {}, "finish_reason": word})
    assert heard(MESSAGES, REASONER, body)["stop_reason"] == stop_reason


PAGE = {"title": "Rome", "url": "https://example.com/rome"}


@pytest.mark.parametrize(
    "beside",
    [
        {"citations": [PAGE["url"]]},
        {"citations": [PAGE["url"]], "search_results": [PAGE]},
        {"search_results": [{"index": 1, **PAGE}]},
        {"web_search": [{"link": PAGE["url"], "title": "Rome", "content": "…"}]},
        {"search_info": {"search_results": [{"index": 1, **PAGE}]}},
    ],
)
@pytest.mark.parametrize("client", [RESPONSES, GEMINI])
def test_sources_that_a_host_lists_beside_its_answer(client: DialectName, beside: Json) -> None:
    """Its text names them by number alone."""
    body = chat({"delta": {"content": "Rome [1]"}}, {"delta": {}, "finish_reason": "stop"})
    *frames, done, _ = body.split(b"\n\n")
    last = {**json.loads(frames.pop()[6:]), **beside}
    body = b"\n\n".join([*frames, b"data: " + json.dumps(last).encode(), done, b""])
    shown = played(client, REASONER, body).body
    mark = b"response.output_text.annotation.added\n" if client == RESPONSES else b'"groundingChunks":[{"web"'
    assert shown.count(mark) == 1
    assert PAGE["url"].encode() in shown


# --- Responses


def responses(*events: Json, output: Any = ()) -> bytes:
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    last = {"id": "resp_1", "model": "g", "status": "completed", "output": list(output), "usage": usage}
    all_of_it = [*events, {"type": "response.completed", "response": last}]
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in all_of_it)


def message(text: str) -> Json:
    return {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text}],
    }


def call(arguments: Any, id: str = "call_1") -> Json:
    return {"id": "f", "type": "function_call", "call_id": id, "name": "weather", "arguments": arguments}


def told(kind: str, **fields: Any) -> Json:
    return {"type": f"response.{kind}", "output_index": 0, "content_index": 0, **fields}


def named(kind: str, id: str, **fields: Any) -> Json:
    """An event of a server that numbers nothing."""
    return {"type": f"response.{kind}", "item_id": id, **fields}


def item_of(id: str, name: str, arguments: str) -> Json:
    return {"id": id, "type": "function_call", "call_id": f"c_{id}", "name": name, "arguments": arguments}


ONE_CALL: Meaning = ("", TWO[1][:1])
ADDED = told("output_item.added", item=call(""))
ANSWERS: dict[str, tuple[bytes, Meaning]] = {
    "a text that is only done": (responses(told("output_text.done", text="Hello")), ("Hello", [])),
    "a text that is done after half of it": (
        responses(told("output_text.delta", delta="Hel"), told("output_text.done", text="Hello")),
        ("Hello", []),
    ),
    "arguments that are only done": (
        responses(
            ADDED,
            told("function_call_arguments.done", arguments=CITY),
            told("output_item.done", item=call("")),
        ),
        ONE_CALL,
    ),
    "arguments as deltas, done and whole": (
        responses(
            ADDED,
            told("function_call_arguments.delta", delta=CITY),
            told("function_call_arguments.done", arguments=CITY),
            told("output_item.done", item=call(CITY)),
            output=[call(CITY)],
        ),
        ONE_CALL,
    ),
    "a call in the last event alone": (
        responses(
            told("output_text.delta", delta="Hello"),
            told("output_item.done", item=message("Hello")),
            output=[message("Hello"), call(CITY)],
        ),
        ("Hello", ONE_CALL[1]),
    ),
    "two calls at once that only their ids tell apart": (
        responses(
            named("output_item.added", "", item=item_of("a", "weather", "")),
            named("output_item.added", "", item=item_of("b", "clock", "")),
            named("function_call_arguments.delta", "a", delta=CITY),
            named("function_call_arguments.delta", "b", delta="{}"),
            named("output_item.done", "", item=item_of("a", "weather", CITY)),
            named("output_item.done", "", item=item_of("b", "clock", "{}")),
            output=[item_of("a", "weather", CITY), item_of("b", "clock", "{}")],
        ),
        TWO,
    ),
    "the end under another name": (
        responses(told("output_text.delta", delta="Hello")).replace(b"response.completed", b"response.done"),
        ("Hello", []),
    ),
    "a text in the last event alone": (
        responses(
            told("output_item.done", item={"type": "reasoning", "summary": []}),
            output=[{"type": "reasoning", "summary": []}, message("Hello")],
        ),
        ("Hello", []),
    ),
    "items numbered otherwise in the end": (
        responses(
            told("output_text.delta", delta="Hello"),
            output=[{"type": "reasoning", "summary": []}, message("Hello")],
        ),
        ("Hello", []),
    ),
    "no arguments": (
        responses(told("output_item.done", item={**call(""), "name": "clock"})),
        ("", TWO[1][1:]),
    ),
    "the word null": (
        responses(told("output_item.done", item={**call("null"), "name": "clock"})),
        ("", TWO[1][1:]),
    ),
}


@pytest.mark.parametrize("client", [CHAT, MESSAGES, GEMINI])
@pytest.mark.parametrize("name", ANSWERS)
def test_responses(client: DialectName, name: str) -> None:
    body, meaning = ANSWERS[name]
    assert MEANING[client](heard(client, TARGETS[RESPONSES], body)) == meaning


# --- Messages


def messages(*events: Json) -> bytes:
    counts = {"input_tokens": 10, "output_tokens": 1}
    head = {"id": "m", "type": "message", "role": "assistant", "content": [], "usage": counts}
    delta = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}}
    all_of_it = [{"type": "message_start", "message": head}, *events, delta, {"type": "message_stop"}]
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in all_of_it)


def begin(index: int, name: str, given: Any = None) -> Json:
    block = {
        "type": "tool_use",
        "id": f"toolu_{index}",
        "name": name,
        "input": {} if given is None else given,
    }
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, text: str) -> Json:
    delta = {"type": "input_json_delta", "partial_json": text}
    return {"type": "content_block_delta", "index": index, "delta": delta}


def stop(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


SAID: list[Json] = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
]
MESSAGE: dict[str, tuple[bytes, Meaning]] = {
    "calls whose pieces alternate": (
        messages(
            begin(0, "weather"),
            begin(1, "clock"),
            more(0, '{"city":'),
            more(1, "{"),
            more(0, '"Rome"}'),
            more(1, "}"),
            stop(0),
            stop(1),
        ),
        TWO,
    ),
    "calls that never stop": (messages(begin(0, "weather"), more(0, CITY), begin(1, "clock")), TWO),
    "calls at one index": (
        messages(begin(0, "weather"), more(0, CITY), stop(0), begin(0, "clock"), more(0, "{}"), stop(0)),
        TWO,
    ),
    "a text that stops after the next block began": (
        messages(*SAID, begin(1, "weather"), stop(0), more(1, CITY), stop(1)),
        ("Hello", TWO[1][:1]),
    ),
    "arguments as text with the start": (messages(begin(0, "weather", CITY), stop(0)), ("", TWO[1][:1])),
    "an empty text with the start": (messages(begin(0, "clock", ""), stop(0)), ("", TWO[1][1:])),
    "the word null": (messages(begin(0, "clock"), more(0, "null"), stop(0)), ("", TWO[1][1:])),
}


@pytest.mark.parametrize("client", [CHAT, RESPONSES, GEMINI])
@pytest.mark.parametrize("name", MESSAGE)
def test_messages(client: DialectName, name: str) -> None:
    body, meaning = MESSAGE[name]
    assert MEANING[client](heard(client, TARGETS[MESSAGES], body)) == meaning


def test_content_that_comes_with_the_start_of_a_message() -> None:
    body = messages().replace(b'"content": []', b'"content": [{"type": "text", "text": "Hello"}]')
    assert _of_chat(heard(CHAT, TARGETS[MESSAGES], body)) == ("Hello", [])


# --- Gemini


@pytest.mark.parametrize("client", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize(("args", "meant"), [(CITY, {"city": "Rome"}), ([], {}), (None, {})])
def test_arguments_of_a_gemini_call_that_are_no_object(client: DialectName, args: Any, meant: Json) -> None:
    part = {"functionCall": {"name": "weather", "args": args}}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
    body = b"data: %b\n\n" % json.dumps({"candidates": [candidate], "usageMetadata": {}}).encode()
    assert MEANING[client](heard(client, TARGETS[GEMINI], body)) == ("", [("weather", meant)])


def test_a_response_that_is_done_passes_as_complete() -> None:
    """Some hosts name the last event so, which their own clients take for the end."""
    body = responses(told("output_text.delta", delta="Hello"))
    body = body.replace(b"response.completed", b"response.done")
    assert played(RESPONSES, TARGETS[RESPONSES], body).usage.output_text == 5
