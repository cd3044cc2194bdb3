"""Without this the many hosts that nearly speak this dialect would have their calls mixed up, their reasoning
said twice or not at all, their usage counted twice, and their failures taken for answers."""

import json

import pytest
from tests.wire.openai_chat.answers import calls_in, delta, frame, read, read_sample, said, usage_in

from switchgear.kernel.limits import TOOL_CALLS_MAX
from switchgear.kernel.usage import Usage
from switchgear.wire.neutral.events import (
    Choice,
    End,
    Fault,
    Finish,
    ReasoningDelta,
    Redacted,
    Signature,
    TextDelta,
    UsageSeen,
)
from switchgear.wire.neutral.request import Opaque
from switchgear.wire.openai_chat.from_upstream.reader import read_events


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
        ("no_done", Usage(input_uncached=1, output_text=1)),
    ],
)
def test_usage_wherever_it_stands_is_counted_once(name: str, usage: Usage) -> None:
    events = read_sample(name)
    assert usage_in(events) == usage
    assert sum(isinstance(event, UsageSeen) for event in events) == 1


def test_usage_that_grows_is_told_as_it_grows() -> None:
    told = [event.usage for event in read_sample("usage_in_every_chunk") if isinstance(event, UsageSeen)]
    assert told[-1] == Usage(input_uncached=5, output_text=2)
    assert len(told) > 1


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
        ("model_length", "length"),
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
