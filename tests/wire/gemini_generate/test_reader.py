"""Without this an answer of an upstream of this dialect could reach clients of others torn, doubled, without
its signatures or calls, shown as complete when it was cut, or billed wrongly."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.gemini_generate.vectors import ANSWER, CLAUDE_TOKEN, chunk, frame, sealed

from switchgear.kernel.usage import Usage
from switchgear.wire.gemini_generate.from_upstream.reader import Reader, read_events
from switchgear.wire.neutral.events import (
    Choice,
    Cite,
    End,
    Event,
    Fault,
    Finish,
    Hosted,
    ImageOut,
    ReasoningDelta,
    Signature,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)

STREAMS = Path(__file__).parent / "golden" / "streams"
NAMES = sorted(path.stem for path in STREAMS.glob("*.sse"))


def read(chunks: list[bytes]) -> list[Event]:
    reader = Reader()
    events = [event for part in chunks for event in reader.feed(part)]
    return events + reader.finish()


def shown(events: list[Event]) -> str:
    lines = []
    for event in events:
        parts = (
            {"error": str(event.error), "truncated": event.truncated}
            if isinstance(event, Fault)
            else json.loads(msgspec.json.encode(event))
        )
        lines.append(json.dumps({"event": type(event).__name__, **parts}, ensure_ascii=False))
    return "\n".join(lines) + "\n"


def said(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls(events: list[Event]) -> list[tuple[int, str, str]]:
    starts = [event for event in events if isinstance(event, ToolStart)]
    arguments = {event.key: event.text for event in events if isinstance(event, ToolDelta)}
    return [(start.key, start.name, arguments[start.key]) for start in starts]


def last_usage(events: list[Event]) -> Usage | None:
    return next((event.usage for event in reversed(events) if isinstance(event, UsageSeen)), None)


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    """Written anew under RECORD_GOLDEN=1."""
    text = shown(read([(STREAMS / f"{name}.sse").read_bytes()]))
    if os.environ.get("RECORD_GOLDEN"):
        (STREAMS / f"{name}.events").write_text(text)
    assert text == (STREAMS / f"{name}.events").read_text()


def test_the_example_of_all_dialects() -> None:
    events = read([(STREAMS / "example.sse").read_bytes()])
    expected = [event for event in ANSWER if not isinstance(event, Signature | Start | ToolStart | ToolDelta)]
    assert [event for event in events if not isinstance(event, Start | ToolStart | ToolDelta)] == expected
    start = next(event for event in events if isinstance(event, ToolStart))
    assert (start.id, start.name) == ("toolu_9", "get_weather")
    assert start.opaque is not None
    assert start.opaque.payload == sealed(CLAUDE_TOKEN)
    assert calls(events) == [(0, "get_weather", '{"city":"Rome"}')]


@pytest.mark.parametrize("name", NAMES)
def test_every_split_point_gives_the_same_events(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    whole = shown(read([sample]))
    for at in range(len(sample)):
        assert shown(read([sample[:at], sample[at:]])) == whole
    assert shown(read([sample[at : at + 1] for at in range(len(sample))])) == whole


@pytest.mark.parametrize("name", [name for name in NAMES if name != "stop_in_every_chunk"])
def test_every_cut_is_told_unless_all_was_said(name: str) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    whole = shown(read([sample]))
    for at in range(len(sample)):
        events = read([sample[:at]])
        last = events[-1]
        if isinstance(last, End):
            assert shown(events) == whole  # only the blank line after the last frame was missing
        else:
            assert isinstance(last, Fault)
            assert last.truncated or shown(events) == whole


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_random_bytes_never_raise(chunks: list[bytes]) -> None:
    events = read(chunks)
    assert isinstance(events[-1], End | Fault)
    assert isinstance(read_events(b"".join(chunks))[-1], End | Fault)


_ODD: tuple[Any, ...] = (None, True, 1, -1.5, 10**30, "x", [], [1], {}, {"a": [None]}, [{"a": 1}])


def odd(value: Any) -> list[Any]:
    """The value with each of its nodes, in turn, replaced by each odd one."""
    made = list(_ODD)
    if isinstance(value, dict):
        made += [{**value, key: other} for key, inner in value.items() for other in odd(inner)]
    elif isinstance(value, list):
        made += [
            [*value[:at], other, *value[at + 1 :]] for at in range(len(value)) for other in odd(value[at])
        ]
    return made


@pytest.mark.parametrize("name", NAMES)
def test_odd_shapes_never_raise(name: str) -> None:
    for block in (STREAMS / f"{name}.sse").read_text().split("\n\n"):
        if not block.startswith("data: "):
            continue
        for response in odd(json.loads(block.removeprefix("data: "))):
            data = json.dumps(response).encode()
            assert isinstance(read([b"data: " + data + b"\n\n"])[-1], End | Fault)
            assert isinstance(read_events(data)[-1], End | Fault)


def test_a_stop_in_every_chunk_does_not_end_the_answer() -> None:
    events = read([(STREAMS / "stop_in_every_chunk.sse").read_bytes()])
    assert said(events) == "ab"
    assert [event.reason for event in events if isinstance(event, Finish)] == ["tool_calls"]


def test_a_call_and_its_stop_in_different_chunks_end_as_tool_calls() -> None:
    events = read([chunk([{"functionCall": {"name": "f", "args": {}}}]), chunk([], "STOP")])
    assert events[-2:] == [Finish("tool_calls"), End()]


def test_a_call_cut_off_by_the_limit_stays_length() -> None:
    events = read([chunk([{"functionCall": {"name": "f", "args": {}}}]), chunk([], "MAX_TOKENS")])
    assert events[-2] == Finish("length")


def test_parallel_calls_over_many_chunks_have_keys_of_their_own() -> None:
    events = read([(STREAMS / "parallel_calls.sse").read_bytes()])
    assert calls(events) == [
        (0, "weather", '{"city":"Rome"}'),
        (1, "weather", '{"city":"Oslo"}'),
        (2, "time", "{}"),
    ]
    starts = [event for event in events if isinstance(event, ToolStart)]
    assert [start.opaque is not None for start in starts] == [True, False, False]
    assert len({start.id for start in starts}) == 3
    assert [event.key for event in events if isinstance(event, ToolEnd)] == [0, 1, 2]


def test_ids_that_google_leaves_out_are_the_same_each_time_and_differ_between_answers() -> None:
    def ids(response_id: str) -> list[str]:
        response = {
            "candidates": [
                {"content": {"parts": [{"functionCall": {"name": "f"}}] * 2}, "finishReason": "STOP"}
            ],
            "responseId": response_id,
        }
        events = read([frame(response)])
        return [event.id for event in events if isinstance(event, ToolStart)]

    assert ids("a") == ids("a")
    assert len({*ids("a"), *ids("b")}) == 4


def test_a_signature_in_an_empty_last_part_is_kept_and_is_no_text() -> None:
    events = read([(STREAMS / "signature_last.sse").read_bytes()])
    assert [event.of for event in events if isinstance(event, Signature)] == ["text"]
    assert said(events) == "Yes."


def test_a_signature_after_thoughts_only_belongs_to_them() -> None:
    events = read([(STREAMS / "signature_after_thoughts_only.sse").read_bytes()])
    assert [event.of for event in events if isinstance(event, Signature)] == ["reasoning"]


def test_thoughts_are_counted_beside_the_answer() -> None:
    assert last_usage(read([(STREAMS / "plain_crlf.sse").read_bytes()])) == Usage(
        input_uncached=8, output_text=5, reasoning=98
    )


def test_a_refused_prompt_is_an_answer_of_which_only_the_input_is_billed() -> None:
    events = read([(STREAMS / "prompt_blocked.sse").read_bytes()])
    assert events[-2:] == [Finish("content_filter", message="PROHIBITED_CONTENT"), End()]
    assert last_usage(events) == Usage(input_uncached=12)


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "OTHER", "MISSING_THOUGHT_SIGNATURE"])
def test_a_failed_answer_without_content_is_a_fault_that_another_channel_may_answer(reason: str) -> None:
    for events in (read([chunk(None, reason)]), read_events(chunk(None, reason)[6:])):
        assert isinstance(events[-1], Fault)
        assert events[-1].error.kind == "transient"
        assert not events[-1].truncated


def test_a_failed_answer_with_content_is_a_fault_behind_its_usage() -> None:
    events = read([(STREAMS / "malformed_call_after_text.sse").read_bytes()])
    usage, fault = events[-2:]
    assert isinstance(usage, UsageSeen)
    assert isinstance(fault, Fault)
    assert (fault.error.code, fault.truncated) == ("MALFORMED_FUNCTION_CALL", False)


def test_a_picture_that_failed_beside_a_text_leaves_the_text() -> None:
    assert read([chunk([{"text": "Hi"}], "NO_IMAGE")])[-2:] == [Finish("stop"), End()]
    assert isinstance(read([chunk(None, "NO_IMAGE")])[-1], Fault)


def test_thoughts_that_led_to_a_broken_call_are_no_answer() -> None:
    """An agent that got them as a whole answer would take its work for done."""
    thought = chunk([{"text": "Hm.", "thought": True}])
    events = read([thought, chunk(None, "MALFORMED_FUNCTION_CALL")])
    assert ReasoningDelta("Hm.") in events
    assert isinstance(events[-1], Fault)


def test_a_draft_of_a_picture_is_not_the_answer() -> None:
    draft = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": True}
    picture = {"inlineData": {"mimeType": "image/png", "data": "BBBB"}}
    events = read([chunk([draft]), chunk([picture], "STOP")])
    assert [event.data for event in events if isinstance(event, ImageOut)] == ["BBBB"]


def test_a_whole_answer_needs_no_reason_for_its_end() -> None:
    assert read_events(chunk([{"text": "Hi"}])[6:])[-2:] == [Finish("stop"), End()]
    assert isinstance(read_events(chunk([])[6:])[-1], Fault)


def test_sources_count_code_points_where_google_counts_bytes() -> None:
    events = read([(STREAMS / "grounding.sse").read_bytes()])
    cites = [event.citation for event in events if isinstance(event, Cite)]
    assert [(cite.url, cite.cited_text) for cite in cites] == [
        ("https://a.example/1", "42 m."),
        ("https://b.example/2", ""),
    ]
    assert said(events)[cites[0].start : cites[0].end] == "42 m."
    hosted = [event for event in events if isinstance(event, Hosted)]
    assert [event.queries for event in hosted] == [("turm größe", "turm")]
    usage = last_usage(events)
    assert usage is not None
    assert (usage.search_calls, usage.input_uncached) == (2, 20)


def test_sources_of_a_whole_answer_count_from_their_part() -> None:
    response = {
        "candidates": [
            {
                "content": {"parts": [{"text": "Öl. "}, {"text": "Größe 42."}]},
                "finishReason": "STOP",
                "groundingMetadata": {
                    "groundingChunks": [{"web": {"uri": "https://a.example"}}],
                    "groundingSupports": [
                        {
                            "segment": {"partIndex": 1, "startIndex": 8, "endIndex": 10},
                            "groundingChunkIndices": [0, 7, "x"],
                        }
                    ],
                },
            }
        ]
    }
    events = read_events(json.dumps(response).encode())
    assert [event.citation.cited_text for event in events if isinstance(event, Cite)] == ["42"]


def test_pictures_are_counted_where_the_upstream_does_not_tell_them_apart() -> None:
    usage = last_usage(read([(STREAMS / "image_without_details.sse").read_bytes()]))
    assert usage == Usage(input_uncached=5, output_text=10, image_out=1290)


def test_answers_are_told_apart() -> None:
    events = read([(STREAMS / "two_candidates.sse").read_bytes()])
    texts = {0: "", 1: ""}
    reasons: dict[int, str] = {}
    index = 0
    for event in events:
        if isinstance(event, Choice):
            index = event.index
        elif isinstance(event, TextDelta):
            texts[index] += event.text
        elif isinstance(event, Finish):
            reasons[index] = event.reason
    assert (texts, reasons) == ({0: "ab", 1: "xy"}, {0: "stop", 1: "length"})


def test_an_error_within_the_stream_is_told_with_its_kind() -> None:
    error = {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}
    for events in (
        read([chunk([{"text": "a"}]), frame(error)]),
        read([json.dumps([error]).encode()]),
        read_events(json.dumps(error).encode()),
        read_events(json.dumps([error]).encode()),
    ):
        assert isinstance(events[-1], Fault)
        assert (events[-1].error.kind, events[-1].error.code) == ("transient", "UNAVAILABLE")
        assert not events[-1].truncated


def test_a_whole_answer_may_be_the_array_of_a_stream() -> None:
    responses = [json.loads(part[6:]) for part in (chunk([{"text": "a"}]), chunk([{"text": "b"}], "STOP"))]
    events = read_events(json.dumps(responses).encode())
    assert said(events) == "ab"
    assert isinstance(events[-1], End)


def test_a_whole_answer_says_what_its_stream_says() -> None:
    parts = [
        {"text": "Hm.", "thought": True},
        {"text": "So."},
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
    ]
    usage = {"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 6}
    pieces = [chunk([part]) for part in parts]
    pieces.append(chunk([{"text": ""}], "STOP", usageMetadata=usage))
    whole = json.loads(chunk(parts, "STOP", usageMetadata=usage)[6:])
    assert shown(read_events(json.dumps(whole).encode())) == shown(read(pieces))


def test_reasoning_comes_before_what_it_led_to() -> None:
    events = read([(STREAMS / "one_chunk_of_everything.sse").read_bytes()])
    kinds = [type(event) for event in events if isinstance(event, ReasoningDelta | TextDelta | ToolStart)]
    assert kinds == [ReasoningDelta, TextDelta, ToolStart]
