"""Without this an answer of an upstream of this dialect, or of one of the many that nearly speak it, could
reach clients of others torn, doubled, with its calls mixed up, shown as complete when it was cut, or billed
wrongly."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.openai_chat.vectors import ANSWER, head

from switchgear.kernel.limits import TOOL_CALLS_MAX
from switchgear.kernel.usage import Usage
from switchgear.wire.bridge import sign
from switchgear.wire.dialects import DIALECT_OF
from switchgear.wire.events import (
    Choice,
    End,
    Event,
    Fault,
    Finish,
    ReasoningDelta,
    Redacted,
    RefusalDelta,
    Signature,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.ir import Opaque
from switchgear.wire.openai_chat.completion_out import write_completion
from switchgear.wire.openai_chat.reader import ChatReader, read_events

ANSWERS = Path(__file__).parent / "golden" / "answers"
NAMES = sorted(path.stem for path in ANSWERS.glob("*.sse"))
FAILING = {"openrouter_error", "finish_network_error", "error_object"}


def sample(name: str) -> bytes:
    return (ANSWERS / f"{name}.sse").read_bytes()


def read(chunks: list[bytes]) -> list[Event]:
    reader = ChatReader()
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return events + reader.finish()


def read_sample(name: str) -> list[Event]:
    return read([sample(name)])


def frame(found: Any) -> bytes:
    return b"data: " + json.dumps(found).encode() + b"\n\n"


def delta(**said: Any) -> bytes:
    return frame({"choices": [{"index": 0, "delta": said, "finish_reason": None}]})


def shown(events: list[Event]) -> str:
    lines = []
    for event in events:
        parts = (
            {"kind": event.error.kind, "error": str(event.error), "truncated": event.truncated}
            if isinstance(event, Fault)
            else json.loads(msgspec.json.encode(event))
        )
        lines.append(json.dumps({"event": type(event).__name__, **parts}, ensure_ascii=False))
    return "\n".join(lines) + "\n"


def calls_in(events: list[Event]) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of each call."""
    return [
        (
            start.id,
            start.name,
            "".join(e.text for e in events if isinstance(e, ToolDelta) and e.key == start.key),
        )
        for start in events
        if isinstance(start, ToolStart)
    ]


def said(events: list[Event], kind: type[TextDelta | ReasoningDelta | RefusalDelta]) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


def usage_in(events: list[Event]) -> Usage:
    return [event.usage for event in events if isinstance(event, UsageSeen)][-1]


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    """``<name>.events`` is what is read. Written anew under RECORD_GOLDEN=1."""
    text = shown(read_sample(name))
    if os.environ.get("RECORD_GOLDEN"):
        (ANSWERS / f"{name}.events").write_text(text)
    assert text == (ANSWERS / f"{name}.events").read_text()


def test_the_example_of_all_dialects() -> None:
    events = read_sample("example")
    for event in events:
        if isinstance(event, Signature):
            sign(event, "anthropic")
    assert events == ANSWER


@pytest.mark.parametrize("name", NAMES)
def test_every_split_point_gives_the_same_events(name: str) -> None:
    stream = sample(name)
    whole = shown(read([stream]))
    for at in range(1, len(stream)):
        assert shown(read([stream[:at], stream[at:]])) == whole
    assert shown(read([bytes([byte]) for byte in stream])) == whole
    assert shown(read([stream.replace(b"\n", b"\r\n").replace(b"data: ", b"data:")])) == whole


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FAILING])
def test_a_cut_is_truncated_or_complete_and_never_both(name: str) -> None:
    stream = sample(name)
    finish_at = stream.find(b'"finish_reason":"')
    marker_at = stream.find(b"data: [DONE]") % (len(stream) + 1)
    for at in range(len(stream)):
        events = read([stream[:at]])
        assert [event for event in events if isinstance(event, End | Fault)] == events[-1:]
        last = events[-1]
        if isinstance(last, Fault):
            assert last.truncated
        else:
            assert at > min(finish_at, marker_at)


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_random_bytes_never_raise(chunks: list[bytes]) -> None:
    events = read(chunks)
    assert isinstance(events[-1], End | Fault)
    assert isinstance(read_events(b"".join(chunks))[-1], End | Fault)


