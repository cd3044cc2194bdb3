"""Bugs that relays of this kind are known for, in reasoning and its switches. Each test is named by what it
prevents; without it the next turn of a conversation with tools could be refused, or think anew."""

import json
from typing import Any

import pytest
from tests.wire.known_bugs.support import (
    CHAT,
    GEMINI,
    GLM,
    MESSAGES,
    OPUS,
    RESPONSES,
    Json,
    ask,
    hear,
    message_stream,
    others,
    said,
    sent,
)
from tests.wire.known_bugs.test_streams import played
from tests.wire.pairs.asks import ASKERS, Ask
from tests.wire.pairs.relay import Outcome
from tests.wire.pairs.scenarios import TARGETS

from switchgear.kernel.dialects import DIALECTS, DialectName

OFF: dict[DialectName, Json] = {
    CHAT: {"reasoning_effort": "none"},
    RESPONSES: {"reasoning": {"effort": "none"}},
    MESSAGES: {"thinking": {"type": "disabled"}},
    GEMINI: {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
}
HIGH: dict[DialectName, Json] = {
    CHAT: {"reasoning_effort": "high", "max_completion_tokens": 2000},
    RESPONSES: {"reasoning": {"effort": "high"}, "max_output_tokens": 2000},
    MESSAGES: {"thinking": {"type": "adaptive"}, "max_tokens": 2000},
    GEMINI: {"generationConfig": {"thinkingConfig": {"thinkingBudget": 24576}, "maxOutputTokens": 2000}},
}


def second_request(client: DialectName, upstream: DialectName, name: str) -> tuple[Json, Json]:
    """(the first answer of the upstream, what went to it next)."""
    first, second = (turn.outcome for turn in played(client, upstream, name)[:2])
    assert first.said is not None
    return _whole(first), sent(second)


def _whole(outcome: Outcome) -> Json:
    assert outcome.said is not None
    body: Json = json.loads(outcome.said.body)
    return body


@pytest.mark.parametrize("client", DIALECTS)
def test_bug_12_the_signature_of_thinking_is_lost_before_the_next_turn(client: DialectName) -> None:
    answer, following = second_request(client, MESSAGES, "reasoning_with_tools")
    thinking = answer["content"][0]
    assert thinking["type"] == "thinking"
    assert following["messages"][1]["content"][0] == thinking
    assert following["thinking"]["type"] == "enabled"


@pytest.mark.parametrize("client", [CHAT, RESPONSES, MESSAGES])
def test_bug_13_redacted_thinking_is_dropped(client: DialectName) -> None:
    turns = played(client, MESSAGES, "redacted_with_tools")
    assert turns[0].outcome.said is not None
    shown = turns[0].outcome.said.body.decode()
    data = json.loads(shown.partition('"type":"redacted_thinking","data":')[2].partition("}")[0])
    content = sent(turns[1].outcome)["messages"][1]["content"]
    assert content[0] == {"type": "redacted_thinking", "data": data}


@pytest.mark.parametrize("client", others(MESSAGES))
def test_bug_14_thinking_that_is_a_signature_alone_is_dropped(client: DialectName) -> None:
    thinking = {"type": "thinking", "thinking": "", "signature": ""}
    signed = thinking | {"deltas": [{"type": "signature_delta", "signature": "U0lH"}]}
    call: Json = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
    frames, _ = hear(MESSAGES, client, said(MESSAGES, *message_stream(signed, call, stop_reason="tool_use")))
    shown = json.dumps(frames)
    assert "U0lH" in shown or "relay1." in shown or "cmVsYXkx" in shown


@pytest.mark.parametrize("client", DIALECTS)
def test_bug_15_the_signature_of_a_gemini_call_is_lost(client: DialectName) -> None:
    answer, following = second_request(client, GEMINI, "reasoning_with_tools")
    calls = [part for part in answer["candidates"][0]["content"]["parts"] if "functionCall" in part]
    sent_calls = [part for part in following["contents"][1]["parts"] if "functionCall" in part]
    assert calls[0]["thoughtSignature"]
    assert [part.get("thoughtSignature") for part in sent_calls] == [calls[0]["thoughtSignature"]]


@pytest.mark.parametrize("client", DIALECTS)
def test_bug_16_deepseek_does_not_get_its_reasoning_back(client: DialectName) -> None:
    answer, following = second_request(client, CHAT, "reasoning_with_tools")
    said_before = answer["choices"][0]["message"]["reasoning_content"]
    assistant = next(message for message in following["messages"] if message["role"] == "assistant")
    assert assistant["reasoning_content"] == said_before


@pytest.mark.parametrize("client", others(CHAT))
def test_bug_17_switches_of_thinking_contradict_each_other(client: DialectName) -> None:
    body = _merged(ASKERS[client](Ask("Hi")).body, OFF[client])
    written = sent(ask(client, body, GLM))
    assert written["thinking"] == {"type": "disabled"}
    assert "reasoning_effort" not in written


@pytest.mark.parametrize("client", others(MESSAGES))
def test_bug_18_a_budget_is_larger_than_the_answer_may_be(client: DialectName) -> None:
    body = _merged(ASKERS[client](Ask("Hi")).body, HIGH[client])
    written = sent(ask(client, body, TARGETS[MESSAGES]))
    assert written["thinking"]["type"] == "enabled"
    assert 1024 <= written["thinking"]["budget_tokens"] < written["max_tokens"]


@pytest.mark.parametrize("client", others(MESSAGES))
def test_bug_18_a_model_that_is_adaptive_only_gets_a_budget(client: DialectName) -> None:
    body = _merged(ASKERS[client](Ask("Hi")).body, HIGH[client])
    written = sent(ask(client, body, OPUS))
    assert written["thinking"]["type"] == "adaptive"
    assert "budget_tokens" not in written["thinking"]


def test_bug_53_a_model_without_adaptive_thinking_is_asked_for_it() -> None:
    body = _merged(ASKERS[MESSAGES](Ask("Hi")).body, HIGH[MESSAGES])
    for upstream in others(MESSAGES):
        written = sent(ask(MESSAGES, body, TARGETS[upstream]))
        assert "adaptive" not in json.dumps(written)


@pytest.mark.parametrize("upstream", others(RESPONSES))
def test_bug_37_encrypted_reasoning_becomes_an_empty_message(upstream: DialectName) -> None:
    reasoning: Json = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
    body = ASKERS[RESPONSES](Ask("Hi")).body
    said_before: Json = {"role": "assistant", "content": "Hello."}
    body["input"] = [*body["input"], reasoning, said_before, {"role": "user", "content": "And?"}]
    written = sent(ask(RESPONSES, body, TARGETS[upstream]))
    turns: list[Any] = written.get("messages") or written["contents"]
    spoken = [turn for turn in turns if turn["role"] != "system"]
    assert len(spoken) == 3
    assert "gAAAA" not in json.dumps(written)
    assert all(turn.get("content") or turn.get("parts") for turn in spoken)


def _merged(body: Json, more: Json) -> Json:
    both = {key: body[key] | more[key] for key in body.keys() & more.keys() if isinstance(body[key], dict)}
    return body | more | both
