"""What is said survives every dialect: requests and answers that all four can carry, made at random.

Without this a conversation could change on its way through a dialect for contents that no transcript has.
"""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw
from tests.wire.pairs.relay import SEALS

from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.kernel.usage import Usage
from switchgear.wire.call import InPath
from switchgear.wire.dialect import Head
from switchgear.wire.dialects import DIALECT_OF
from switchgear.wire.framing.fields import read_fields
from switchgear.wire.framing.splice import write_object
from switchgear.wire.neutral.events import (
    End,
    Event,
    Fault,
    Finish,
    FinishReason,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.neutral.request import (
    FunctionTool,
    Part,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
    Upstream,
)

QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TOOLS = tuple(
    FunctionTool(name, f"Tells {name}.", Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}'))
    for name in ("weather", "clock")
)

words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
argument_objects = st.dictionaries(
    words, st.one_of(words, st.integers(-9, 9), st.none(), st.booleans()), max_size=3
)
names = st.sampled_from([tool.name for tool in TOOLS])


@st.composite
def requests(draw: st.DrawFn) -> Request:
    turns: list[Turn] = []
    if draw(st.booleans()):
        turns.append(Turn("system", (Text(draw(words)),)))
    turns.append(Turn("user", (Text(draw(words)),)))
    number = 0
    for _ in range(draw(st.integers(0, 3))):
        calls = draw(st.lists(st.tuples(names, argument_objects), max_size=2))
        parts: list[Part] = [Text(draw(words))] if not calls or draw(st.booleans()) else []
        results: list[Part] = []
        for name, arguments in calls:
            number += 1
            parts.append(ToolCall(f"call_{number}", name, json.dumps(arguments)))
            results.append(ToolResult(f"call_{number}", (Text(draw(words)),), name))
        said: list[Part] = [Text(draw(words))] if not results or draw(st.booleans()) else []
        turns += [Turn("assistant", tuple(parts)), Turn("user", (*results, *said))]
    return Request(
        tuple(turns),
        tools=TOOLS,
        output_tokens_max=draw(st.integers(16, 4000)),
        temperature=draw(st.none() | st.sampled_from([0.0, 0.5, 1.0])),
        stream=draw(st.booleans()),
    )


def meaning_of(request: Request) -> dict[str, Any]:
    """What a request says, free of how a dialect groups it."""
    said: list[tuple[str, str, Any]] = []
    for turn in request.turns:
        role = "system" if turn.role == "developer" else turn.role
        for part in turn.parts:
            match part:
                case Text():
                    said.append((role, "text", part.text))
                case ToolCall():
                    said.append((role, "call", (part.id, part.name, json.loads(part.arguments))))
                case ToolResult():
                    texts = [inner.text for inner in part.parts if isinstance(inner, Text)]
                    said.append((role, "result", (part.call_id, "".join(texts))))
    return {
        "said": said,
        "tools": [
            (tool.name, tool.description, json.loads(bytes(tool.schema or b"{}")))
            for tool in request.tools
            if isinstance(tool, FunctionTool)
        ],
        "cap": request.output_tokens_max,
        "temperature": request.temperature,
    }


def through(dialect: DialectName, request: Request) -> Request:
    """Written for an upstream of a dialect, and read as a client's."""
    codec = DIALECT_OF[dialect]
    body = write_object(codec.write_request(request, Upstream("m1")).body)
    in_path = InPath("m1", request.stream) if dialect == "gemini_generate" else InPath()
    call = codec.read_call(dialect, read_fields(body), "m1", in_path)
    assert call.stream == request.stream
    return codec.read_request(call, SEALS)


@pytest.mark.parametrize("dialect", DIALECTS)
@QUICK
@given(request_=requests())
def test_a_request_is_read_as_it_was_written(dialect: DialectName, request_: Request) -> None:
    assert meaning_of(through(dialect, request_)) == meaning_of(request_)


@pytest.mark.parametrize("first", DIALECTS)
@pytest.mark.parametrize("second", DIALECTS)
@QUICK
@given(request_=requests())
def test_a_request_survives_another_dialect(
    first: DialectName, second: DialectName, request_: Request
) -> None:
    there_and_back = through(first, through(second, through(first, request_)))
    assert meaning_of(there_and_back) == meaning_of(request_)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Events as the grammar of ``wire.events`` has them."""
    events: list[Event] = [Start("7", "m1")]
    events += [ReasoningDelta(text) for text in draw(st.lists(words, max_size=3))]
    events += [TextDelta(text) for text in draw(st.lists(words, max_size=4))]
    calls = draw(st.lists(st.tuples(names, argument_objects), max_size=3))
    for key, (name, arguments) in enumerate(calls):
        text = json.dumps(arguments, ensure_ascii=draw(st.booleans()))
        at = draw(st.integers(0, len(text)))
        events.append(ToolStart(key, f"call_{key}", name))
        events += [ToolDelta(key, piece) for piece in (text[:at], text[at:]) if piece]
        events.append(ToolEnd(key))
    if len(events) == 1:
        events.append(TextDelta(draw(words)))
    counts = draw(st.tuples(*[st.integers(1, 5000)] * 4))
    input_uncached, cache_read, output_text, reasoning = counts
    events.append(
        UsageSeen(
            Usage(
                input_uncached=input_uncached,
                cache_read=cache_read,
                output_text=output_text,
                reasoning=reasoning,
            )
        )
    )
    ends: list[FinishReason] = ["tool_calls"] if calls else ["stop", "length", "content_filter"]
    return [*events, Finish(draw(st.sampled_from(ends))), End()]


def heard(events: Sequence[Event]) -> dict[str, Any]:
    """What an answer says, free of its pieces."""
    faults = [event for event in events if isinstance(event, Fault)]
    assert not faults
    assert isinstance(events[-1], End)
    starts = [event for event in events if isinstance(event, ToolStart)]
    arguments = {
        start.key: "".join(it.text for it in events if isinstance(it, ToolDelta) and it.key == start.key)
        for start in starts
    }
    return {
        "text": "".join(event.text for event in events if isinstance(event, TextDelta)),
        "reasoning": "".join(event.text for event in events if isinstance(event, ReasoningDelta)),
        "calls": [(it.id, it.name, json.loads(arguments[it.key] or "{}")) for it in starts],
        "usage": [event.usage for event in events if isinstance(event, UsageSeen)][-1],
        "finish": [event.reason for event in events if isinstance(event, Finish)],
    }


def head_for() -> Head:
    asked = Request((Turn("user", (Text("Hi"),)),), tools=TOOLS, thinking=Thinking("high", show=True))
    return Head("7", "m1", 1_700_000_000, asked, SEALS, include_usage=True)


def streamed(dialect: DialectName, events: Sequence[Event]) -> bytes:
    writer = DIALECT_OF[dialect].writer(head_for())
    return b"".join(writer.feed([event]) for event in events) + writer.closing()


def read_in(dialect: DialectName, pieces: Sequence[bytes]) -> list[Event]:
    reader = DIALECT_OF[dialect].reader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.finish()


@pytest.mark.parametrize("dialect", DIALECTS)
@QUICK
@given(events=answers(), data=st.data())
def test_a_stream_is_read_as_it_was_written(
    dialect: DialectName, events: list[Event], data: st.DataObject
) -> None:
    stream = streamed(dialect, events)
    at = data.draw(st.integers(0, len(stream)))
    assert heard(read_in(dialect, [stream[:at], stream[at:]])) == heard(events)
    assert heard(read_in(dialect, [stream[at : at + 1] for at in range(len(stream))])) == heard(events)


@pytest.mark.parametrize("dialect", DIALECTS)
@QUICK
@given(events=answers())
def test_a_whole_reply_says_what_a_stream_says(dialect: DialectName, events: list[Event]) -> None:
    codec = DIALECT_OF[dialect]
    assert heard(codec.read_events(codec.write_reply(events, head_for()))) == heard(events)


@pytest.mark.parametrize("first", DIALECTS)
@pytest.mark.parametrize("second", DIALECTS)
@QUICK
@given(events=answers())
def test_a_stream_survives_another_dialect(
    first: DialectName, second: DialectName, events: list[Event]
) -> None:
    between = read_in(first, [streamed(first, events)])
    assert heard(read_in(second, [streamed(second, between)])) == heard(events)


EXAMPLE: list[Event] = [
    Start("7", "m1"),
    ReasoningDelta("Über"),
    ReasoningDelta(" legen."),
    TextDelta("Grüße "),
    TextDelta("🎉"),
    ToolStart(0, "call_0", "weather"),
    ToolDelta(0, '{"a":'),
    ToolDelta(0, '"é"}'),
    ToolEnd(0),
    UsageSeen(Usage(input_uncached=30, cache_read=100, output_text=10, reasoning=14)),
    Finish("tool_calls"),
    End(),
]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_split_point_of_a_stream(dialect: DialectName) -> None:
    stream = streamed(dialect, EXAMPLE)
    for at in range(len(stream)):
        assert heard(read_in(dialect, [stream[:at], stream[at:]])) == heard(EXAMPLE), at