ODD = st.sampled_from(
    [None, True, 0, -1, 2**70, 1e300, 1.5, "", "x", "stop", [], [1], {}, {"a": 1}, [{"type": "text"}]]
)
INNER = (
    "content reasoning reasoning_details tool_calls function_call function custom name arguments id index "
    "text signature audio annotations images url_citation image_url extra_content "
    "google thought_signature usage"
)
odd_values = st.recursive(
    ODD,
    lambda inner: (
        st.dictionaries(st.sampled_from(INNER.split()), inner, max_size=4) | st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)
odd_deltas = st.dictionaries(st.sampled_from(INNER.split()), odd_values, max_size=5)
odd_chunks = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(
            st.fixed_dictionaries(
                {"delta": odd_deltas},
                optional=dict.fromkeys(("index", "finish_reason", "logprobs", "usage", "text"), odd_values),
            ),
            max_size=2,
        )
        | ODD,
        "usage": odd_values,
        "error": ODD,
        "id": ODD,
    },
)


@given(st.lists(odd_chunks, max_size=4))
@settings(deadline=None)
def test_parts_of_any_type_never_raise(found: list[dict[str, Any]]) -> None:
    events = read([frame(chunk) for chunk in found])
    assert sum(isinstance(event, End | Fault) for event in events) == 1
    starts = [event.key for event in events if isinstance(event, ToolStart)]
    ends = [event.key for event in events if isinstance(event, ToolEnd)]
    if isinstance(events[-1], End):
        assert sorted(starts) == sorted(ends)
    whole = read_events(json.dumps(found[0] if found else {}).replace('"delta"', '"message"').encode())
    assert isinstance(whole[-1], End | Fault)
    for answer in (events, whole):
        if isinstance(answer[-1], End):
            for dialect in DIALECT_OF.values():
                writer = dialect.writer(head())
                assert writer.feed(answer) + writer.closing()
                assert dialect.write_reply(answer, head())
            assert write_completion(answer, head())


def whole_reply(stream: bytes) -> bytes:
    """The reply of a stream as a host sends it whole, put together without our code."""
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    for line in stream.decode().splitlines():
        if not line.startswith("data: {"):
            continue
        chunk = json.loads(line[6:])
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices") or ():
            whole = choices.setdefault(choice["index"], {"index": choice["index"], "message": {}})
            whole["finish_reason"] = choice["finish_reason"] or whole.get("finish_reason")
            usage = choice.get("usage") or usage
            if tokens := (choice.get("logprobs") or {}).get("content"):
                whole.setdefault("logprobs", {"content": []})["content"] += tokens
            _merge(whole["message"], choice["delta"])
    reply = {"id": "chatcmpl-7", "model": "m1", "choices": list(choices.values()), "usage": usage}
    return json.dumps(reply).encode()


TEXTS = frozenset(("content", "reasoning_content", "arguments", "input", "refusal", "data", "transcript"))


def _merge(into: dict[str, Any], piece: dict[str, Any]) -> None:
    for key, value in piece.items():
        if key == "tool_calls":
            for call in value:
                calls = into.setdefault(key, {})
                _merge(calls.setdefault(call["index"], {}), call)
        elif isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        elif isinstance(value, list) and isinstance(into.get(key), list):
            into[key] += value
        elif isinstance(value, str) and key in TEXTS:
            into[key] = (into.get(key) or "") + value
        elif value is not None:
            into[key] = value


WHOLE = ("example", "parallel_calls_interleaved", "custom_call", "legacy_function", "refusal", "audio",
         "two_answers_with_logprobs", "kimi_usage_in_the_choice", "citations_and_images", "google_signatures",
         "stepfun_reasoning", "think_tags")  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_reply_says_the_same_as_its_stream(name: str) -> None:
    found = json.loads(whole_reply(sample(name)))
    for choice in found["choices"]:
        if calls := choice["message"].get("tool_calls"):
            choice["message"]["tool_calls"] = [
                {key: value for key, value in call.items() if key != "index"} for call in calls.values()
            ]
    from_reply, from_stream = read_events(json.dumps(found).encode()), read_sample(name)
    assert calls_in(from_reply) == calls_in(from_stream)
    for kind in (TextDelta, ReasoningDelta, RefusalDelta):
        assert said(from_reply, kind) == said(from_stream, kind)
    rest = (UsageSeen, Finish, Signature, Redacted)
    assert sorted(map(repr, (e for e in from_reply if isinstance(e, rest)))) == sorted(
        map(repr, (e for e in from_stream if isinstance(e, rest)))
    )


