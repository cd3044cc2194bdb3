"""Without this, answers that were asked for one by one would mix, be billed in part, or end too early."""

from switchgear.kernel.usage import Usage
from switchgear.wire.convert.fan_in import FanReader, join_whole, packed, tagged, unpacked
from switchgear.wire.faults.upstream_error import UpstreamError
from switchgear.wire.neutral.events import Choice, End, Event, Fault, Finish, Start, TextDelta, UsageSeen


def answer(text: str, tokens: int) -> list[Event]:
    return [
        Start("id", "m"),
        TextDelta(text),
        UsageSeen(Usage(input_uncached=5, output_text=tokens)),
        Finish("stop"),
        End(),
    ]


class Letters:
    """A reader whose every byte is a text, and whose end is an end."""

    def __init__(self) -> None:
        self._ended = False

    def feed(self, chunk: bytes) -> list[Event]:
        return [Start(), *(TextDelta(chr(byte)) for byte in chunk)]

    def finish(self) -> list[Event]:
        if self._ended:
            return []
        self._ended = True
        return [Finish("stop"), End()]


def test_answers_become_choices_of_one_whose_usage_is_the_sum() -> None:
    events = join_whole([answer("a", 1), answer("b", 2)])
    assert [event for event in events if isinstance(event, Start)] == [Start("id", "m")]
    assert [event.usage for event in events if isinstance(event, UsageSeen)][-1] == Usage(10, output_text=3)
    at = events.index(Choice(1))
    assert TextDelta("a") in events[:at]
    assert TextDelta("b") in events[at:]
    assert events.count(End()) == 1
    assert events[-1] == End()


def test_a_fault_of_one_is_the_end_of_all() -> None:
    fault = Fault(UpstreamError("transient", 200))
    events = join_whole([[Start(), fault], answer("b", 2)])
    assert events == [Start(), fault]


def test_pieces_find_their_reader_and_the_last_end_is_the_end() -> None:
    reader = FanReader([Letters(), Letters()])
    events = reader.feed(tagged(0, b"a")) + reader.feed(tagged(1, b"b")) + reader.feed(tagged(0, b"c"))
    assert events == [Start(), TextDelta("a"), Choice(1), TextDelta("b"), Choice(0), TextDelta("c")]
    assert End() not in reader.feed(tagged(1, b""))
    assert reader.feed(tagged(0, b""))[-1] == End()
    assert reader.finish() == []


def test_whole_replies_travel_as_one() -> None:
    assert unpacked(packed([b"{}", b"", b"\x00"])) == [b"{}", b"", b"\x00"]
