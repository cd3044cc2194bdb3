"""Without this a stream of this dialect that passes through could lose or repeat bytes, reach SDKs with what
they refuse, show a cut as an end, or bill a wrong usage, depending on where the network splits it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.gemini_generate.vectors import chunk, chunks_of, frame

from switchgear.kernel.errors import UPSTREAM_CUT, ApiError
from switchgear.kernel.usage import Usage
from switchgear.wire.gemini_generate.from_upstream.reader import Reader
from switchgear.wire.gemini_generate.passing.tap import StreamTap
from switchgear.wire.neutral.events import UsageSeen

STREAMS = Path(__file__).parent / "golden" / "streams"
NAMES = sorted(path.stem for path in STREAMS.glob("*.sse"))


def run(chunks: list[bytes], array: bool = False) -> dict[str, Any]:
    """Everything that can be seen of a run."""
    tap = StreamTap(array)
    out = b"".join([tap.feed(part) for part in chunks])
    end = tap.finish()
    return {
        "out": out + tap.closing(),
        "end": end,
        "usage": tap.usage,
        "has_content": tap.has_content,
        "text_bytes": tap.text_bytes,
        "text": tap.take_text(),
        "fault": None if tap.fault is None else str(tap.fault),
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_stream_goes_through_byte_for_byte(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    found = run([sample])
    assert found["out"] == sample
    assert (found["end"], found["has_content"], found["fault"]) == ("complete", True, None)
    assert found["text_bytes"] == len(found["text"].encode())


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_split_point_gives_the_same_bytes_and_state(name: str, array: bool) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    whole = run([sample], array)
    for at in range(len(sample)):
        assert run([sample[:at], sample[at:]], array) == whole
    assert run([sample[at : at + 1] for at in range(len(sample))], array) == whole


@pytest.mark.parametrize("name", NAMES)
def test_an_array_holds_the_same_responses(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    assert json.loads(run([sample], array=True)["out"]) == chunks_of(sample.replace(b"\r\n", b"\n"))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "stop_in_every_chunk"])
def test_every_cut_is_told_unless_all_was_said(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    body = len(sample.rstrip())
    for at in range(len(sample)):
        found = run([sample[:at]])
        assert (found["end"] == "complete") == (at >= body), at
        assert found["fault"] is None


@given(st.lists(st.binary(max_size=200), max_size=8), st.booleans())
def test_random_bytes_never_raise(chunks: list[bytes], array: bool) -> None:
    assert run(chunks, array)["end"] in ("complete", "cut")


def test_what_sdks_of_this_dialect_refuse_is_left_out() -> None:
    dirty = b": ping\n\n" + b"event: message\n" + chunk([{"text": "a"}]) + b"data:" + chunk([], "STOP")[6:]
    found = run([dirty + b"data: [DONE]\n\n"])
    assert [item["candidates"][0].get("finishReason") for item in chunks_of(found["out"])] == [None, "STOP"]
    assert found["end"] == "complete"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (frame({"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}), "transient"),
        (frame([{"error": {"code": 429, "message": "x", "status": "RESOURCE_EXHAUSTED"}}]), "limited"),
        (b'[{"error":{"code":403,"message":"x","status":"PERMISSION_DENIED"}}]\n\n', "auth"),
        (b"<html>Bad gateway</html>\n\n", "transient"),
        (frame({"unrelated": 1}), "transient"),
        (b"data: not json\n\n", "transient"),
    ],
)
def test_errors_are_told_and_not_forwarded(data: bytes, kind: str) -> None:
    tap = StreamTap()
    assert tap.feed(data) == b""
    assert tap.fault is not None
    assert tap.fault.kind == kind
    assert tap.finish() == "cut"


def test_nothing_is_said_before_the_first_content() -> None:
    tap = StreamTap()
    tap.feed(chunk([], usageMetadata={"promptTokenCount": 3}))
    assert not tap.has_content
    tap.feed(chunk([{"text": "", "thought": True}]))
    assert not tap.has_content
    tap.feed(chunk([{"functionCall": {"name": "f", "args": {}}}]))
    assert tap.has_content


def test_usage_of_a_stream_whose_client_left_is_that_of_its_last_chunk() -> None:
    tap = StreamTap()
    tap.feed(chunk([{"text": "a"}], usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 1}))
    tap.feed(chunk([{"text": "b"}], usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 2}))
    assert tap.usage == Usage(input_uncached=3, output_text=2)


FULL = {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 4, "totalTokenCount": 9}
COUNTED = Usage(input_uncached=3, output_text=2, reasoning=4)


@pytest.mark.parametrize(
    ("reports", "usage"),
    [
        ([FULL, {"trafficType": "ON_DEMAND"}], COUNTED),
        ([FULL, {"promptTokenCount": 3, "totalTokenCount": 3}], COUNTED),
        ([FULL, {"promptTokenCount": 3, "candidatesTokenCount": 5}], Usage(3, output_text=5, reasoning=4)),
        ([FULL, {"candidatesTokenCount": 5}], Usage(3, output_text=5, reasoning=4)),
        ([{"promptTokenCount": 3, "totalTokenCount": 3}, FULL], COUNTED),
        (
            [{"promptTokenCount": 3, "candidatesTokenCount": None, "totalTokenCount": 9}],
            Usage(3, output_text=6),
        ),
    ],
)
def test_what_a_later_report_leaves_out_stays_counted(reports: list[dict[str, Any]], usage: Usage) -> None:
    """Passed through or converted: a client's dialect changes no price."""
    chunks = [chunk([{"text": "a"}], usageMetadata=report) for report in reports]
    chunks.append(chunk([], "STOP"))
    tap, reader = StreamTap(), Reader()
    events = [event for part in chunks for event in reader.feed(part)]
    for part in chunks:
        tap.feed(part)
    assert tap.usage == usage
    assert [event.usage for event in events if isinstance(event, UsageSeen)][-1] == usage


def test_a_draft_of_a_picture_is_not_paid_for() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    tap = StreamTap()
    counts = {"promptTokenCount": 3, "candidatesTokenCount": 2000, "totalTokenCount": 2003}
    tap.feed(chunk([{**picture, "thought": True}]) + chunk([picture], "STOP", usageMetadata=counts))
    assert tap.usage == Usage(3, output_text=710, image_out=1290)


def test_an_answer_with_an_open_candidate_is_cut() -> None:
    assert run([chunk([{"text": "a"}], "STOP", 0), chunk([{"text": "b"}], None, 1)])["end"] == "cut"


def test_an_array_that_broke_is_still_an_array() -> None:
    tap = StreamTap(array=True)
    out = tap.feed(chunk([{"text": "a"}])) + tap.error_frame(ApiError(UPSTREAM_CUT, "It broke."), "q1")
    assert json.loads(out)[1]["error"]["code"] == 502
