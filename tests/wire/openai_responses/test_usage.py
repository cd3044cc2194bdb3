"""Without this the same tokens would be counted twice or not at all, as this dialect counts the cached within
the input and the reasoning within the output."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from switchgear.kernel.usage import TOKENS_MAX, Usage
from switchgear.wire.openai_responses.usage import read_usage, write_usage


def read(found: Any) -> Usage | None:
    return read_usage(json.dumps(found).encode())


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            {
                "input_tokens": 130,
                "input_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 10},
                "output_tokens": 24,
                "output_tokens_details": {"reasoning_tokens": 20},
                "total_tokens": 154,
            },
            Usage(input_uncached=20, cache_read=100, cache_write_5m=10, output_text=4, reasoning=20),
        ),
        ({"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}, Usage(input_uncached=3, output_text=2)),
        # A total that doesn't add up is counted anew; details that are more than their total are cut.
        ({"input_tokens": 3, "output_tokens": 2, "total_tokens": 9}, Usage(input_uncached=3, output_text=2)),
        (
            {
                "input_tokens": 3,
                "output_tokens": 0,
                "total_tokens": 3,
                "input_tokens_details": {"cached_tokens": 9},
            },
            Usage(cache_read=3),
        ),
        ({"prompt_tokens": "3", "completion_tokens": 2.0}, Usage(input_uncached=3, output_text=2)),
        # What is null is what the total has beyond the other; reasoning may be told beside the output.
        (
            {"input_tokens": 3, "output_tokens": None, "total_tokens": 9},
            Usage(input_uncached=3, output_text=6),
        ),
        (
            {
                "input_tokens": 3,
                "output_tokens": 2,
                "total_tokens": 9,
                "output_tokens_details": {"reasoning_tokens": 4},
            },
            Usage(input_uncached=3, output_text=2, reasoning=4),
        ),
        ({"input_tokens": -3, "output_tokens": True, "total_tokens": 4}, Usage(input_uncached=4)),
        ({"input_tokens": 2**70, "output_tokens": 0}, Usage(input_uncached=TOKENS_MAX)),
        ({"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_usage_is_read_to_disjoint_counts(found: Any, expected: Usage | None) -> None:
    assert read(found) == expected


def test_zeros_are_written_out_as_clients_read_them_strictly() -> None:
    assert json.loads(bytes(write_usage(Usage(input_uncached=1)))) == {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 1,
    }
    assert write_usage(None) == Raw(b"null")


_counts = st.integers(0, 1000)


@given(st.builds(Usage, _counts, _counts, _counts, output_text=_counts, reasoning=_counts))
def test_what_is_written_is_read_again(usage: Usage) -> None:
    assert read_usage(write_usage(usage)) == (usage if usage.tokens_total else None)


@given(st.binary(max_size=40))
def test_random_bytes_never_raise(raw: bytes) -> None:
    read_usage(raw)
