"""Without this, clients that keep only the fields they know would get a 400 on the turn after a tool call,
from every maker that wants its reasoning back."""

from switchgear.wire.neutral.events import (
    End,
    Event,
    Finish,
    ReasoningDelta,
    Redacted,
    Signature,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
)
from switchgear.wire.neutral.reasoning_memory import (
    Thoughts,
    ThoughtsReader,
    decode,
    encode,
    lacking,
    restored,
)
from switchgear.wire.neutral.request import Opaque, Reasoning, Text, ToolCall, ToolResult, Turn

SIGNATURE = Opaque("anthropic", "signature", "SIG")
HIDDEN = Opaque("anthropic", "redacted", "DATA")


def kept_of(events: list[Event], size_max: int = 1000) -> dict[str, Thoughts]:
    reader = ThoughtsReader("anthropic", size_max)
    for event in events:
        reader.take(event)
    return reader.found()


ANSWER: list[Event] = [
    Start("1", "m"),
    ReasoningDelta("Need "),
    ReasoningDelta("weather."),
    Signature(SIGNATURE),
    Redacted(HIDDEN),
    TextDelta("Looking."),
    ToolStart(0, "toolu_9", "get_weather"),
    ToolDelta(0, "{}"),
    ToolEnd(0),
    ToolStart(1, "functions.Bash:0", "Bash"),
    ToolEnd(1),
    Finish("tool_calls"),
    End(),
]


def history(*ids: str) -> tuple[Turn, ...]:
    calls = tuple(ToolCall(id, "f", "{}") for id in ids)
    results = tuple(ToolResult(id, (Text("18 C"),)) for id in ids)
    return (
        Turn("user", (Text("hi"),)),
        Turn("assistant", (Text("Looking."), *calls)),
        Turn("user", results),
    )


def test_a_stripped_history_gets_its_reasoning_back_before_its_calls() -> None:
    kept = kept_of(ANSWER)
    turns = history("toolu_9")
    assert lacking(turns, "anthropic") == ("toolu_9",)
    again = restored(turns, {"toolu_9": kept["toolu_9"]}, "anthropic")
    assert again[1].parts[:3] == (
        Reasoning("Need weather.", SIGNATURE),
        Reasoning("", HIDDEN),
        Text("Looking."),
    )
    assert (again[0], again[2]) == (turns[0], turns[2])


def test_a_call_is_found_by_the_id_that_a_strict_client_got_for_it() -> None:
    kept = kept_of(ANSWER)
    cleaned = [id for id in kept if id not in ("toolu_9", "functions.Bash:0")]
    assert len(cleaned) == 1
    assert "." not in cleaned[0]
    assert ":" not in cleaned[0]


def test_another_makers_reasoning_stays_away() -> None:
    kept = kept_of(ANSWER)
    turns = history("toolu_9")
    assert restored(turns, kept, "google") == turns


def test_what_the_client_sent_itself_is_not_replaced() -> None:
    own = Reasoning("Mine.", Opaque("anthropic", "signature", "OWN"))
    turns = (Turn("assistant", (own, ToolCall("toolu_9", "f", "{}"))),)
    assert lacking(turns, "anthropic") == ()
    assert restored(turns, kept_of(ANSWER), "anthropic") == turns


def test_a_token_on_the_call_itself_comes_back_to_that_call() -> None:
    token = Opaque("google", "signature", "T")
    reader = ThoughtsReader("google", 1000)
    for event in (ToolStart(0, "a", "f", opaque=token), ToolEnd(0), ToolStart(1, "b", "f"), ToolEnd(1)):
        reader.take(event)
    again = restored(history("a", "b"), reader.found(), "google")
    assert [part.opaque for part in again[1].parts if isinstance(part, ToolCall)] == [token, None]


def test_nothing_is_kept_of_an_answer_without_calls_or_without_reasoning() -> None:
    assert kept_of([ReasoningDelta("x"), Signature(SIGNATURE), TextDelta("y"), End()]) == {}
    assert kept_of([ToolStart(0, "a", "f"), ToolEnd(0), End()]) == {}


def test_more_reasoning_than_the_bound_is_not_kept() -> None:
    assert kept_of(ANSWER, size_max=5) == {}


def test_it_goes_over_the_link_and_back() -> None:
    thoughts = kept_of(ANSWER)["toolu_9"]
    assert decode(encode(thoughts)) == thoughts
    assert decode(b"\xc1junk") is None
