"""Without this a stream that passes through could lose or repeat bytes, show its end before the record is
written, take a failure for an answer, or be billed by a wrong usage."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.errors import UPSTREAM_CUT, ApiError
from switchgear.kernel.limits import FRAME_BYTES_MAX
from switchgear.kernel.usage import Usage
from switchgear.wire.openai_responses.passing.reply import read_reply
from switchgear.wire.openai_responses.passing.tap import StreamTap

STREAMS = Path(__file__).parent / "golden" / "streams"
NAMES = sorted(path.stem for path in STREAMS.glob("*.sse"))


def run(*chunks: bytes) -> dict[str, Any]:
    """Everything that can be seen of a run."""
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
        "id": tap.response_id,
        "text_bytes": tap.text_bytes,
        "text": tap.take_text(),
        "fault": None if tap.fault is None else str(tap.fault),
    }


def sse(type: str, **fields: Any) -> bytes:
    return f"event: {type}\ndata: {json.dumps({'type': type, **fields})}\n\n".encode()


CREATED = sse("response.created", sequence_number=0, response={"id": "resp_1", "status": "in_progress"})
DELTA = sse("response.output_text.delta", sequence_number=1, output_index=0, delta="Hé")


@pytest.mark.parametrize("name", NAMES)
def test_every_split_point_gives_the_same_bytes_and_state(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    whole = run(sample)
    assert whole["end"] == "complete"
    assert whole["out"] + whole["closing"] == sample.removesuffix(b"data: [DONE]\r\n\r\n")
    assert b"response.completed" not in whole["out"]
    assert b"response.incomplete" not in whole["out"]
    for at in range(1, len(sample)):
        assert run(sample[:at], sample[at:]) == whole
    assert run(*(bytes([byte]) for byte in sample)) == whole


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_is_never_complete(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes().removesuffix(b"data: [DONE]\r\n\r\n")
    for at in range(len(sample.rstrip())):
        assert run(sample[:at])["end"] == "cut"


def test_what_is_learned() -> None:
    state = run((STREAMS / "example.sse").read_bytes())
    assert state["usage"] == Usage(input_uncached=30, cache_read=100, output_text=24)
    assert state["id"] == "resp_7"
    assert state["text"] == 'Need weather.Looking.{"city":"Rome"}'
    assert state["text_bytes"] == len(state["text"])


def test_whole_frames_are_forwarded_as_the_very_object() -> None:
    tap = StreamTap()
    for chunk in (CREATED, DELTA, DELTA + b": comment\n\n" + DELTA, DELTA.replace(b"\n", b"\r\n")):
        assert tap.feed(chunk) is chunk
    assert tap.text_bytes == len("Hé".encode()) * 4


def test_what_servers_send_before_the_first_token_is_no_content_yet() -> None:
    """Until then another upstream may still be asked."""
    tap = StreamTap()
    added = sse("response.output_item.added", output_index=0, item={"type": "message"})
    tap.feed(CREATED + sse("response.in_progress", response={}) + added)
    assert not tap.has_content
    tap.feed(DELTA)
    assert tap.has_content


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (sse("response.failed", response={"error": {"code": "rate_limit_exceeded"}}), "limited"),
        (sse("response.failed", response={"status": "failed"}), "transient"),
        (sse("error", code="server_error", message="x", param=None), "transient"),
        (b'data: {"error":{"code":"insufficient_quota","message":"x"}}\n\n', "funds"),
        (b"data: nonsense\n\n", "transient"),
        (b"<html>502</html>\n\n", "transient"),
        (b'{"error":{"code":"invalid_api_key"}}\n\n', "auth"),
        (b'{"error":{"code":"invalid_api_key"}}', "auth"),
    ],
)
def test_a_failure_is_not_forwarded_and_nothing_after_it(frame: bytes, kind: str) -> None:
    tap = StreamTap()
    assert tap.feed(frame + DELTA) == b"" or not frame.endswith(b"\n\n")
    if not frame.endswith(b"\n\n"):
        tap = StreamTap()
        tap.feed(frame)
    assert tap.finish() == "cut"
    assert tap.fault is not None
    assert tap.fault.kind == kind
    assert tap.feed(DELTA) == b""


def test_a_broken_stream_ends_as_a_failed_response_with_the_next_number() -> None:
    tap = StreamTap()
    tap.feed(CREATED + DELTA)
    frame = tap.error_frame(ApiError(UPSTREAM_CUT, "It ended."), "r1").decode()
    name, data = frame.removesuffix("\n\n").split("\n")
    event = json.loads(data.removeprefix("data: "))
    assert name == "event: response.failed"
    assert (event["sequence_number"], event["response"]["id"]) == (2, "resp_1")
    assert event["response"]["status"] == "failed"
    assert event["response"]["error"]["code"] == "server_error"


def test_the_held_back_end_is_the_upstreams_own() -> None:
    last = sse("response.completed", sequence_number=2, response={"id": "resp_1", "usage": None})
    tap = StreamTap()
    assert tap.feed(CREATED + last) == CREATED
    assert tap.closing() == last
    assert tap.usage is None


def test_an_event_without_a_bound_is_a_fault() -> None:
    tap = StreamTap()
    tap.feed(b"data: ")
    tap.feed(b"x" * (FRAME_BYTES_MAX + 1))
    assert tap.fault is not None


@given(st.binary(max_size=100))
def test_random_bytes_never_raise(chunk: bytes) -> None:
    run(chunk)
    run(b"data: " + chunk + b"\n\n")
    read_reply(chunk)


def reply(**fields: Any) -> Any:
    return read_reply(json.dumps({"id": "resp_1", "object": "response", **fields}).encode())


def test_whole_replies() -> None:
    item = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
    call = {"type": "function_call", "name": "f", "arguments": "{}"}
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    found = reply(status="completed", output=[item, call], usage=usage)
    assert (found.error, found.empty, found.response_id) == (None, False, "resp_1")
    assert found.usage == Usage(input_uncached=3, output_text=2)
    assert found.text() == "Hif{}"


def test_an_answer_in_the_background_is_not_empty_and_an_answer_of_nothing_is() -> None:
    assert reply(status="completed", output=[]).empty
    assert not reply(status="queued", output=[]).empty
    assert not reply(status="incomplete", output=[]).empty


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"status":"failed","error":{"code":"rate_limit_exceeded"},"output":[]}', "limited"),
        (b'{"status":"failed","output":[]}', "transient"),
        (b'{"error":{"code":"model_not_found"}}', "model"),
        (b'{"base_resp":{"status_code":1008}}', "funds"),
        (b"[]", "transient"),
        (b"", "transient"),
    ],
)
def test_replies_that_are_errors(body: bytes, kind: str) -> None:
    found = read_reply(body)
    assert found.error is not None
    assert found.error.kind == kind
