"""Without this an answer whose upstream counts its output last would cost next to nothing when it breaks off,
or an exact report would give way to a guess."""

import asyncio

import pytest

from switchgear.kernel.usage import Usage
from switchgear.relay.meter import TokenTally, with_seen_output


@pytest.mark.parametrize("reported", [Usage(30, 100), Usage(30, 100, output_text=1)])
def test_a_report_of_the_beginning_takes_the_output_that_was_seen(reported: Usage) -> None:
    assert with_seen_output(reported, 500) == Usage(30, 100, output_text=500)


def test_what_was_reported_of_it_keeps_its_class() -> None:
    seen = with_seen_output(Usage(3, output_text=2, reasoning=40), 500)
    assert (seen.reasoning, seen.output_total) == (40, 500)


@pytest.mark.parametrize("counted", [0, 90, 110, 200])
def test_a_report_stands_where_a_guess_may_be_as_wrong(counted: int) -> None:
    reported = Usage(3, output_text=60, reasoning=40)
    assert with_seen_output(reported, counted) is reported


async def test_counting_that_was_given_up_goes_on_and_counts_no_piece_twice() -> None:
    """A client's time is up while its text is counted: its record needs the count all the same."""
    may_end = asyncio.Event()

    async def slow(text: str, model: str) -> int:
        if text == "b":
            await may_end.wait()
        return 10

    tally = TokenTally(slow, "m")
    for piece in "abc":
        tally.add(piece)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await tally.total()
    may_end.set()
    assert await tally.total() == 30
