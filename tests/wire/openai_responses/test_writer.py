"""Without this a client of this dialect could get a stream that it can't parse: deltas before their item, a
gap in the numbers, texts that don't add up, an empty last event; or another answer in a stream than whole."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from tests.wire.openai_responses.support import Grammar, frames_of, head

from switchgear.kernel.errors import CONTEXT_TOO_LONG, UPSTREAM_CUT, UPSTREAM_LIMITED, ApiError
from switchgear.kernel.usage import Usage
from switchgear.wire.dialect import Head
from switchgear.wire.neutral.events import (
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
from switchgear.wire.neutral.request import Citation, CustomTool, FunctionTool, Opaque, Request, Thinking
from switchgear.wire.openai_responses.from_upstream.reader import Reader, read_events
from switchgear.wire.openai_responses.to_client.writer import Writer, write_kept_reply, write_reply

WRITTEN = Path(__file__).parent / "golden" / "written"
CLAUDE = Opaque("anthropic", "signature", "SIG")
GOOGLE = Opaque("google", "signature", "R29v")
USAGE = UsageSeen(Usage(input_uncached=30, cache_read=100, output_text=24))

SCRIPTS: dict[str, tuple[Head, list[Event]]] = {
    # The answer that is written out in all four dialects in the project's notes on conversion.
    "thinking_text_call": (
        head(store=False, reasoning={"summary": "auto"}),
        [
            Start("msg_7", "m1"),
            ReasoningDelta("Need weather."),
            Signature(CLAUDE),
            TextDelta("Looking."),
            ToolStart(0, "toolu_9", "get_weather"),
            ToolDelta(0, '{"city":'),
            ToolDelta(0, '"Rome"}'),
            ToolEnd(0),
            USAGE,
            Finish("tool_calls"),
            End(),
        ],
    ),
    "parallel_calls": (
        head(declared=[FunctionTool("mcp__files__read", namespace="mcp__files"), CustomTool("apply_patch")]),
        [
            Start(),
            ToolStart(0, "call_a", "mcp__files__read", opaque=GOOGLE),
            ToolStart(1, "call_b", "apply_patch"),
            ToolDelta(0, '{"path":'),
            ToolDelta(1, '{"input":"*** Begin'),
            ToolDelta(0, '"a"}'),
            ToolDelta(1, ' Patch"}'),
            ToolStart(2, "call_c", "empty"),
            ToolEnd(0),
            ToolEnd(1),
            ToolEnd(2),
            USAGE,
            Finish("tool_calls"),
            End(),
        ],
    ),
    "search_and_sources": (
        head(include=["reasoning.encrypted_content"], tools=[]),
        [
            Start(),
            Redacted(Opaque("anthropic", "redacted", "hidden")),
            Hosted(
                "gemini_generate",
                "web_search",
                Raw(b"{}"),
                ("capital of France",),
                (Citation("https://a.example/"),),
            ),
            Hosted("gemini_generate", "code_execution", Raw(b"{}"), code="print(1)", output="1\n"),
            TextDelta("Paris é."),
            Cite(Citation("https://a.example/", "A", 0, 5)),
            Cite(Citation("https://b.example/", "B")),
            ImageOut("aGk=", "image/png"),
            TextDelta(" More."),
            Cite(Citation("https://c.example/", "C", 8, 14)),
            Finish("stop"),
            End(),
        ],
    ),
    "refusal": (
        head(),
        [Start(), TextDelta("Hm. "), RefusalDelta("I "), RefusalDelta("can't."), Finish("stop"), End()],
    ),
    "cut_by_length": (
        head(max_output_tokens=16, instructions="Be brief.", metadata={"a": "b"}, service_tier="flex"),
        [
            Start(),
            TextDelta("To be or", Raw(b'[{"token":"To","logprob":-0.5,"bytes":[84,111],"top_logprobs":[]}]')),
            Finish("length"),
            End(),
        ],
    ),
    "blocked": (head(text={"format": {"type": "json_object"}}), [Start(), Finish("content_filter"), End()]),
}


def stream_of(events: list[Event], made_for: Head) -> bytes:
    writer = Writer(made_for)
    return b"".join([writer.feed([event]) for event in events]) + writer.closing()


@pytest.mark.parametrize("name", SCRIPTS)
def test_golden(name: str) -> None:
    """Written anew under RECORD_GOLDEN=1."""
    made_for, events = SCRIPTS[name]
    stream = stream_of(events, made_for)
    whole = json.dumps(json.loads(write_reply(events, made_for)), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("RECORD_GOLDEN"):
        (WRITTEN / f"{name}.sse").write_bytes(stream)
        (WRITTEN / f"{name}.json").write_text(whole)
    assert stream == (WRITTEN / f"{name}.sse").read_bytes()
    assert whole == (WRITTEN / f"{name}.json").read_text()


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_event_is_one_that_the_official_types_take(name: str) -> None:
    """Types of the official SDK; extra fields of ours would show as unknown ones."""
    made_for, events = SCRIPTS[name]
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    frames = frames_of(stream_of(events, made_for))
    Grammar().check(frames)
    for frame in frames:
        assert adapter.validate_python(frame, strict=False).type == frame["type"]
    Response.model_validate(json.loads(write_reply(events, made_for)))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_whole_reply_is_the_last_event_of_its_stream(name: str) -> None:
    made_for, events = SCRIPTS[name]
    last = frames_of(stream_of(events, made_for))[-1]
    assert json.loads(write_reply(events, made_for)) == last["response"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_first_token_is_not_held_back_and_the_end_is(name: str) -> None:
    made_for, events = SCRIPTS[name]
    writer = Writer(made_for)
    for event in events:
        sent = writer.feed([event])
        if isinstance(event, TextDelta):
            assert json.dumps(event.text, ensure_ascii=False).encode() in sent
        if isinstance(event, Finish | End | UsageSeen):
            assert sent == b""
    assert writer.closing() != b""


def test_the_request_is_repeated_in_the_response() -> None:
    asked: dict[str, Any] = {
        "instructions": "Be\nkind.",
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": False}],
        "tool_choice": {"type": "function", "name": "f"},
        "temperature": 0.2,
        "metadata": {"k": "v"},
        "previous_response_id": "resp_1",
        "max_output_tokens": 99,
        "truncation": "auto",
        "parallel_tool_calls": False,
        "user": "u",
    }
    found = json.loads(write_reply([Start(), TextDelta("a"), Finish("stop"), End()], head(**asked)))
    assert {key: found[key] for key in asked} == asked
    half = json.loads(
        write_reply([Start(), End()], head(reasoning={"effort": "low"}, text={"verbosity": "high"}))
    )
    assert half["reasoning"] == {"effort": "low", "summary": None}
    assert half["text"] == {"format": {"type": "text"}, "verbosity": "high"}


def test_a_pretty_printed_request_does_not_break_the_frames() -> None:
    made_for = Head(
        "7", "m", 1, Request(()), head().seals, fields={"tools": Raw(b'[\n  {"type":\r\n"x"}\n]')}
    )
    Grammar().check(frames_of(stream_of([Start(), TextDelta("a"), Finish("stop")], made_for)))


def test_a_stream_that_breaks_ends_with_a_failed_response_that_holds_what_was_said() -> None:
    """Codex waits for this event and ignores a bare ``error``."""
    writer = Writer(head())
    stream = writer.feed([Start(), TextDelta("Hel"), TextDelta("lo")])
    stream += writer.error_frame(ApiError(UPSTREAM_CUT, "It ended."), "r1")
    frames = frames_of(stream)
    Grammar().check(frames)
    response = frames[-1]["response"]
    assert frames[-1]["type"] == "response.failed"
    assert response["status"] == "failed"
    assert response["error"] == {"code": "server_error", "message": "It ended. (request id: r1)"}
    assert response["output"][0]["content"][0]["text"] == "Hello"
    assert response["output"][0]["status"] == "incomplete"


@pytest.mark.parametrize(
    ("row", "code"),
    [(UPSTREAM_LIMITED, "rate_limit_exceeded"), (CONTEXT_TOO_LONG, "context_length_exceeded")],
)
def test_failures_have_codes_that_clients_know(row: Any, code: str) -> None:
    frames = frames_of(Writer(head()).error_frame(ApiError(row, "No."), "r1"))
    Grammar().check(frames)
    assert frames[-1]["response"]["error"]["code"] == code


def test_tokens_of_reasoning_go_to_those_who_can_use_them() -> None:
    """They asked, or nothing is stored; what is kept for the next turn has them in any case."""
    events: list[Event] = [ReasoningDelta("hm"), Signature(CLAUDE), TextDelta("a"), Finish("stop"), End()]
    sealed = "relay1.anthropic.signature.SIG"
    asked: list[dict[str, Any]] = [{"include": ["reasoning.encrypted_content"]}, {"store": False}]
    for fields in (*asked, {}):
        body, kept = write_kept_reply(events, head(**fields))
        shown = json.loads(body)["output"][0]
        assert shown.get("encrypted_content") == (sealed if fields else None)
        assert json.loads(bytes(kept[0]))["encrypted_content"] == sealed


def test_reasoning_is_not_shown_to_those_who_refused_it() -> None:
    made_for = head(request=Request((), thinking=Thinking(show=False)))
    frames = frames_of(stream_of([ReasoningDelta("secret"), TextDelta("a"), Finish("stop")], made_for))
    Grammar().check(frames)
    assert "secret" not in json.dumps(frames)


def test_a_call_of_a_namespace_goes_back_under_both_names() -> None:
    """A flat name is refused by Codex."""
    tools = [FunctionTool("mcp__srv__look", namespace="mcp__srv__")]
    frames = frames_of(stream_of([ToolStart(0, "1", "mcp__srv__look"), ToolEnd(0)], head(declared=tools)))
    item = next(frame["item"] for frame in frames if frame["type"] == "response.output_item.done")
    assert (item["namespace"], item["name"], item["arguments"]) == ("mcp__srv__", "look", "{}")


def test_a_custom_tool_that_was_a_function_upstream_gives_its_input_back() -> None:
    for arguments, expected in (('{"input":"a\\nb"}', "a\nb"), ("plain", "plain"), ('{"x":1}', '{"x":1}')):
        events: list[Event] = [ToolStart(0, "1", "apply_patch"), ToolDelta(0, arguments), ToolEnd(0)]
        frames = frames_of(stream_of(events, head(declared=[CustomTool("apply_patch")])))
        Grammar().check(frames)
        assert frames[-1]["response"]["output"][0]["input"] == expected
        assert frames[-1]["response"]["output"][0]["type"] == "custom_tool_call"


def test_other_choices_than_the_first_are_left_out() -> None:
    body = write_reply(
        [Start(), Choice(0), TextDelta("a"), Choice(1), TextDelta("b"), Finish("stop"), Choice(0), End()],
        head(),
    )
    assert [part["text"] for part in json.loads(body)["output"][0]["content"]] == ["a"]


@pytest.mark.parametrize(
    ("more", "store", "types"),
    [
        ([], False, ["message", "reasoning"]),
        # Clients that asked for no tokens take the last item for the answer.
        ([], True, ["message"]),
        ([ToolStart(0, "1", "f"), ToolEnd(0)], False, ["message", "reasoning", "function_call"]),
        ([ToolStart(0, "1", "f"), ToolEnd(0)], True, ["message", "reasoning", "function_call"]),
        ([ReasoningDelta("Hm.")], False, ["message", "reasoning", "reasoning"]),
    ],
)
def test_the_signature_of_a_text_is_an_item_behind_it(
    more: list[Event], store: bool, types: list[str]
) -> None:
    signed: list[Event] = [Signature(GOOGLE, "text"), TextDelta("a"), Signature(GOOGLE, "text")]
    # One that comes amid the text waits for its end.
    events = [*signed, TextDelta("b"), *more, Finish("stop")]
    frames = frames_of(stream_of(events, head(store=store)))
    Grammar().check(frames)
    output = frames[-1]["response"]["output"]
    assert [item["type"] for item in output] == types
    assert output[0]["content"][0]["text"] == "ab"
    assert json.loads(write_reply(events, head(store=store)))["output"] == output


def test_a_stream_that_breaks_off_does_not_end_with_an_item_that_never_began() -> None:
    writer = Writer(head(store=False))
    writer.feed([TextDelta("a"), Signature(GOOGLE, "text")])
    frames = frames_of(writer.error_frame(ApiError(UPSTREAM_CUT, "broken"), "req_1"))
    assert [item["type"] for item in frames[-1]["response"]["output"]] == ["message"]


_contents = st.one_of(
    st.builds(TextDelta, st.text(min_size=1, max_size=3)),
    st.builds(RefusalDelta, st.text(min_size=1, max_size=3)),
    st.builds(ReasoningDelta, st.text(min_size=1, max_size=3)),
    st.just(Signature(Opaque("", "encrypted", "E"))),
    st.just(Redacted(Opaque("", "encrypted", "R"))),
    st.just(Cite(Citation("https://a.example/", "A", 0, 1))),
    st.builds(ToolStart, st.integers(0, 2), st.just("id"), st.just("f")),
    st.builds(ToolDelta, st.integers(0, 2), st.text(max_size=3)),
    st.builds(ToolEnd, st.integers(0, 2)),
    st.just(ImageOut("aGk=", "image/png")),
)


@given(st.lists(_contents, max_size=12), st.sampled_from(["stop", "length", "content_filter"]))
def test_any_order_of_events_is_a_legal_stream_that_says_the_same(events: list[Event], reason: Any) -> None:
    made_for = head(store=False)
    ended: list[Event] = [Start(), *events, USAGE, Finish(reason), End()]
    stream = stream_of(ended, made_for)
    Grammar().check(frames_of(stream))
    reader = Reader()
    streamed = reader.feed(stream) + reader.finish()
    for kind in (TextDelta, ReasoningDelta, RefusalDelta):
        said = "".join(event.text for event in events if isinstance(event, kind))
        for read in (streamed, read_events(write_reply(ended, made_for))):
            heard = "".join(event.text for event in read if isinstance(event, kind))
            # Pieces of reasoning that stood apart are told apart.
            assert heard.replace("\n\n", "") == said.replace("\n\n", "")
    assert streamed[-1] == End()
    # A picture counts as a call there, and changes no token.
    [told] = [event.usage for event in streamed if isinstance(event, UsageSeen)]
    assert replace(told, image_calls=0) == USAGE.usage
