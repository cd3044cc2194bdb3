"""Without this an answer whose counts come in pieces would be billed twice, or for its first token alone."""

from typing import Any

import pytest

from switchgear.kernel.usage import Usage
from switchgear.wire.anthropic_messages.usage import UsageReader


def counted(start: Any, *more: Any) -> Usage | None:
    reader = UsageReader()
    reader.take_start(start)
    for found in more:
        reader.take(found)
    return reader.usage


@pytest.mark.parametrize(
    ("reports", "usage"),
    [
        pytest.param(
            [{"input_tokens": 100, "output_tokens": 1}, {"output_tokens": 5}],
            Usage(input_uncached=100, output_text=5),
            id="anthropic",
        ),
        pytest.param(
            [
                {"input_tokens": 100, "output_tokens": 1},
                {"input_tokens": 20, "cache_read_input_tokens": 80, "output_tokens": 5},
            ],
            Usage(input_uncached=20, cache_read=80, output_text=5),
            id="the cache is known at the end",
        ),
        pytest.param(
            [
                {"input_tokens": 100, "output_tokens": 1},
                {"input_tokens": 0, "cache_read_input_tokens": 100, "output_tokens": 5},
            ],
            Usage(cache_read=100, output_text=5),
            id="all of it was cached",
        ),
        pytest.param(
            [{"input_tokens": 12, "output_tokens": 9}, {"input_tokens": 0, "output_tokens": 0}],
            Usage(input_uncached=12, output_text=9),
            id="all at the start, zeros at the end",
        ),
        pytest.param(
            [{"input_tokens": 12, "output_tokens": 1}],
            Usage(input_uncached=12),
            id="no end: how much was said is not known",
        ),
        pytest.param(
            [{"input_tokens": "12", "output_tokens": "1"}, {"output_tokens": "9"}],
            Usage(input_uncached=12, output_text=9),
            id="counts as strings",
        ),
        pytest.param([{}, None, {"input_tokens": "x"}], None, id="nothing"),
    ],
)
def test_reports_of_a_stream_add_up(reports: list[Any], usage: Usage | None) -> None:
    assert counted(*reports) == usage
