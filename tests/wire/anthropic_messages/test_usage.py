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


def written(total: int | None, minutes: int, hour: int) -> dict[str, Any]:
    """A report of tokens written to the cache."""
    parts = {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour}
    return {"cache_creation": parts} | ({} if total is None else {"cache_creation_input_tokens": total})


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
        pytest.param(
            [
                {"input_tokens": 10, **written(1000, 1000, 0), "output_tokens": 1},
                {**written(1000, 0, 1000), "output_tokens": 5},
            ],
            Usage(input_uncached=10, cache_write_1h=1000, output_text=5),
            id="written for five minutes at the start and for an hour at the end",
        ),
        pytest.param(
            [
                {"input_tokens": 10, **written(1000, 1000, 0), "output_tokens": 1},
                {**written(None, 0, 1500), "output_tokens": 5},
            ],
            Usage(input_uncached=10, cache_write_1h=1500, output_text=5),
            id="the later parts make the total where none is named",
        ),
        pytest.param(
            [
                {"input_tokens": 10, **written(1000, 0, 1000), "output_tokens": 1},
                {"input_tokens": 10, **written(400, 400, 0), "output_tokens": 5},
            ],
            Usage(input_uncached=10, cache_write_5m=400, output_text=5),
            id="a part that is zero in the end",
        ),
        pytest.param(
            [
                {"input_tokens": 10, **written(1000, 0, 1000), "output_tokens": 1},
                {"input_tokens": 1010, **written(0, 0, 0), "output_tokens": 5},
            ],
            Usage(input_uncached=1010, output_text=5),
            id="nothing was written in the end",
        ),
        pytest.param(
            [
                {"input_tokens": 10, **written(1000, 0, 1000), "output_tokens": 1},
                {"input_tokens": 0, **written(0, 0, 0), "output_tokens": 5},
            ],
            Usage(input_uncached=10, cache_write_1h=1000, output_text=5),
            id="an end of zeros says nothing of the input",
        ),
        pytest.param(
            [{}, {"input_tokens": 10, **written(1000, 1000, 1000), "output_tokens": 5}],
            Usage(input_uncached=10, cache_write_1h=1000, output_text=5),
            id="parts beyond their total",
        ),
        pytest.param(
            [
                {},
                {
                    "prompt_tokens": 100,
                    "completion_tokens": 5,
                    "prompt_tokens_details": {"cached_tokens": 80},
                },
            ],
            Usage(input_uncached=20, cache_read=80, output_text=5),
            id="the names of chat",
        ),
        pytest.param([{}, None, {"input_tokens": "x"}], None, id="nothing"),
    ],
)
def test_reports_of_a_stream_add_up(reports: list[Any], usage: Usage | None) -> None:
    assert counted(*reports) == usage
