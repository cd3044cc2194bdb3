"""Bugs that relays of this kind are known for, in what is counted and told of tokens. Each test is named by
what it prevents; without it a call could be billed wrongly in one dialect and not in another."""

import pytest
from tests.wire.known_bugs.support import (
    CHAT,
    GEMINI,
    MESSAGES,
    RESPONSES,
    Json,
    chat_chunk,
    frames_of,
    gemini_chunk,
    hear,
    message_stream,
    others,
    said,
)
from tests.wire.known_bugs.test_streams import played

from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.kernel.usage import Usage

CHAT_USAGE = {
    "prompt_tokens": 150,
    "completion_tokens": 24,
    "total_tokens": 174,
    "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 14},
}
MESSAGES_USAGE = {
    "input_tokens": 30,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 20,
    "output_tokens": 24,
    "output_tokens_details": {"thinking_tokens": 14},
}
RESPONSES_USAGE = {
    "input_tokens": 150,
    "input_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 20},
    "output_tokens": 24,
    "output_tokens_details": {"reasoning_tokens": 14},
    "total_tokens": 174,
}
COUNTED = Usage(input_uncached=30, cache_read=100, cache_write_5m=20, output_text=10, reasoning=14)


def stream_with_usage(upstream: DialectName) -> bytes:
    """The same counts as each vendor tells them; Gemini knows no writes to a cache."""
    match upstream:
        case "openai_chat":
            alone = chat_chunk({}) | {"choices": [], "usage": CHAT_USAGE}
            return said(CHAT, chat_chunk({"content": "Hi"}), chat_chunk({}, "stop"), alone)
        case "openai_responses":
            item = {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
            }
            response = {"id": "resp_1", "status": "completed", "output": [item], "usage": RESPONSES_USAGE}
            return said(
                RESPONSES,
                {"type": "response.created", "response": response | {"status": "in_progress", "output": []}},
                {"type": "response.output_item.done", "output_index": 0, "item": item},
                {"type": "response.completed", "response": response},
            )
        case "anthropic_messages":
            block = {"type": "text", "text": "", "deltas": [{"type": "text_delta", "text": "Hi"}]}
            return said(MESSAGES, *message_stream(block, usage=MESSAGES_USAGE))
        case _:
            counts = {
                "promptTokenCount": 150,
                "cachedContentTokenCount": 100,
                "candidatesTokenCount": 10,
                "thoughtsTokenCount": 14,
                "totalTokenCount": 174,
            }
            return said(GEMINI, gemini_chunk({"text": "Hi"}, finish="STOP", usageMetadata=counts))


def told(client: DialectName, frames: list[Json]) -> Json:
    """The usage object that a client gets."""
    found: Json = {}
    for frame in frames:
        usage = frame.get("usageMetadata") or frame.get("usage") or frame.get("response", {}).get("usage")
        found = usage or found
    return found


@pytest.mark.parametrize("upstream", others(MESSAGES))
def test_bug_19_the_input_of_a_message_holds_its_cached_part(upstream: DialectName) -> None:
    frames, _ = hear(upstream, MESSAGES, stream_with_usage(upstream))
    usage = told(MESSAGES, frames)
    written = usage["cache_creation_input_tokens"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (50 - written, 100)


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("upstream", DIALECTS)
def test_bug_20_tokens_of_the_cache_are_counted_twice(upstream: DialectName, client: DialectName) -> None:
    frames, counted = hear(upstream, client, stream_with_usage(upstream))
    expected = COUNTED
    if upstream == GEMINI:
        expected = Usage(input_uncached=50, cache_read=100, output_text=10, reasoning=14)
    assert counted == expected
    usage = told(client, frames)
    whole = {
        CHAT: ("prompt_tokens", "completion_tokens"),
        RESPONSES: ("input_tokens", "output_tokens"),
        GEMINI: ("promptTokenCount", "totalTokenCount"),
    }
    if client in whole:
        first, second = whole[client]
        assert (usage[first], usage[second]) == (150, 174 if client == GEMINI else 24)


@pytest.mark.parametrize("client", others(GEMINI))
def test_bug_21_thoughts_are_not_counted_as_output(client: DialectName) -> None:
    frames, counted = hear(GEMINI, client, stream_with_usage(GEMINI))
    assert counted is not None
    assert (counted.output_text, counted.reasoning) == (10, 14)
    usage = told(client, frames)
    assert usage["completion_tokens" if client == CHAT else "output_tokens"] == 24


@pytest.mark.parametrize("upstream", others(MESSAGES))
def test_bug_22_a_message_starts_with_no_input_tokens(upstream: DialectName) -> None:
    first = frames_of(played(MESSAGES, upstream, "stream")[0].outcome.body)[0]
    assert first["type"] == "message_start"
    assert first["message"]["usage"]["input_tokens"] > 0


@pytest.mark.parametrize("client", others(MESSAGES))
def test_bug_23_a_message_without_its_last_counts_is_free(client: DialectName) -> None:
    block = {"type": "text", "text": "", "deltas": [{"type": "text_delta", "text": "Hi"}]}
    events = [event for event in message_stream(block) if event["type"] != "message_delta"]
    del events[0]["message"]["usage"]
    _, counted = hear(MESSAGES, client, said(MESSAGES, *events))
    assert counted is None, "so that the relay counts for itself"


@pytest.mark.parametrize("client", [CHAT, RESPONSES])
def test_bug_44_counts_of_a_message_are_not_told_in_the_form_of_the_client(client: DialectName) -> None:
    usage = told(client, hear(MESSAGES, client, stream_with_usage(MESSAGES))[0])
    expected = CHAT_USAGE if client == CHAT else RESPONSES_USAGE
    for name, value in expected.items():
        found = usage[name]
        assert value == ({key: found[key] for key in value} if isinstance(value, dict) else found), name
