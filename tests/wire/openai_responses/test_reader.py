"""Without this an upstream's stream could lose or double what it said, depending on the server's habits or on
where the network splits it; or a broken one could look like a whole answer."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.openai_responses.support import shown

from switchgear.kernel.limits import FRAME_BYTES_MAX
from switchgear.kernel.usage import Usage
from switchgear.wire.neutral.events import (
    Cite,
    End,
    Event,
    Fault,
    Finish,
    ReasoningDelta,
    Redacted,
    Signature,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.neutral.request import Opaque
from switchgear.wire.openai_responses.from_upstream.reader import Reader, read_events

STREAMS = Path(__file__).parent / "golden" / "streams"
NAMES = sorted(path.stem for path in STREAMS.glob("*.sse"))


def read(*chunks: bytes) -> list[Event]:
    reader = Reader()
    return [event for chunk in chunks for event in reader.feed(chunk)] + reader.finish()


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def text_of(events: list[Event], kind: type[Any] = TextDelta) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    """Written anew under RECORD_GOLDEN=1."""
    found = shown(read((STREAMS / f"{name}.sse").read_bytes()))
    if os.environ.get("RECORD_GOLDEN"):
        (STREAMS / f"{name}.events").write_text(found)
    assert found == (STREAMS / f"{name}.events").read_text()
    assert found.endswith("End {}\n")


@pytest.mark.parametrize("name", NAMES)
def test_every_split_point_gives_the_same_events(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    whole = read(sample)
    for at in range(1, len(sample)):
        assert read(sample[:at], sample[at:]) == whole
    assert read(*(bytes([byte]) for byte in sample)) == whole


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_is_never_a_whole_answer(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    last = sample.rindex(b"data:" if b"[DONE]" not in sample else b"data:{") + 5
    for at in range(len(sample)):
        events = read(sample[:at])
        ended = isinstance(events[-1], End)
        assert ended or (isinstance(events[-1], Fault) and events[-1].truncated)
        assert not ended or at > last


@given(st.binary(max_size=200))
def test_random_bytes_end_in_a_fault_or_an_end(chunk: bytes) -> None:
    for events in (read(chunk), read(b"data: " + chunk + b"\n\n"), read_events(chunk)):
        assert isinstance(events[-1], End | Fault)


_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 3), st.text("ab", max_size=2)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(
                ["type", "text", "content", "summary", "id", "name", "arguments", "error", "usage"]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=6,
)
_FIELDS = ("item", "delta", "output_index", "content_index", "response", "annotation", "error")
_TYPES = [
    *("created", "output_item.added", "output_item.done", "output_text.delta", "completed", "failed"),
    *("function_call_arguments.delta", "reasoning_summary_text.delta", "output_text.annotation.added"),
]


@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["error", *(f"response.{name}" for name in _TYPES)])},
            optional=dict.fromkeys(
                ("item", "delta", "output_index", "content_index", "response", "annotation", "error"), _values
            ),
        ),
        max_size=6,
    )
)
def test_fields_of_any_type_never_raise(events: list[dict[str, Any]]) -> None:
    assert isinstance(read(sse(*events))[-1], End | Fault)
    for event in events:
        assert isinstance(read_events(json.dumps(event).encode())[-1], End | Fault)


@pytest.mark.parametrize("name", ["done_only", "completed_only", "no_added"])
def test_servers_that_send_only_done_or_no_added_are_read_as_the_others(name: str) -> None:
    """LM Studio sends no deltas; others announce no items."""
    events = read((STREAMS / f"{name}.sse").read_bytes())
    assert text_of(events) == "Hello there."
    assert [event for event in events if isinstance(event, ToolStart)] == [ToolStart(0, "call_1", "look")]
    assert text_of(events, ToolDelta) == '{"at":1}'
    assert events[-2:] == [Finish("tool_calls"), End()]
    assert UsageSeen(Usage(input_uncached=6, cache_read=4, output_text=5, reasoning=2)) in events


def test_arguments_that_come_as_an_object_are_text_and_the_usage_is_not_lost() -> None:
    events = read((STREAMS / "odd_types.sse").read_bytes())
    assert text_of(events, ToolDelta) == '{"at":1}'
    assert UsageSeen(Usage(input_uncached=3, output_text=2)) in events


def test_one_source_of_reasoning_is_taken_when_both_come() -> None:
    assert text_of(read((STREAMS / "odd_types.sse").read_bytes()), ReasoningDelta) == "hmm"


def test_parallel_calls_have_keys_of_their_own_and_each_its_arguments() -> None:
    events = read((STREAMS / "parallel_calls.sse").read_bytes())
    starts = [event for event in events if isinstance(event, ToolStart)]
    assert [(start.key, start.name, start.kind) for start in starts] == [
        (0, "mcp__files__read", "function"),
        (1, "look", "function"),
        (2, "apply_patch", "custom"),
    ]
    for key, said in ((0, "{}"), (1, "{}"), (2, "*** é end")):
        assert text_of([event for event in events if getattr(event, "key", None) == key], ToolDelta) == said
        assert ToolEnd(key) in events


def test_encrypted_reasoning_keeps_its_place_before_the_call_and_names_no_maker() -> None:
    """Without text it is redacted; whose it is, the channel knows."""
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "ENC"}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    events = read_events(json.dumps({"status": "completed", "output": [item, call]}).encode())
    assert events[1] == Redacted(Opaque("", "encrypted", "ENC"))
    assert isinstance(events[2], ToolStart)
    item["summary"] = [{"type": "summary_text", "text": "hm"}]
    events = read_events(json.dumps({"status": "completed", "output": [item, call]}).encode())
    assert events[1:3] == [ReasoningDelta("hm"), Signature(Opaque("", "encrypted", "ENC"))]


def test_sources_of_a_later_part_stand_in_the_text_of_the_whole_answer() -> None:
    events = read((STREAMS / "hosted.sse").read_bytes())
    cited = next(event.citation for event in events if isinstance(event, Cite))
    assert text_of(events)[cited.start : cited.end] == "two"


@pytest.mark.parametrize(
    ("status", "why", "expected"),
    [
        ("completed", None, "stop"),
        ("incomplete", "max_output_tokens", "length"),
        ("incomplete", "content_filter", "content_filter"),
        ("incomplete", "something_new", "length"),
    ],
)
def test_finish_reasons(status: str, why: str | None, expected: str) -> None:
    details = None if why is None else {"reason": why}
    said = [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]
    body = {"id": "r", "status": status, "output": said, "incomplete_details": details}
    assert read_events(json.dumps(body).encode())[-2] == Finish(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "slow", "param": None}, "limited"),
        ({"type": "error", "error": {"type": "server_error", "message": "x"}}, "transient"),
        ({"error": {"code": "insufficient_quota", "message": "x"}}, "funds"),
        ({"type": "response.failed", "response": {"error": {"code": "server_error"}}}, "transient"),
        ({"type": "response.failed", "response": {"error": {"code": "invalid_prompt"}}}, "client"),
        ({"type": "response.failed", "response": {"error": {"code": "invalid_image_url"}}}, "client"),
        ({"type": "response.failed", "response": {"error": {"code": "context_length_exceeded"}}}, "client"),
        ({"type": "response.failed"}, "transient"),
    ],
)
def test_failures_within_a_stream(event: dict[str, Any], kind: str) -> None:
    events = read(sse({"type": "response.created", "response": {"id": "r"}}, event, event))
    fault = events[-1]
    assert isinstance(fault, Fault)
    assert (fault.error.kind, fault.truncated) == (kind, False)
    assert events[0] == Start("r")


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"no","code":"invalid_api_key"}}',
        b'{"id":"r","status":"failed","error":{"code":"server_error","message":"x"},"output":[]}',
        b'{"base_resp":{"status_code":1008,"status_msg":"no money"}}',
        b"{}",
        b'{"choices":[{"message":{"content":"Hi"}}]}',
        b'{"id":"r","status":"in_progress","output":[]}',
        b'{"id":"r","status":"completed","output":[]}',
        b"<html>",
        b"[]",
    ],
)
def test_a_whole_reply_that_is_none_is_a_fault(body: bytes) -> None:
    assert isinstance(read_events(body)[-1], Fault)
    if body.startswith(b"{"):
        last = read(body)[-1]
        assert isinstance(last, Fault)


def test_an_event_without_a_bound_is_a_fault() -> None:
    reader = Reader()
    reader.feed(b"data: ")
    events = reader.feed(b"x" * (FRAME_BYTES_MAX + 1))
    assert isinstance(events[-1], Fault)
    assert reader.feed(sse({"type": "response.completed"})) == []
