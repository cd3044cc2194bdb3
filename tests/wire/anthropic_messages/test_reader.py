"""Without this an answer of an upstream of this dialect could reach clients of others torn, doubled, without
its reasoning or calls, shown as complete when it was cut, or billed wrongly."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.anthropic_messages.vectors import ANSWER, frame

from switchgear.kernel.usage import Usage
from switchgear.wire.anthropic_messages.from_upstream.reader import Reader, read_events
from switchgear.wire.convert.bridge import sign
from switchgear.wire.neutral.events import (
    Cite,
    End,
    Event,
    Fault,
    Finish,
    Hosted,
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

STREAMS = Path(__file__).parent / "golden" / "streams"
NAMES = sorted(path.stem for path in STREAMS.glob("*.sse"))


def read(chunks: list[bytes]) -> list[Event]:
    reader = Reader()
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return events + reader.finish()


def joined(events: list[Event]) -> list[Event]:
    """Deltas of one kind as one, and the last of the counts."""
    out: list[Event] = []
    for event in events:
        last = out[-1] if out else None
        if isinstance(event, TextDelta | ReasoningDelta) and type(last) is type(event):
            out[-1] = type(event)(last.text + event.text)  # type: ignore[union-attr]
        elif isinstance(event, ToolDelta) and isinstance(last, ToolDelta) and last.key == event.key:
            out[-1] = ToolDelta(event.key, last.text + event.text)
        elif not isinstance(event, UsageSeen):
            out.append(event)
    usage = [event for event in events if isinstance(event, UsageSeen)]
    return out + usage[-1:]


def shown(events: list[Event]) -> str:
    lines = []
    for event in events:
        parts = (
            {"error": str(event.error)}
            if isinstance(event, Fault)
            else json.loads(msgspec.json.encode(event))
        )
        lines.append(json.dumps({"event": type(event).__name__, **parts}, ensure_ascii=False))
    return "\n".join(lines) + "\n"


def whole_reply(events: list[dict[str, Any]]) -> bytes:
    """The message of a stream as a host sends it whole, put together without our code."""
    message: dict[str, Any] = {}
    for event in events:
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                block = event["content_block"]
                message["content"].append(block)
                given = json.dumps(block["input"]) if block.get("input") else ""
            case "content_block_delta":
                delta = dict(event["delta"])
                kind = delta.pop("type")
                if kind == "input_json_delta":
                    given += delta["partial_json"]
                elif kind == "citations_delta":
                    block["citations"].append(delta["citation"])
                else:
                    ((key, text),) = delta.items()
                    block[key] += text
            case "content_block_stop":
                if "input" in block:
                    block["input"] = json.loads(given or "{}")
            case "message_delta":
                message.update(event["delta"])
                message["usage"].update({k: v for k, v in event["usage"].items() if v})
    return json.dumps(message, ensure_ascii=False).encode()


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    """``<name>.events`` is what is read. Written anew under RECORD_GOLDEN=1."""
    text = shown(read([(STREAMS / f"{name}.sse").read_bytes()]))
    if os.environ.get("RECORD_GOLDEN"):
        (STREAMS / f"{name}.events").write_text(text)
    assert text == (STREAMS / f"{name}.events").read_text()


def test_the_example_of_all_dialects() -> None:
    events = read([(STREAMS / "example.sse").read_bytes()])
    for event in events:
        if isinstance(event, Signature):
            sign(event, "anthropic")
    expected = list(ANSWER)
    expected[0] = Start("msg_7", "m1")
    assert joined(events) == joined(expected)


@pytest.mark.parametrize("name", NAMES)
def test_every_split_point_gives_the_same_events(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    whole = read([sample])
    for at in range(1, len(sample)):
        assert read([sample[:at], sample[at:]]) == whole
    assert read([bytes([byte]) for byte in sample]) == whole
    assert read([sample.replace(b"\n", b"\r\n")]) == whole


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_is_truncated_or_complete_and_never_both(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    reason_at = sample.index(b'"stop_reason":"')
    for at in range(len(sample)):
        events = read([sample[:at]])
        ends = [event for event in events if isinstance(event, End | Fault)]
        assert len(ends) == 1
        assert events[-1] is ends[0]
        if at < reason_at:
            assert isinstance(ends[0], Fault)
            assert ends[0].truncated


@pytest.mark.parametrize("name", [name for name in NAMES if name != "done_at_the_end"])
def test_a_whole_reply_says_the_same_as_its_stream(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_text()
    events = [json.loads(line[6:]) for line in sample.splitlines() if line.startswith("data: {")]
    from_reply = joined(read_events(whole_reply(events)))
    from_stream = joined(read([sample.encode()]))
    for found in (from_reply, from_stream):
        for event in found:
            if isinstance(event, ToolDelta):
                event.text = json.dumps(json.loads(event.text))
            if isinstance(event, Hosted):
                event.raw = msgspec.Raw(json.dumps(json.loads(bytes(event.raw))).encode())
    assert from_reply == from_stream


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_random_bytes_never_raise(chunks: list[bytes]) -> None:
    events = read(chunks)
    assert isinstance(events[-1], End | Fault)
    assert isinstance(read_events(b"".join(chunks))[-1], End | Fault)


ODD = st.sampled_from(
    [None, True, 0, -1, 2**70, 1.5, "", "x", "text", "tool_use", [], [1], {}, {"a": 1}, [{"type": "text"}]]
)
INNER = "type text thinking signature partial_json stop_reason content usage input data id error"
inner_values = st.dictionaries(st.sampled_from(INNER.split()), ODD, max_size=4) | ODD
events_of_any_shape = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop"]
        )
    },
    optional=dict.fromkeys(
        ("index", "delta", "content_block", "message", "usage", "error", "content"), inner_values
    ),
)


@given(st.lists(events_of_any_shape, max_size=6))
def test_parts_of_any_type_never_raise(found: list[dict[str, Any]]) -> None:
    events = read([frame(event) for event in found])
    assert sum(isinstance(event, End | Fault) for event in events) == 1
    assert isinstance(read_events(json.dumps(found[0] if found else {}).encode())[-1], End | Fault)


def test_an_error_in_the_stream_is_the_last_event() -> None:
    error = frame({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    text = frame({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}})
    events = read([text + error + text])
    assert events[0] == TextDelta("x")
    assert len(events) == 2
    assert isinstance(events[1], Fault)
    assert not events[1].truncated
    assert events[1].error.message == "Overloaded"


def test_an_error_of_status_200_is_a_fault() -> None:
    events = read_events(b'{"type":"error","error":{"type":"api_error","message":"m"}}')
    assert isinstance(events[-1], Fault)
    assert events[-1].error.message == "m"


def test_block_indices_are_not_tool_indices() -> None:
    """Calls are counted by themselves, whatever blocks stand between them."""
    events = read([(STREAMS / "parallel_calls.sse").read_bytes()])
    assert [event.key for event in events if isinstance(event, ToolStart | ToolEnd)] == [0, 0, 1, 1]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    events = read([(STREAMS / "parallel_calls.sse").read_bytes()])
    assert [event.text for event in events if isinstance(event, ToolDelta) and event.key == 1] == ["{}"]


def test_redacted_thinking_and_signatures_without_text_are_kept() -> None:
    events = read([(STREAMS / "redacted_and_empty_thinking.sse").read_bytes()])
    assert Redacted(Opaque("", "redacted", "EncRy")) in events
    assert Signature(Opaque("", "signature", "SIG2")) in events


def test_calls_outweigh_an_end_turn() -> None:
    events = read([(STREAMS / "arguments_with_the_start.sse").read_bytes()])
    assert Finish("tool_calls") in events


def test_cached_tokens_stand_beside_the_input_and_are_counted_once() -> None:
    events = read([(STREAMS / "usage_at_the_end_only.sse").read_bytes()])
    usage = [event.usage for event in events if isinstance(event, UsageSeen)][-1]
    assert usage == Usage(
        input_uncached=12, cache_read=7, cache_write_5m=20, cache_write_1h=30, output_text=9
    )
    assert usage.input_total == 12 + 7 + 50


def test_thinking_is_counted_within_the_output() -> None:
    events = read([(STREAMS / "redacted_and_empty_thinking.sse").read_bytes()])
    usage = [event.usage for event in events if isinstance(event, UsageSeen)][-1]
    assert (usage.output_text, usage.reasoning) == (4, 36)


def test_a_citation_covers_the_block_that_it_stands_in() -> None:
    """Text that is split by citations is one text, and offsets count its characters."""
    events = read([(STREAMS / "web_search.sse").read_bytes()])
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    (citation,) = [event.citation for event in events if isinstance(event, Cite)]
    assert text == "In Rome it is 18 °C."
    assert text[citation.start : citation.end] == "it is 18 °C"
    assert citation.url == "https://example.org/a"
