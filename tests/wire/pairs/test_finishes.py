"""Words for the end of an answer that do not fit what was said before them, to every client.

Without this an agent would wait for a call that never came, or take half of an answer for all of it.
"""

import json
from typing import Any

import pytest
from tests.wire.pairs.asks import ASKERS, Ask
from tests.wire.pairs.relay import Outcome, run
from tests.wire.pairs.scenarios import HEADERS, TARGETS
from tests.wire.pairs.sdk import Broke, Json
from tests.wire.pairs.test_odd_hosts import CHAT, COUNTED, GEMINI, MESSAGES, RESPONSES, OneAnswer
from tests.wire.pairs.test_silent_streams import ENDS, end_of, heard, sse

from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.kernel.usage import Usage

CALLED = ("tool_calls", "completed", "tool_use", "STOP")
CUT_SHORT = ENDS["length"]
USAGE = Usage(input_uncached=10, output_text=5)
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def chat(word: str, stream: bool, calls: bool = False) -> bytes:
    message: Json = {"role": "assistant", "content": "Hi", "refusal": None}
    if calls:
        message["tool_calls"] = [{"index": 0, **CALL}] if stream else [CALL]
    kind = "chat.completion.chunk" if stream else "chat.completion"
    head = {"id": "c", "object": kind, "created": 1, "model": "m"}
    end = {"finish_reason": word, "logprobs": None}
    if not stream:
        choice = {"index": 0, "message": message, **end}
        return json.dumps({**head, "choices": [choice], "usage": COUNTED}).encode()
    choices = [{"index": 0, "delta": message, "finish_reason": None}, {"index": 0, "delta": {}, **end}]
    chunks = [{**head, "choices": [choice]} for choice in choices]
    chunks[-1]["usage"] = COUNTED
    return sse(*chunks, end=b"data: [DONE]\n\n")


def messages(word: str, stream: bool, calls: bool = False) -> bytes:
    blocks: list[Json] = [{"type": "text", "text": "Hi"}]
    if calls:
        blocks.append({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}})
    head = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
    end = {"stop_reason": word, "stop_sequence": None}
    counts = {"input_tokens": 10, "output_tokens": 5}
    if not stream:
        return json.dumps({**head, "content": blocks, **end, "usage": counts}).encode()
    events: list[Json] = [
        {"type": "message_start", "message": {**head, "stop_reason": None, "usage": counts}}
    ]
    for index, block in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "content_block_stop", "index": index})
    events += [{"type": "message_delta", "delta": end, "usage": counts}, {"type": "message_stop"}]
    return b"".join(b"event: %b\n%b" % (event["type"].encode(), sse(event)) for event in events)


def gemini(word: str, stream: bool, calls: bool = False) -> bytes:
    parts: list[Json] = [{"text": "Hi"}]
    if calls:
        parts.append({"functionCall": {"name": "f", "args": {}}})
    content = {"index": 0, "content": {"role": "model", "parts": parts}}
    counts = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
    if not stream:
        return json.dumps(
            {"candidates": [{**content, "finishReason": word}], "usageMetadata": counts}
        ).encode()
    end = {"candidates": [{"index": 0, "finishReason": word}], "usageMetadata": counts}
    return sse({"candidates": [content]}, end)


HOSTS = {CHAT: chat, MESSAGES: messages, GEMINI: gemini}
Said = tuple[DialectName, str]


def played(client: DialectName, said: Said, stream: bool, calls: bool = False) -> Outcome:
    upstream, word = said
    asker = ASKERS[client](Ask("Hi", stream=stream, tools=True))
    asked, body = json.dumps(asker.body).encode(), HOSTS[upstream](word, stream, calls)
    return run(asker.path, asked, TARGETS[upstream], OneAnswer(body), HEADERS.get(client))


def told(client: DialectName, outcome: Outcome, stream: bool) -> Any:
    """How the client hears of the end."""
    if stream:
        return end_of(client, heard(client, outcome), outcome.body)
    reply = json.loads(outcome.body)
    if client == CHAT:
        return reply["choices"][0]["finish_reason"]
    if client == GEMINI:
        return reply["candidates"][0]["finishReason"]
    return reply["status" if client == RESPONSES else "stop_reason"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("said", [(CHAT, "tool_calls"), (CHAT, "function_call"), (MESSAGES, "tool_use")])
def test_calls_that_are_announced_and_never_made(said: Said, client: DialectName, stream: bool) -> None:
    if client != said[0]:
        outcome = played(client, said, stream)
        assert told(client, outcome, stream) == ENDS["stop"][DIALECTS.index(client)]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize(
    "said",
    [(CHAT, "stop"), (CHAT, "eos"), (MESSAGES, "end_turn"), (MESSAGES, "stop_sequence"), (GEMINI, "STOP")],
)
def test_calls_that_are_made_and_not_announced(said: Said, client: DialectName, stream: bool) -> None:
    if client != said[0]:
        outcome = played(client, said, stream, calls=True)
        assert told(client, outcome, stream) == CALLED[DIALECTS.index(client)]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize(
    "said",
    [
        (GEMINI, "MALFORMED_FUNCTION_CALL"),
        (GEMINI, "UNEXPECTED_TOOL_CALL"),
        (GEMINI, "TOO_MANY_TOOL_CALLS"),
        (GEMINI, "MISSING_THOUGHT_SIGNATURE"),
        (GEMINI, "MALFORMED_RESPONSE"),
        (GEMINI, "OTHER"),
        (CHAT, "function_call_filter: MALFORMED_FUNCTION_CALL"),
        (CHAT, "malformed_function_call"),
        (CHAT, "OTHER"),
        (CHAT, "network_error"),
        (MESSAGES, "network_error"),
        (MESSAGES, "MALFORMED_FUNCTION_CALL"),
    ],
)
def test_an_answer_that_was_given_up_is_a_failed_one(said: Said, client: DialectName, stream: bool) -> None:
    if client == said[0] == GEMINI:
        return  # its own clients know its own words
    outcome = played(client, said, stream)
    assert outcome.state == "error"
    if stream:
        assert outcome.usage == USAGE, "it is charged by what the upstream counted"
        with pytest.raises(Broke):
            heard(client, outcome)
    else:
        assert outcome.status == 502


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("client", [CHAT, RESPONSES, GEMINI])
def test_a_turn_that_was_put_off_is_cut_short_for_those_who_can_not_go_on(
    client: DialectName, stream: bool
) -> None:
    outcome = played(client, (MESSAGES, "pause_turn"), stream)
    assert told(client, outcome, stream) == CUT_SHORT[DIALECTS.index(client)]


def test_clients_of_messages_go_on_themselves_with_a_turn_that_was_put_off() -> None:
    assert told(MESSAGES, played(MESSAGES, (MESSAGES, "pause_turn"), True), True) == "pause_turn"


@pytest.mark.parametrize("word", ["other", "language", "content_filter: OTHER", "unknown"])
def test_words_that_mean_no_failure(word: str) -> None:
    assert played(MESSAGES, (CHAT, word), True).state == "complete"
    assert played(CHAT, (CHAT, word), False).state == "complete"
