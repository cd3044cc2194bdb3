"""Without this an answer whose upstream counts its output last would cost next to nothing when it breaks off,
or an exact report would give way to a guess."""

import pytest

from switchgear.kernel.usage import Usage
from switchgear.relay.meter import with_seen_output


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
