"""Without this an answer of an upstream that knows no stop sequences would run on past them, or lose text
that only looked like one."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from switchgear.kernel.usage import Usage
from switchgear.wire.convert.stop_cut import StopCut
from switchgear.wire.neutral.events import (
    Choice,
    End,
    Event,
    Finish,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_the_answer_ends_before_the_first_match_and_says_which_it_was() -> None:
    cut = StopCut(("END", "###"))
    out = cut.feed([Start(), TextDelta("one ##"), TextDelta("# two END")])
    assert cut.is_cut
    out += cut.feed([TextDelta("three"), UsageSeen(Usage(output_text=9)), Finish("stop"), End()])
    assert out == [
        Start(),
        TextDelta("one "),
        UsageSeen(Usage(output_text=9)),
        Finish("stop_sequence", "###"),
        End(),
    ]


def test_only_what_may_become_a_match_is_held_back() -> None:
    cut = StopCut(("\n\nHuman:",))
    assert cut.feed([TextDelta("Hi")]) == [TextDelta("Hi")]
    assert cut.feed([TextDelta(" you\n\nHu")]) == [TextDelta(" you")]
    assert cut.feed([TextDelta("m")]) == []
    assert text_of(cut.feed([TextDelta("our")])) == "\n\nHumour"


def test_text_that_only_looked_like_one_is_said_before_what_follows() -> None:
    for after in (Finish("stop"), ReasoningDelta("hm"), ToolStart(0, "1", "f")):
        cut = StopCut(("END",))
        cut.feed([TextDelta("E")])
        assert cut.feed([after]) == [TextDelta("E"), after]


def test_a_call_that_was_open_gets_its_end() -> None:
    cut = StopCut(("X",))
    out = cut.feed([ToolStart(0, "1", "f"), TextDelta("X"), ToolStart(1, "2", "f"), ToolEnd(1), ToolEnd(0)])
    assert out == [ToolStart(0, "1", "f"), ToolEnd(0)]


def test_each_choice_is_cut_for_itself() -> None:
    cut = StopCut(("X",))
    out = cut.feed([Choice(0), TextDelta("aX"), Choice(1), TextDelta("b"), Choice(0), TextDelta("c")])
    assert text_of(out) == "ab"
    assert not cut.is_cut


def test_logprobs_stay_with_their_text() -> None:
    cut = StopCut(("END",))
    out = cut.feed([TextDelta("a", Raw(b"[1]")), TextDelta("E", Raw(b"[2]")), TextDelta("x", Raw(b"[3]"))])
    assert out == [TextDelta("a", Raw(b"[1]")), TextDelta("E", Raw(b"[2]")), TextDelta("x", Raw(b"[3]"))]


@given(
    st.text("ab#", max_size=20),
    st.lists(st.text("ab#", min_size=1, max_size=4), min_size=1, max_size=3),
    st.lists(st.integers(0, 20), max_size=5),
)
def test_wherever_the_text_is_split_the_cut_is_the_same(said: str, stops: list[str], at: list[int]) -> None:
    ends = [end for end in range(len(said) + 1) if said[:end].endswith(tuple(stops))]
    matched = max((stop for stop in stops if ends and said[: ends[0]].endswith(stop)), key=len, default="")
    expected = said[: ends[0] - len(matched)] if ends else said
    bounds = sorted({0, len(said), *(min(offset, len(said)) for offset in at)})
    cut = StopCut(tuple(stops))
    out: list[Event] = []
    for start, end in pairwise(bounds):
        out += cut.feed([TextDelta(said[start:end])])
    out += cut.feed([Finish("stop")])
    assert text_of(out) == expected
    assert out[-1] == (Finish("stop_sequence", matched) if ends else Finish("stop"))
