"""Without this a client of this dialect could get an answer of another one in a form that its SDK refuses or
misreads: no role, calls at wrong indices, a usage chunk it did not ask for, two finishes, lost signatures."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk
from tests.wire.openai_chat.vectors import ANSWER, REQUEST, USAGE, chunks_of, head, read_strictly

from switchgear.kernel.errors import UPSTREAM_CUT, ApiError
from switchgear.kernel.usage import Usage
from switchgear.wire.dialect import Head
from switchgear.wire.neutral.events import (
    AudioOut,
    Choice,
    Cite,
    End,
    Event,
    Finish,
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
from switchgear.wire.neutral.request import Citation, CustomTool, Opaque, Thinking
from switchgear.wire.openai_chat.from_upstream.reader import ChatReader, read_events
from switchgear.wire.openai_chat.to_client.completion import CompletionWriter
from switchgear.wire.openai_chat.to_client.whole import write_reply
from switchgear.wire.openai_chat.to_client.writer import ChatWriter

WITH_PATCH = msgspec.structs.replace(REQUEST, tools=(CustomTool("patch"),))
ONE_CALL: list[Event] = [
    Start(),
    ToolStart(0, "a", "f"),
    ToolDelta(0, '{"x":1}'),
    ToolEnd(0),
    Finish("tool_calls"),
    End(),
]


def written(events: list[Event], wanted: Head | None = None) -> bytes:
    writer = ChatWriter(wanted or head())
    return writer.feed(events) + writer.closing()


def message_of(events: list[Event], wanted: Head | None = None) -> dict[str, Any]:
    """The first answer's message; the stream's and the whole reply's have to agree."""
    whole = json.loads(write_reply(events, wanted or head()))["choices"][0]
    streamed = read_strictly(written(events, wanted))["choices"][0]
    assert streamed["finish_reason"] == whole["finish_reason"]
    message: dict[str, Any] = whole["message"]
    for key, value in streamed["message"].items():
        if key != "reasoning_details":
            assert message[key] == value or (not value and message[key] is None)
    return message


