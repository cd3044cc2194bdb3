"""Without this an answer of another dialect could reach clients of this one in a form that their SDKs refuse,
without its signatures, sources or calls, or end before its record is written."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.gemini_generate.vectors import (
    ANSWER,
    ASKED,
    CLAUDE_TOKEN,
    GOOGLE_TOKEN,
    chunks_of,
    head,
    sealed,
)

from switchgear.kernel.errors import UPSTREAM_CUT, ApiError
from switchgear.kernel.usage import Usage
from switchgear.wire.dialect import Head
from switchgear.wire.gemini_generate.from_upstream.reader import Reader, read_events
from switchgear.wire.gemini_generate.to_client.writer import Writer, write_reply
from switchgear.wire.neutral.events import (
    AudioOut,
    Choice,
    Cite,
    End,
    Event,
    Finish,
    Hosted,
    ImageOut,
    ReasoningDelta,
    Redacted,
    RefusalDelta,
    Signature,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.neutral.request import Citation, Opaque, Request

EXAMPLE = Path(__file__).parent / "golden" / "streams" / "example.sse"
END: list[Event] = [Finish("stop"), End()]


def streamed(events: list[Event], head_: Head | None = None) -> list[dict[str, Any]]:
    writer = Writer(head_ or head())
    return chunks_of(writer.feed(events) + writer.closing())


def parts_of(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for found in chunks for item in found["candidates"] for part in item["content"]["parts"]]


def whole(events: list[Event], head_: Head | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(write_reply(events, head_ or head()))
    return found


def test_the_example_of_all_dialects() -> None:
    writer = Writer(head())
    assert writer.feed(ANSWER) + writer.closing() == EXAMPLE.read_bytes()


def test_the_end_is_held_back() -> None:
    writer = Writer(head())
    assert b"finishReason" not in writer.feed(ANSWER)
    assert b"finishReason" in writer.closing()


def test_an_array_is_one_json_value_however_it_was_fed() -> None:
    writer = Writer(head(array=True))
    out = b"".join(writer.feed([event]) for event in ANSWER) + writer.closing()
    assert json.loads(out) == streamed(ANSWER)
    assert json.loads(Writer(head(array=True)).closing())[0]["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize("before", [[], [TextDelta("a")]])
def test_an_error_ends_an_array_and_a_stream_as_one(before: list[Event]) -> None:
    error = ApiError(UPSTREAM_CUT, "It broke.")
    array, stream = Writer(head(array=True)), Writer(head())
    last = json.loads(array.feed(before) + array.error_frame(error, "q1"))[-1]
    assert last == chunks_of(stream.feed(before) + stream.error_frame(error, "q1"))[-1]
    assert last["error"]["status"] == "INTERNAL"


def test_thoughts_are_shown_only_to_those_who_ask() -> None:
    quiet = head(Request(ASKED.turns))
    assert [part for part in parts_of(streamed(ANSWER, quiet)) if part.get("thought")] == []
    assert len([part for part in parts_of(streamed(ANSWER)) if part.get("thought")]) == 1


def test_a_signature_without_a_call_comes_with_the_end() -> None:
    events: list[Event] = [ReasoningDelta("Hm."), Signature(CLAUDE_TOKEN), TextDelta("Yes."), *END]
    assert parts_of(streamed(events))[-1] == {"text": "", "thoughtSignature": sealed(CLAUDE_TOKEN)}
    assert whole(events)["candidates"][0]["content"]["parts"] == [
        {"text": "Hm.", "thought": True},
        {"text": "Yes.", "thoughtSignature": sealed(CLAUDE_TOKEN)},
    ]


def test_googles_own_signature_is_spelt_as_it_came() -> None:
    events: list[Event] = [
        ToolStart(0, "c1", "f", opaque=GOOGLE_TOKEN),
        ToolDelta(0, "{}"),
        ToolEnd(0),
        *END,
    ]
    assert parts_of(streamed(events))[0]["thoughtSignature"] == GOOGLE_TOKEN.payload


def test_no_signature_is_lost_to_the_next_one() -> None:
    second = Opaque("openai:c1", "encrypted", "E2")
    events: list[Event] = [Redacted(CLAUDE_TOKEN), Redacted(second), TextDelta("a"), *END]
    found = [part["thoughtSignature"] for part in parts_of(streamed(events)) if "thoughtSignature" in part]
    assert found == [sealed(CLAUDE_TOKEN), sealed(second)]


def test_arguments_that_are_no_object_end_as_a_malformed_call() -> None:
    for written in ('{"a":', "[1]", '"x"', "{} {}"):
        events: list[Event] = [ToolStart(0, "c", "f"), ToolDelta(0, written), ToolEnd(0), *END]
        chunks = streamed(events)
        assert chunks[-1]["candidates"][0]["finishReason"] == "MALFORMED_FUNCTION_CALL"
        assert not any("functionCall" in part for part in parts_of(chunks))


@pytest.mark.parametrize(("written", "args"), [("", {}), ("null", {}), ('{\n "a": 1\r\n}', {"a": 1})])
def test_arguments_stay_on_one_line(written: str, args: dict[str, Any]) -> None:
    events: list[Event] = [ToolStart(0, "c", "f"), ToolDelta(0, written), ToolEnd(0), *END]
    assert parts_of(streamed(events))[0]["functionCall"]["args"] == args


def test_a_call_that_the_limit_cut_off_is_left_out() -> None:
    events: list[Event] = [ToolStart(0, "c", "f"), ToolDelta(0, '{"a":'), Finish("length"), End()]
    chunks = streamed(events)
    assert chunks[-1]["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert not any("functionCall" in part for part in parts_of(chunks))


def test_a_tool_of_free_text_stays_a_function() -> None:
    events: list[Event] = [ToolStart(0, "c", "patch", "custom"), ToolDelta(0, "*** {"), ToolEnd(0), *END]
    assert parts_of(streamed(events))[0]["functionCall"]["args"] == {"input": "*** {"}


def test_interleaved_calls_come_whole_when_each_ends() -> None:
    events: list[Event] = [
        ToolStart(0, "a", "f"),
        ToolStart(1, "b", "g"),
        ToolDelta(0, '{"x":'),
        ToolDelta(1, '{"y":2}'),
        ToolDelta(0, "1}"),
        ToolEnd(1),
        ToolEnd(0),
        *END,
    ]
    calls = [part["functionCall"] for part in parts_of(streamed(events)) if "functionCall" in part]
    assert calls == [
        {"id": "b", "name": "g", "args": {"y": 2}},
        {"id": "a", "name": "f", "args": {"x": 1}},
    ]


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("stop", "STOP"),
        ("stop_sequence", "STOP"),
        ("tool_calls", "STOP"),
        ("pause", "MAX_TOKENS"),
        ("length", "MAX_TOKENS"),
        ("content_filter", "SAFETY"),
    ],
)
def test_finish_reasons(reason: Any, word: str) -> None:
    events: list[Event] = [TextDelta("a"), Finish(reason, message="why"), End()]
    for candidate in (streamed(events)[-1]["candidates"][0], whole(events)["candidates"][0]):
        assert (candidate["finishReason"], candidate["finishMessage"]) == (word, "why")


def test_a_refusal_is_text_that_ends_for_safety() -> None:
    events: list[Event] = [RefusalDelta("I can't."), *END]
    chunks = streamed(events)
    assert parts_of(chunks)[0] == {"text": "I can't."}
    assert chunks[-1]["candidates"][0]["finishReason"] == "SAFETY"


def test_an_empty_answer_has_an_empty_part() -> None:
    assert whole([Start(), *END])["candidates"][0]["content"]["parts"] == [{"text": ""}]


def test_sources_count_bytes_where_the_others_count_code_points() -> None:
    text = "Größe: 42 m."
    citation = Citation("https://a.example", "A", 7, 11)
    events: list[Event] = [
        TextDelta(text[:3]),
        TextDelta(text[3:]),
        Cite(citation),
        Hosted("openai_responses", "web_search", b"{}", queries=("q",)),  # type: ignore[arg-type]
        *END,
    ]
    for candidate in (streamed(events)[-1]["candidates"][0], whole(events)["candidates"][0]):
        assert candidate["groundingMetadata"] == {
            "webSearchQueries": ["q"],
            "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}],
            "groundingSupports": [
                {
                    "segment": {"startIndex": 9, "endIndex": 13, "text": "42 m"},
                    "groundingChunkIndices": [0],
                }
            ],
        }


def test_pictures_sound_and_code() -> None:
    events: list[Event] = [
        ImageOut("iVBO", "image/png"),
        AudioOut("AAAA", media_type="audio/wav"),
        Hosted("anthropic_messages", "code_execution", b"{}", code="1+1", output="2"),  # type: ignore[arg-type]
        *END,
    ]
    assert whole(events)["candidates"][0]["content"]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
        {"executableCode": {"language": "PYTHON", "code": "1+1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
    ]


def test_several_answers_keep_apart() -> None:
    events: list[Event] = [
        TextDelta("a"),
        Choice(1),
        TextDelta("x"),
        Choice(0),
        TextDelta("b"),
        UsageSeen(Usage(input_uncached=1, output_text=3)),
        Finish("stop"),
        Choice(1),
        Finish("length"),
        End(),
    ]
    found = {item["index"]: item for item in whole(events)["candidates"]}
    assert [found[at]["content"]["parts"] for at in (0, 1)] == [[{"text": "ab"}], [{"text": "x"}]]
    assert [found[at]["finishReason"] for at in (0, 1)] == ["STOP", "MAX_TOKENS"]
    last = streamed(events)[-1]
    assert [item["finishReason"] for item in last["candidates"]] == ["STOP", "MAX_TOKENS"]
    assert last["usageMetadata"]["totalTokenCount"] == 4


def test_tokens_with_their_probabilities() -> None:
    content = b'[{"token":"Hi","logprob":-0.5,"bytes":[72],"top_logprobs":[{"token":"Yo","logprob":-2}]}]'
    events: list[Event] = [TextDelta("Hi", content), *END]  # type: ignore[arg-type]
    for candidate in (streamed(events)[0]["candidates"][0], whole(events)["candidates"][0]):
        assert candidate["logprobsResult"] == {
            "topCandidates": [{"candidates": [{"token": "Yo", "logProbability": -2}]}],
            "chosenCandidates": [{"token": "Hi", "logProbability": -0.5}],
        }


_TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
_STEPS = st.lists(
    _TEXT.map(lambda text: [TextDelta(text)])
    | _TEXT.map(lambda text: [ReasoningDelta(text), Signature(GOOGLE_TOKEN, "text")])
    | st.dictionaries(_TEXT, st.integers(), max_size=2).map(lambda args: [json.dumps(args)]),
    max_size=8,
)


@given(_STEPS)
def test_what_is_written_is_read_again(steps: list[list[Any]]) -> None:
    """Both modes say the same, and this dialect's own reader understands it."""
    events: list[Event] = [Start("r7", "gemini-3-pro")]
    key = 0
    for step in steps:
        if isinstance(step[0], str):
            events += [ToolStart(key, f"c{key}", "f"), ToolDelta(key, step[0]), ToolEnd(key)]
            key += 1
        else:
            events += step
    events += [UsageSeen(Usage(input_uncached=3, output_text=2)), Finish("stop"), End()]
    writer = Writer(head())
    stream = writer.feed(events) + writer.closing()
    reader = Reader()
    for found in (reader.feed(stream) + reader.finish(), read_events(write_reply(events, head()))):
        for kind in (TextDelta, ReasoningDelta):
            assert _all(found, kind) == _all(events, kind)
        assert [json.loads(item.text) for item in found if isinstance(item, ToolDelta)] == [
            json.loads(item.text) for item in events if isinstance(item, ToolDelta)
        ]
        assert found[-2:] == [Finish("tool_calls" if key else "stop"), End()]


def _all(events: list[Event], kind: type[TextDelta] | type[ReasoningDelta]) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))