def test_a_finish_in_every_chunk_ends_nothing() -> None:
    events = read_sample("finish_in_every_chunk")
    assert said(events, TextDelta) == "AB"
    assert sum(isinstance(event, Finish) for event in events) == 1


@pytest.mark.parametrize(
    "name", ["parallel_calls_all_at_index_0", "google_signatures", "done_without_finish"]
)
def test_calls_outweigh_a_stop(name: str) -> None:
    assert Finish("tool_calls") in read_sample(name)


def test_a_call_that_was_cut_off_by_the_limit_stays_cut_off() -> None:
    stream = delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x'}}])
    stream += frame({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})
    assert Finish("length") in read([stream])


def test_parallel_calls_at_one_index_are_two_calls() -> None:
    assert calls_in(read_sample("parallel_calls_all_at_index_0")) == [
        ("a", "f", '{"x":1}'),
        ("b", "g", '{"y":2}'),
    ]


def test_calls_without_an_index_are_told_apart_by_id_and_name() -> None:
    assert calls_in(read_sample("calls_without_index")) == [
        ("a", "f", '{"x":1}'),
        ("b", "g", '{"y":2}'),
        ("", "h", "{}"),
    ]


def test_calls_of_a_whole_reply_are_told_apart_by_their_places() -> None:
    """Some hosts give no ids, or the same one to all."""
    for id in ({}, {"id": ""}, {"id": "call_0"}):
        calls = [
            {**id, "type": "function", "function": {"name": n, "arguments": "{}"}} for n in ("f", "f", "g")
        ]
        body = {"choices": [{"index": 0, "message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]}
        found = calls_in(read_events(json.dumps(body).encode()))
        assert [(name, text) for _, name, text in found] == [("f", "{}"), ("f", "{}"), ("g", "{}")]


def test_a_name_that_comes_late_keeps_the_id_and_the_arguments() -> None:
    assert calls_in(read_sample("name_comes_late")) == [("a", "f", '{"x":1}')]


def test_arguments_that_come_as_an_object_are_text() -> None:
    assert calls_in(read_sample("arguments_as_an_object")) == [("a", "f", '{"x":[1]}')]


def test_an_empty_text_between_fragments_of_a_call_says_nothing() -> None:
    events = read_sample("parallel_calls_interleaved")
    assert not any(isinstance(event, TextDelta) for event in events)
    assert calls_in(events) == [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')]


def test_line_breaks_before_a_call_are_no_text() -> None:
    assert said(read_sample("line_breaks_before_a_call"), TextDelta) == ""


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_in_either_spelling_is_reasoning(key: str) -> None:
    events = read([delta(**{key: "Hm."}), delta(content="Yes.")])
    assert said(events, ReasoningDelta) == "Hm."


def test_reasoning_that_is_told_twice_is_said_once() -> None:
    assert said(read_sample("openrouter_reasoning"), ReasoningDelta) == "First second."
    assert said(read_sample("details_after_plain_text"), ReasoningDelta) == "All of it."
    assert Signature(Opaque("", "signature", "SIG")) in read_sample("details_after_plain_text")


def test_a_signature_comes_after_its_text_even_within_one_piece() -> None:
    detail = {"type": "reasoning.text", "format": "anthropic-claude-v1", "signature": "SIG"}
    events = read([delta(reasoning_content="Hm.", reasoning_details=[detail])])
    assert events[1:3] == [ReasoningDelta("Hm."), Signature(Opaque("", "signature", "SIG"))]


def test_a_signature_without_text_and_redacted_reasoning_are_kept() -> None:
    detail = {"type": "reasoning.text", "format": "anthropic-claude-v1", "signature": "SIG"}
    assert Signature(Opaque("", "signature", "SIG")) in read([delta(reasoning_details=[detail])])
    assert Redacted(Opaque("", "redacted", "EncRy")) in read_sample("openrouter_reasoning")


def test_think_tags_are_reasoning_only_at_the_start() -> None:
    events = read_sample("think_tags")
    assert said(events, ReasoningDelta) == "Let me see."
    assert said(events, TextDelta) == "Done <think> is text."


def test_each_answer_has_its_own_finish_and_log_probabilities() -> None:
    events = read_sample("two_answers_with_logprobs")
    at, finishes, tokens = 0, {}, {}
    for event in events:
        if isinstance(event, Choice):
            at = event.index
        elif isinstance(event, Finish):
            finishes[at] = event.reason
        elif isinstance(event, TextDelta) and event.logprobs is not None:
            tokens[at] = json.loads(bytes(event.logprobs))[0]["token"]
    assert finishes == {0: "length", 1: "tool_calls"}
    assert tokens == {0: "A", 1: "B"}


def test_a_chunk_without_choices_is_no_fault() -> None:
    events = read_sample("empty_choices_and_pings")
    assert said(events, TextDelta) == "A"
    assert isinstance(events[-1], End)


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("example", Usage(input_uncached=30, cache_read=100, output_text=24)),
        ("openrouter_reasoning", Usage(input_uncached=10, output_text=5, reasoning=15)),
        ("kimi_usage_in_the_choice", Usage(input_uncached=3, cache_read=2, output_text=1)),
        ("usage_in_every_chunk", Usage(input_uncached=5, output_text=2)),
        ("no_done", Usage(input_uncached=1, output_text=1)),
    ],
)
def test_usage_wherever_it_stands_is_counted_once(name: str, usage: Usage) -> None:
    events = read_sample(name)
    assert usage_in(events) == usage
    assert sum(isinstance(event, UsageSeen) for event in events) == 1


def test_an_answer_that_tells_no_usage_makes_none_up() -> None:
    events = read_sample("think_tags")
    assert not any(isinstance(event, UsageSeen) for event in events)


def test_an_end_without_its_marker_is_an_end_once_it_was_finished() -> None:
    assert Finish("length") in read_sample("no_done")
    cut = read([delta(content="A")])
    assert isinstance(cut[-1], Fault)
    assert cut[-1].truncated


@pytest.mark.parametrize(
    ("name", "kind"),
    [("openrouter_error", "limited"), ("finish_network_error", "transient"), ("error_object", "transient")],
)
def test_an_upstreams_failure_in_the_stream_is_the_last_event(name: str, kind: str) -> None:
    events = read_sample(name)
    assert said(events, TextDelta) == "A"
    assert isinstance(events[-1], Fault)
    assert not events[-1].truncated
    assert events[-1].error.kind == kind


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("sensitive", "content_filter"),
        ("eos", "stop"),
        (None, "stop"),
    ],
)
def test_finishes_of_vendors(finish: str | None, reason: str) -> None:
    stream = frame({"choices": [{"index": 0, "delta": {"content": "A"}, "finish_reason": finish}]})
    assert Finish(reason) in read([stream + b"data: [DONE]\n\n"])  # type: ignore[arg-type]


def test_a_whole_answer_to_a_question_for_a_stream_is_read() -> None:
    body = {"id": "1", "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    events = read([json.dumps(body, indent=1).encode()])
    assert said(events, TextDelta) == "Hi"
    assert isinstance(events[-1], End)


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b'{"error":{"message":"No."}}', b'{"a":1}'])
def test_what_is_no_stream_is_a_fault(body: bytes) -> None:
    (fault,) = read([body])
    assert isinstance(fault, Fault)
    assert not fault.truncated


def test_calls_without_end_are_a_fault() -> None:
    calls = [
        {"index": i, "id": str(i), "function": {"name": "f" * (i % 2), "arguments": ""}}
        for i in range(TOOL_CALLS_MAX + 1)
    ]
    assert isinstance(read([delta(tool_calls=calls)])[-1], Fault)