def test_the_example_of_all_dialects() -> None:
    chunks = chunks_of(written(ANSWER, head(include_usage=True)))
    usage = chunks.pop()
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"reasoning_content": "Need weather."},
        {
            "reasoning_details": [
                {
                    "type": "reasoning.text",
                    "index": 0,
                    "format": "anthropic-claude-v1",
                    "signature": "SIG",
                }
            ]
        },
        {"content": "Looking."},
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "toolu_9",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": ""},
                }
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"Rome"}'}}]},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * 7 + ["tool_calls"]
    assert all(chunk["usage"] is None for chunk in chunks)
    assert {
        (chunk["id"], chunk["object"], chunk["created"], chunk["model"]) for chunk in [*chunks, usage]
    } == {("chatcmpl-7", "chat.completion.chunk", 1_700_000_000, "m1")}
    assert usage["choices"] == []
    assert usage["usage"] == {
        "prompt_tokens": 130,
        "completion_tokens": 24,
        "total_tokens": 154,
        "prompt_tokens_details": {"cached_tokens": 100, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def test_the_example_as_a_whole_reply() -> None:
    reply = json.loads(write_reply(ANSWER, head()))
    assert (reply["id"], reply["object"], reply["model"]) == ("chatcmpl-7", "chat.completion", "m1")
    assert reply["usage"]["total_tokens"] == 154
    (choice,) = reply["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["logprobs"] is None
    assert choice["message"] == {
        "role": "assistant",
        "content": "Looking.",
        "refusal": None,
        "annotations": [],
        "reasoning_content": "Need weather.",
        "reasoning_details": [
            {
                "type": "reasoning.text",
                "index": 0,
                "format": "anthropic-claude-v1",
                "signature": "SIG",
                "text": "Need weather.",
            }
        ],
        "tool_calls": [
            {
                "id": "toolu_9",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'},
            }
        ],
    }


def test_what_is_written_is_read_as_the_same_answer() -> None:
    reader = ChatReader()
    for event in (events := reader.feed(written(ANSWER, head(include_usage=True))) + reader.finish()):
        if isinstance(event, Signature):
            event.opaque = Opaque("anthropic", "signature", event.opaque.payload)
    assert events == ANSWER
    for event in (events := read_events(write_reply(ANSWER, head()))):
        if isinstance(event, Signature):
            event.opaque = Opaque("anthropic", "signature", event.opaque.payload)
    assert [e for e in events if not isinstance(e, ToolDelta)] == [
        e for e in ANSWER if not isinstance(e, ToolDelta)
    ]


PIECES: st.SearchStrategy[Event] = st.one_of(
    st.text(min_size=1, max_size=8).map(lambda text: TextDelta("t" + text)),
    st.text(min_size=1, max_size=8).map(ReasoningDelta),
    st.text(min_size=1, max_size=8).map(RefusalDelta),
)


ARGUMENTS = st.text(min_size=1, max_size=6).filter(lambda text: text != "null")


@given(st.lists(PIECES, max_size=8), st.lists(ARGUMENTS, max_size=3), st.booleans())
def test_any_answer_is_in_order_and_comes_back(said: list[Event], calls: list[str], usage: bool) -> None:
    events = [Start(), *said]
    for key, text in enumerate(calls):
        events += [ToolStart(key, f"id{key}", "f"), ToolDelta(key, text), ToolEnd(key)]
    events += [*([UsageSeen(USAGE)] if usage else []), Finish("tool_calls" if calls else "stop"), End()]
    stream = written(events, head(include_usage=True))
    reply = read_strictly(stream)
    assert ("usage" in reply) == usage
    found = reply["choices"][0]["message"]
    assert found.get("content", "") == "".join(e.text for e in said if isinstance(e, TextDelta))
    assert [call["function"]["arguments"] for call in found.get("tool_calls", [])] == calls
    reader = ChatReader()
    again = [event for event in reader.feed(stream) + reader.finish() if not isinstance(event, Start)]
    plain = [e for e in events if not (isinstance(e, Start) or (isinstance(e, ToolDelta) and not e.text))]
    order = [e for e in plain if not isinstance(e, ToolEnd)]
    assert [e for e in again if not isinstance(e, ToolEnd)] == order


def test_nothing_is_held_back_but_what_ends_the_answer() -> None:
    writer = ChatWriter(head())
    assert b'"role":"assistant"' in writer.feed([Start()])
    assert b'"content":"A"' in writer.feed([TextDelta("A")])
    assert writer.feed([UsageSeen(USAGE), Finish("stop"), End()]) == b""
    assert writer.closing().endswith(b"data: [DONE]\n\n")


def test_a_client_that_did_not_ask_sees_no_usage_at_all() -> None:
    assert b"usage" not in written(ANSWER)


def test_a_role_comes_first_and_once_for_each_answer() -> None:
    events = [Start(), TextDelta("A"), Choice(1), TextDelta("B"), Choice(0), TextDelta("C"), Finish("stop")]
    reply = read_strictly(written([*events, Choice(1), Finish("length"), End()]))
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in reply["choices"]] == [
        (0, "AC", "stop"),
        (1, "B", "length"),
    ]


def test_an_answer_without_a_word_still_has_its_role_and_finish() -> None:
    assert read_strictly(written([Start(), Finish("content_filter"), End()]))["choices"][0] == {
        "index": 0,
        "message": {"content": ""},
        "finish_reason": "content_filter",
    }
    assert message_of([Start(), Finish("content_filter"), End()])["content"] == ""


def test_parallel_calls_are_counted_even_when_their_pieces_mix() -> None:
    events: list[Event] = [
        ToolStart(0, "a", "f"),
        ToolStart(1, "b", "g"),
        ToolDelta(1, "{"),
        ToolDelta(0, "{}"),
        ToolDelta(1, "}"),
        ToolEnd(0),
        ToolEnd(1),
        Finish("tool_calls"),
    ]
    calls = message_of(events)["tool_calls"]
    assert [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls] == [
        ("a", "f", "{}"),
        ("b", "g", "{}"),
    ]


def test_a_call_alone_has_a_null_content_and_an_id_of_its_own() -> None:
    message = message_of([Start(), ToolStart(0, "", "f"), ToolEnd(0), Finish("tool_calls")])
    assert message["content"] is None
    (call,) = message["tool_calls"]
    other = message_of([ToolStart(0, "", "f"), ToolEnd(0), Finish("tool_calls")], head(id="8"))
    assert call["id"] != other["tool_calls"][0]["id"]


def test_reasoning_that_the_client_does_not_want_is_not_shown() -> None:
    quiet = head(msgspec.structs.replace(REQUEST, thinking=Thinking("high", show=False)))
    message = message_of([*ANSWER, Redacted(Opaque("anthropic", "redacted", "R"))], quiet)
    assert not [key for key in message if key.startswith("reasoning")]
    assert message["content"] == "Looking."


def test_a_wrapped_free_text_tool_is_free_text_again() -> None:
    events: list[Event] = [
        ToolStart(0, "a", "patch"),
        ToolDelta(0, '{"input":"*** Be'),
        ToolDelta(0, 'gin\\n"}'),
        ToolEnd(0),
        Finish("tool_calls"),
    ]
    (call,) = message_of(events, head(WITH_PATCH))["tool_calls"]
    assert call == {"id": "a", "type": "custom", "custom": {"name": "patch", "input": "*** Begin\n"}}
    assert message_of(events)["tool_calls"][0]["type"] == "function"


def test_a_native_free_text_tool_streams_as_it_comes() -> None:
    writer = ChatWriter(head(WITH_PATCH))
    writer.feed([Start(), ToolStart(0, "a", "patch", "custom")])
    assert b'"custom":{"input":"x"}' in writer.feed([ToolDelta(0, "x")])


def test_free_text_of_two_answers_is_not_mixed() -> None:
    call: list[Event] = [ToolStart(0, "a", "patch"), ToolDelta(0, '{"input":"x"}'), ToolEnd(0)]
    events = [
        *call[:2],
        Choice(1),
        *call,
        Choice(0),
        call[2],
        Finish("tool_calls"),
        Choice(1),
        Finish("stop"),
    ]
    reply = read_strictly(written([Start(), *events], head(WITH_PATCH)))
    assert [c["message"]["tool_calls"][0]["custom"]["input"] for c in reply["choices"]] == ["x", "x"]


def test_clients_of_the_older_form_get_one_call_in_it() -> None:
    old = head(fields={"functions": msgspec.Raw(b"[]")})
    two = [*ONE_CALL[:4], ToolStart(1, "b", "g"), ToolDelta(1, "{}"), ToolEnd(1), Finish("tool_calls"), End()]
    for events in (ONE_CALL, two):
        message = message_of(events, old)
        assert message["function_call"] == {"name": "f", "arguments": '{"x":1}'}
        assert "tool_calls" not in message
        assert json.loads(write_reply(events, old))["choices"][0]["finish_reason"] == "function_call"


def test_a_refusal_has_no_content_beside_it() -> None:
    message = message_of([RefusalDelta("I "), RefusalDelta("can't."), Finish("stop")])
    assert (message["content"], message["refusal"]) == (None, "I can't.")


@pytest.mark.parametrize(
    ("opaque", "type", "format", "payload"),
    [
        (Opaque("anthropic", "signature", "S"), "reasoning.text", "anthropic-claude-v1", "S"),
        (Opaque("anthropic", "redacted", "S"), "reasoning.encrypted", "anthropic-claude-v1", "S"),
        (Opaque("google", "signature", "S"), "reasoning.text", "switchgear-v1", "relay1.google.signature.S"),
        (
            Opaque("openai:c", "encrypted", "S"),
            "reasoning.encrypted",
            "switchgear-v1",
            "relay1.openai:c.encrypted.S",
        ),
    ],
)
def test_only_claudes_own_tokens_go_out_bare(opaque: Opaque, type: str, format: str, payload: str) -> None:
    event = Signature(opaque) if opaque.kind == "signature" else Redacted(opaque)
    (detail,) = message_of([ReasoningDelta("Hm."), event, Finish("stop")])["reasoning_details"]
    assert (detail["type"], detail["format"]) == (type, format)
    assert detail.get("signature", detail.get("data")) == payload


def test_each_signature_stands_with_its_own_text() -> None:
    signed = [ReasoningDelta("A"), ReasoningDelta("B"), Signature(Opaque("anthropic", "signature", "1"))]
    more = [Redacted(Opaque("anthropic", "redacted", "R")), ReasoningDelta("C")]
    last = [Signature(Opaque("anthropic", "signature", "2")), TextDelta("x"), Finish("stop")]
    details = message_of([*signed, *more, *last])["reasoning_details"]
    assert [(d.get("text"), d.get("signature")) for d in details] == [("AB", "1"), (None, None), ("C", "2")]
    assert [d["index"] for d in details] == [0, 1, 2]


def test_googles_signatures_go_out_bare_on_the_call_and_the_message() -> None:
    own = Opaque("google", "signature", "U0lH")
    text: list[Event] = [
        TextDelta("A"),
        Signature(own, "text"),
        ToolStart(0, "a", "f", opaque=own),
        ToolEnd(0),
    ]
    message = message_of([*text, Finish("tool_calls")])
    assert message["extra_content"] == {"google": {"thought_signature": "U0lH"}}
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "U0lH"}}
    other = ToolStart(0, "a", "f", opaque=Opaque("anthropic", "signature", "S"))
    (call,) = message_of([other, ToolEnd(0), Finish("tool_calls")])["tool_calls"]
    assert call["extra_content"]["google"]["thought_signature"] == "relay1.anthropic.signature.S"


