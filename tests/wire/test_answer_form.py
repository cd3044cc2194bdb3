"""Without this, an answer in another form than was asked for would be lost, though it was paid for."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.wire.convert.answer_form import EitherReader, form_of, read_answer
from switchgear.wire.dialects import DIALECT_OF
from switchgear.wire.neutral.events import End, Event, Fault, TextDelta, UsageSeen

CHAT = DIALECT_OF["openai_chat"]
GEMINI = DIALECT_OF["gemini_generate"]
USAGE = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
WHOLE = {
    "id": "c",
    "object": "chat.completion",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": USAGE,
}


def candidate(text: str, finish: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    return {"candidates": [found | ({"finishReason": finish} if finish else {})]}


ARRAY = [candidate("H"), candidate("i", "STOP") | {"usageMetadata": {"promptTokenCount": 5}}]


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def in_pieces(dialect: Any, body: bytes, size: int) -> list[Event]:
    reader = EitherReader(dialect)
    events: list[Event] = []
    for at in range(0, len(body), size):
        events += reader.feed(body[at : at + size])
    return events + reader.finish()


@pytest.mark.parametrize(
    ("start", "form"),
    [
        (b"", ""),
        (b" \r\n\n", ""),
        (b"{", "object"),
        (b"\xef\xbb\xbf\n {", "object"),
        (b"[", "array"),
        (b"data: {", "events"),
        (b"da", ""),
        (b"event: x", "events"),
        (b": keep-alive", "events"),
        (b"\n" * 1000 + b"id: 1", "events"),
        (b"<html>", "other"),
        (b"dat <", "other"),
        (b"upstream error", "other"),
    ],
)
def test_the_form_shows_in_the_first_bytes(start: bytes, form: str) -> None:
    assert form_of(start) == form


@given(st.integers(1, 400), st.sampled_from(["", "\n\n\n", "\ufeff"]), st.sampled_from([None, 2]))
def test_a_whole_reply_is_read_in_any_pieces(size: int, before: str, indent: int | None) -> None:
    """Laid out over lines, too, with blank ones between: those are no ends of events."""
    text = before + json.dumps(WHOLE, indent=indent).replace('"usage"', '\n\n"usage"')
    events = in_pieces(CHAT, text.encode(), max(size, 4))
    assert text_of(events) == "Hi"
    assert isinstance(events[-1], End)
    assert any(isinstance(event, UsageSeen) for event in events)


@given(st.integers(1, 200))
def test_an_array_is_the_stream_that_its_elements_are(size: int) -> None:
    body = json.dumps(ARRAY, indent=1).encode()
    for events in (in_pieces(GEMINI, body, size), read_answer(GEMINI, body)):
        assert text_of(events) == "Hi"
        assert isinstance(events[-1], End)


@given(st.integers(1, 100))
def test_a_stream_is_read_as_ever(size: int) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
    body = b"\n\n: wait\n\ndata: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n"
    for events in (in_pieces(CHAT, body, size), read_answer(CHAT, body)):
        assert text_of(events) == "Hi"
        assert isinstance(events[-1], End)


@pytest.mark.parametrize("dialect", DIALECT_OF.values(), ids=list(DIALECT_OF))
@pytest.mark.parametrize("body", [b"", b"\n", b"<html></html>", b"{", b"[1]", b"[{}", b"null", b"data"])
def test_what_is_no_answer_in_any_form_is_a_fault(dialect: Any, body: bytes) -> None:
    for events in (in_pieces(dialect, body, 3), read_answer(dialect, body)):
        assert isinstance(events[-1], Fault)


@pytest.mark.parametrize("dialect", DIALECT_OF.values(), ids=list(DIALECT_OF))
def test_an_error_as_json_is_that_error(dialect: Any) -> None:
    body = b'{"error":{"message":"m","type":"server_error","code":"insufficient_quota"}}'
    (fault,) = [event for event in in_pieces(dialect, body, 7) if isinstance(event, Fault)]
    assert fault.error.kind == "funds"
