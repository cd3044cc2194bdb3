"""Without this an answer whose reasoning stands between its texts and calls would go back to its maker in
another order, or without a part of it, and be refused at every turn that follows."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from tests.sim.speakers import TOOLS
from tests.wire.known_bugs.support import CHAT, GEMINI, MESSAGES, RESPONSES, Json
from tests.wire.pairs.asks import ASKERS, Ask
from tests.wire.pairs.relay import SEALS, TERMS, WHO, Target, candidate_of, head_of, prepare_for, read_call
from tests.wire.pairs.scenarios import TARGETS

from switchgear.kernel.dialects import DialectName
from switchgear.relay.prepare import Preparation
from switchgear.wire.convert.bridge import convert_reply
from switchgear.wire.neutral.reasoning_memory import Thoughts, ThoughtsReader
from switchgear.wire.neutral.request import RemoteFile

NAME, SCHEMA = TOOLS[0]
CLAUDE = Target("anthropic_messages", "anthropic", "claude-opus-4-5")
UNKNOWN = Target("openai_chat", "together", "a-model-that-nobody-knows")


def thinking(text: str) -> Json:
    return {"type": "thinking", "thinking": text, "signature": f"SIG{text}"}


def use(id: str) -> Json:
    return {"type": "tool_use", "id": id, "name": NAME, "input": {"city": id}}


def text(said: str) -> Json:
    return {"type": "text", "text": said}


A, B = use("toolu_a"), use("toolu_b")
HIDDEN = {"type": "redacted_thinking", "data": "DATA"}
ANSWERS: dict[str, list[Json]] = {
    "between the calls": [thinking("1"), text("Looking."), A, thinking("2"), B],
    "between the texts": [thinking("1"), text("One."), thinking("2"), text("Two."), A, HIDDEN, B],
    "after the text": [text("Looking."), thinking("1"), A, B],
    "without a text": [thinking("1"), A, thinking("2"), HIDDEN, B],
}


class Memory:
    """What the relay keeps of one answer."""

    def __init__(self) -> None:
        self.kept: dict[str, Thoughts] = {}

    async def find(self, owner: str, ids: Iterable[str]) -> Mapping[str, Thoughts]:
        return {id: self.kept[id] for id in ids if id in self.kept}


def answered(client: DialectName, target: Target, body: Json, memory: Memory) -> Json:
    """The whole reply as the client gets it of an upstream that says ``body``."""
    asker = ASKERS[client](Ask("Hi", tools=True, think=True))
    dialect, call = read_call(asker.path, json.dumps(asker.body).encode())
    prepared = prepare_for(target, dialect, call)
    data = json.dumps(body).encode()
    reply = convert_reply(prepared.dialect, dialect, data, head_of(prepared, call), prepared.passage)
    reader = ThoughtsReader(prepared.passage.origin, 10_000, prepared.passage.source)
    for event in reply.events:
        reader.take(event)
    memory.kept = reader.found()
    found: Json = json.loads(reply.body)
    return found


def next_turn(client: DialectName, target: Target, more: list[Json], memory: Memory) -> Json:
    """What the upstream gets of the next turn, with ``more`` after the first question."""
    asker = ASKERS[client](Ask("Hi", tools=True, think=True))
    key = {CHAT: "messages", RESPONSES: "input", MESSAGES: "messages", GEMINI: "contents"}[client]
    body = {**asker.body, key: [*asker.body[key], *more]}
    dialect, call = read_call(asker.path, json.dumps(body).encode())

    async def fetch(key_id: str, urls: tuple[str, ...]) -> Mapping[str, RemoteFile]:
        raise AssertionError(urls)

    async def prepared() -> bytes:
        preparation = Preparation(call, dialect, WHO, SEALS, fetch, memory.find, TERMS)
        return (await preparation.prepare(candidate_of(target, call))).body

    found: Json = json.loads(asyncio.run(prepared()))
    return found


def of_chat(reply: Json) -> list[Json]:
    message = reply["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": it["id"], "content": "ok"} for it in message["tool_calls"]]
    return [message, *results]


def of_responses(reply: Json) -> list[Json]:
    calls = [item for item in reply["output"] if item["type"] == "function_call"]
    results = [{"type": "function_call_output", "call_id": it["call_id"], "output": "ok"} for it in calls]
    return [*reply["output"], *results]


def of_gemini(reply: Json) -> list[Json]:
    content = reply["candidates"][0]["content"]
    calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
    results = [
        {"functionResponse": {"id": it["id"], "name": it["name"], "response": {"output": "ok"}}}
        for it in calls
    ]
    return [content, {"role": "user", "parts": results}]


def only(*keys: str) -> Callable[[list[Json]], list[Json]]:
    """A client that keeps of each message or item what it knows."""

    def strip(history: list[Json]) -> list[Json]:
        kept = [item for item in history if item.get("type") != "reasoning"]
        return [{key: value for key, value in item.items() if key in keys} for item in kept]

    return strip


def as_it_is(history: list[Json]) -> list[Json]:
    return history


def without_thoughts(history: list[Json]) -> list[Json]:
    parts = [part for part in history[0]["parts"] if not part.get("thought")]
    return [{**history[0], "parts": parts}, *history[1:]]


def without_signatures(history: list[Json]) -> list[Json]:
    (content, results) = without_thoughts(history)
    parts = [{k: v for k, v in part.items() if k != "thoughtSignature"} for part in content["parts"]]
    return [{**content, "parts": parts}, results]


PLAIN_CHAT = ("role", "content", "tool_calls", "tool_call_id")
PLAIN_ITEMS = ("type", "role", "content", "call_id", "name", "arguments", "output")
CLIENTS: dict[str, tuple[DialectName, Callable[[Any], list[Json]], Callable[[list[Json]], list[Json]]]] = {
    "chat, all": (CHAT, of_chat, as_it_is),
    "chat, what it knows": (CHAT, of_chat, only(*PLAIN_CHAT)),
    "chat, with the text": (CHAT, of_chat, only(*PLAIN_CHAT, "reasoning_content")),
    "responses, all": (RESPONSES, of_responses, as_it_is),
    "responses, no reasoning": (RESPONSES, of_responses, only(*PLAIN_ITEMS)),
    "gemini, all": (GEMINI, of_gemini, as_it_is),
    "gemini, no thoughts": (GEMINI, of_gemini, without_thoughts),
    "gemini, no signatures": (GEMINI, of_gemini, without_signatures),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("who", CLIENTS)
def test_reasoning_goes_back_to_claude_where_it_stood(who: str, answer: str) -> None:
    client, history_of, keep = CLIENTS[who]
    memory = Memory()
    usage = {"input_tokens": 9, "output_tokens": 4}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "u", "content": ANSWERS[answer]}
    reply = answered(client, CLAUDE, message | {"stop_reason": "tool_use", "usage": usage}, memory)
    written = next_turn(client, CLAUDE, keep(history_of(reply)), memory)
    found = written["messages"][1]["content"]
    assert [{k: v for k, v in block.items() if k != "cache_control"} for block in found] == ANSWERS[answer]


def test_an_edited_text_does_not_lose_the_order_of_the_rest() -> None:
    memory = Memory()
    message = {"id": "m", "type": "message", "role": "assistant", "model": "u"}
    content = ANSWERS["between the calls"]
    usage = {"input_tokens": 9, "output_tokens": 4}
    body = message | {"content": content, "stop_reason": "tool_use", "usage": usage}
    history = of_chat(answered(CHAT, CLAUDE, body, memory))
    for said, blocks in (("Look", [text("Look")]), ("", []), ("Looking. Now.", [text("Looking. Now.")])):
        history[0]["content"] = said
        found = next_turn(CHAT, CLAUDE, history, memory)["messages"][1]["content"]
        assert found == [content[0], *blocks, *content[2:]]


def test_calls_of_one_answer_in_two_messages_each_have_what_led_to_them() -> None:
    """Some clients run one call after the other and write their history so."""
    memory = Memory()
    content = ANSWERS["between the calls"]
    usage = {"input_tokens": 9, "output_tokens": 4}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "u", "content": content}
    reply = answered(CHAT, CLAUDE, message | {"stop_reason": "tool_use", "usage": usage}, memory)
    said, *results = only(*PLAIN_CHAT)(of_chat(reply))
    first = {**said, "tool_calls": said["tool_calls"][:1]}
    second = {"role": "assistant", "content": None, "tool_calls": said["tool_calls"][1:]}
    written = next_turn(CHAT, CLAUDE, [first, results[0], second, results[1]], memory)
    assert written["messages"][1]["content"] == content[:3]
    assert written["messages"][3]["content"] == content[3:]


def test_reasoning_of_a_responses_upstream_stands_before_what_it_led_to() -> None:
    """The upstream refuses reasoning without the item that followed."""

    def reasoning(token: str) -> Json:
        return {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": token}

    def called(id: str) -> Json:
        return {"type": "function_call", "call_id": id, "name": NAME, "arguments": '{"city":"Rome"}'}

    output = [reasoning("E1"), called("a"), reasoning("E2"), called("b")]
    body = {"id": "r", "object": "response", "status": "completed", "output": output, "usage": None}
    memory = Memory()
    target = TARGETS[RESPONSES]
    reply = answered(CHAT, target, body, memory)
    for keep in (as_it_is, only(*PLAIN_CHAT)):
        items = next_turn(CHAT, target, keep(of_chat(reply)), memory)["input"][1:5]
        found = [item.get("encrypted_content", item.get("call_id")) for item in items]
        assert found == ["E1", "a", "E2", "b"]


@pytest.mark.parametrize("client", [RESPONSES, MESSAGES, GEMINI])
def test_a_model_that_nobody_knows_gets_back_what_it_said_itself(client: DialectName) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": NAME, "arguments": '{"city":"Rome"}'}}
    message = {"role": "assistant", "content": "", "reasoning_content": "Hm.", "tool_calls": [call]}
    body = {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    memory = Memory()
    reply = answered(client, UNKNOWN, body, memory)
    if client == MESSAGES:
        results = [{"type": "tool_result", "tool_use_id": "c1", "content": "ok"}]
        history = [
            {"role": "assistant", "content": reply["content"]},
            {"role": "user", "content": results},
        ]
    else:
        history = (of_responses if client == RESPONSES else of_gemini)(reply)
    written = next_turn(client, UNKNOWN, history, memory)
    assert [it.get("reasoning_content") for it in written["messages"] if it["role"] == "assistant"] == ["Hm."]
    other = Target("openai_chat", "together", "another-model")
    written = next_turn(client, other, history, memory)
    assert "reasoning_content" not in json.dumps(written), "another one may refuse it"