def test_sources_pictures_and_sound() -> None:
    events: list[Event] = [
        TextDelta("It is so."),
        Cite(Citation("https://example.org/a", "A", 0, 5)),
        ImageOut("iVBORw0=", "image/png"),
        Finish("stop"),
    ]
    message = message_of(events)
    cited = {"start_index": 0, "end_index": 5, "title": "A", "url": "https://example.org/a"}
    assert message["annotations"] == [{"type": "url_citation", "url_citation": cited}]
    assert message["images"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}}
    ]
    sound: list[Event] = [
        AudioOut("AA", "Hel", id="audio_1"),
        AudioOut("BB", "lo", expires_at=9),
        Finish("stop"),
    ]
    whole = json.loads(write_reply(sound, head()))["choices"][0]["message"]
    assert whole["audio"] == {"id": "audio_1", "data": "AABB", "transcript": "Hello", "expires_at": 9}
    assert whole["content"] is None


def test_the_official_sdk_gathers_several_sources_and_pictures_of_a_stream() -> None:
    events: list[Event] = [
        TextDelta("It is so."),
        Cite(Citation("https://example.org/a", "A", 0, 2)),
        Cite(Citation("https://example.org/b", "B", 3, 5)),
        ImageOut("iVBORw0=", "image/png"),
        ImageOut("iVBORw0A", "image/png"),
        Finish("stop"),
    ]
    state: Any = ChatCompletionStreamState()
    for chunk in chunks_of(written(events)):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    message = state.current_completion_snapshot.choices[0].message.to_dict()
    assert [item["url_citation"]["title"] for item in message["annotations"]] == ["A", "B"]
    assert len({item["image_url"]["url"] for item in message["images"]}) == 2


