"""Without this an answer by schema would reach the client as a call of a tool that it never declared."""

from switchgear.wire.convert.answer_tool import Unwrapper
from switchgear.wire.neutral.events import (
    End,
    Event,
    Finish,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
)


def test_the_call_is_the_answers_text() -> None:
    events: list[Event] = [
        Start(),
        ToolStart(0, "c", "json_output"),
        ToolDelta(0, '{"n":'),
        ToolDelta(0, "1}"),
        ToolEnd(0),
        Finish("tool_calls"),
        End(),
    ]
    assert Unwrapper("json_output").take(events) == [
        Start(),
        TextDelta('{"n":'),
        TextDelta("1}"),
        Finish("stop"),
        End(),
    ]


def test_other_calls_are_counted_as_if_it_was_not_there() -> None:
    events: list[Event] = [
        ToolStart(0, "c", "json_output"),
        ToolEnd(0),
        ToolStart(1, "d", "f"),
        ToolDelta(1, "{}"),
        ToolEnd(1),
        Finish("tool_calls"),
    ]
    assert Unwrapper("json_output").take(events) == [
        ToolStart(0, "d", "f"),
        ToolDelta(0, "{}"),
        ToolEnd(0),
        Finish("tool_calls"),
    ]


def test_an_answer_that_was_too_long_stays_one() -> None:
    events: list[Event] = [ToolStart(0, "c", "json_output"), Finish("length")]
    assert Unwrapper("json_output").take(events) == [Finish("length")]


def test_what_came_in_one_chunk_is_known_in_the_next() -> None:
    unwrapper = Unwrapper("json_output")
    first: list[Event] = [ToolStart(0, "c", "json_output"), ToolDelta(0, "{}")]
    assert unwrapper.take(first) == [TextDelta("{}")]
    last: list[Event] = [ToolEnd(0), Finish("tool_calls"), End()]
    assert unwrapper.take(last) == [Finish("stop"), End()]
