"""Without this a stream that passes through could lose or repeat bytes, show a cut as an end, leak the end
marker before the record is written, or bill a wrong usage, depending on where the network splits it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.anthropic_messages.vectors import frame

from switchgear.kernel.errors import UPSTREAM_CUT, ApiError
from switchgear.kernel.usage import Usage
from switchgear.wire.anthropic_messages.passing.tap import STOP_FRAME, StreamTap

STREAMS = Path(__file__).parent / "golden" / "streams"
NAMES = sorted(path.stem for path in STREAMS.glob("*.sse"))
TEXT = frame({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}})
START = frame({"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 3}}})
ERROR = frame({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})


def run(chunks: list[bytes]) -> dict[str, Any]:
    tap = StreamTap()
    out = b"".join([tap.feed(chunk) for chunk in chunks])
    end = tap.finish()
    return {
        "out": out,
        "closing": tap.closing(),
        "end": end,
        "ended": tap.ended,
        "has_content": tap.has_content,
        "usage": tap.usage,
        "text_bytes": tap.text_bytes,
        "text": tap.take_text(),
        "fault": None if tap.fault is None else str(tap.fault),
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_passes_but_the_end_marker(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    state = run([sample])
    assert state["end"] == "complete"
    assert b"message_stop" not in state["out"]
    expected = sample.replace(b"data: [DONE]\n\n", b"")
    assert (state["out"] + state["closing"]).removesuffix(STOP_FRAME) == expected.removesuffix(STOP_FRAME)


@pytest.mark.parametrize("name", NAMES)
def test_every_split_point_gives_the_same_bytes_and_state(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    whole = run([sample])
    for at in range(1, len(sample)):
        assert run([sample[:at], sample[at:]]) == whole
    assert run([bytes([byte]) for byte in sample]) == whole
    frames = [part + b"\n\n" for part in sample.split(b"\n\n") if part]
    assert run(frames) == whole


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_is_never_complete(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    reason_at = sample.index(b'"stop_reason":"')
    for at in range(reason_at):
        assert run([sample[:at]])["end"] == "cut"
    assert run([sample[: sample.index(b"\n\n", reason_at) + 2]])["end"] == "complete"


def test_whole_frames_are_forwarded_as_the_very_object() -> None:
    tap = StreamTap()
    several = TEXT + b": comment\n\n" + TEXT
    for part in (START, TEXT, several, TEXT.replace(b"\n", b"\r\n")):
        assert tap.feed(part) is part
    assert tap.take_text() == "aaaa"


def test_usage_and_text_of_the_example() -> None:
    state = run([(STREAMS / "example.sse").read_bytes()])
    assert state["usage"] == Usage(input_uncached=30, cache_read=100, output_text=24)
    assert state["text"] == 'Need weather.Looking.get_weather{"city":"Rome"}'
    assert state["text_bytes"] == len(state["text"])


def test_the_start_alone_is_no_content() -> None:
    tap = StreamTap()
    tap.feed(START + frame({"type": "ping"}))
    tap.feed(
        frame({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    )
    assert not tap.has_content
    tap.feed(TEXT)
    assert tap.has_content


def test_a_call_or_a_refusal_is_content() -> None:
    for event in (
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "tool_use", "id": "a", "name": "f"},
        },
        {"type": "message_delta", "delta": {"stop_reason": "refusal"}},
    ):
        tap = StreamTap()
        tap.feed(START + frame(event))
        assert tap.has_content


@pytest.mark.parametrize(
    "broken",
    [
        ERROR,
        ERROR.replace(b"event: error\n", b""),
        b"data: garbage\n\n",
        b"<html>busy</html>\n\n",
        b'{"type":"error","error":{"type":"api_error","message":"m"}}\n\n',
        b"event: error\ndata: \n\n",
    ],
)
def test_an_error_in_the_stream_is_a_fault_and_not_forwarded(broken: bytes) -> None:
    tap = StreamTap()
    assert tap.feed(TEXT + broken + TEXT) == TEXT
    assert tap.fault is not None
    assert tap.feed(TEXT) == b""
    assert tap.finish() == "cut"


def test_unknown_events_pass() -> None:
    odd = frame({"type": "context_note", "x": [1]})
    assert StreamTap().feed(odd) is odd


def test_a_broken_stream_ends_with_an_error_event() -> None:
    found = StreamTap().error_frame(ApiError(UPSTREAM_CUT, "It broke."), "1")
    assert json.loads(found.split(b"data: ")[1])["error"]["type"] == "api_error"


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_random_bytes_never_raise(chunks: list[bytes]) -> None:
    run(chunks)


def test_an_ordinary_frame_is_cheap() -> None:
    """A few microseconds; the bound is loose, as machines differ."""
    tap = StreamTap()
    started = time.process_time()
    for _ in range(20_000):
        tap.feed(TEXT)
    assert time.process_time() - started < 1.0