def test_log_probabilities_stand_beside_the_delta() -> None:
    token = {"token": "A", "logprob": -0.5, "bytes": [65], "top_logprobs": []}
    events: list[Event] = [
        TextDelta("A", msgspec.Raw(json.dumps([token]).encode())),
        TextDelta("A", msgspec.Raw(json.dumps([token]).encode())),
        Finish("stop"),
    ]
    streamed = [chunk["choices"][0]["logprobs"] for chunk in chunks_of(written(events))]
    assert streamed[1] == streamed[2] == {"content": [token], "refusal": None}
    assert json.loads(write_reply(events, head()))["choices"][0]["logprobs"]["content"] == [token, token]


def test_written_cache_tokens_are_part_of_the_input() -> None:
    usage = Usage(
        input_uncached=1, cache_read=2, cache_write_5m=3, cache_write_1h=4, output_text=5, reasoning=6
    )
    reply = json.loads(write_reply([UsageSeen(usage), Finish("stop")], head()))["usage"]
    assert (reply["prompt_tokens"], reply["completion_tokens"], reply["total_tokens"]) == (10, 11, 21)
    assert reply["prompt_tokens_details"]["cache_write_tokens"] == 7
    assert reply["completion_tokens_details"]["reasoning_tokens"] == 6


@pytest.mark.parametrize("writer", [ChatWriter, CompletionWriter])
def test_an_error_is_a_frame_without_an_end_marker(writer: type[ChatWriter | CompletionWriter]) -> None:
    frame = writer(head()).error_frame(ApiError(UPSTREAM_CUT, "It broke."), "r")
    assert json.loads(frame[6:])["error"]["code"] == "upstream_cut"
    assert b"[DONE]" not in frame
