"""Without this a token could be billed twice, or not at all, or an absurd count become an absurd bill."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.kernel.usage import TOKENS_MAX, UNITS, Usage
from switchgear.wire.openai_chat.usage import merge_reports, read_usage
from switchgear.wire.openai_chat.usage import usage_of as usage_of_value

COUNTS = st.one_of(
    st.integers(0, 100),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["5", "x", "", None, True, [], {}, "9" * 40]),
)
DETAILS = ["cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "reasoning_tokens"]
KEYS = [
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "prompt_cache_hit_tokens",
    "prompt_cache_miss_tokens",
    "input_tokens",
    "output_tokens",
]
REPORTS = st.builds(
    lambda top, prompt, completion: {
        **top,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": completion,
    },
    st.dictionaries(st.sampled_from(KEYS), COUNTS, max_size=6),
    st.dictionaries(st.sampled_from(DETAILS), COUNTS, max_size=4) | COUNTS,
    st.dictionaries(st.sampled_from(DETAILS), COUNTS, max_size=4) | COUNTS,
)
USAGES = REPORTS.map(lambda report: read_usage(json.dumps(report).encode()))


MESSAGES_CACHE = {"cache_read_input_tokens": 8000, "cache_creation_input_tokens": 2000}


def usage_of(**found: Any) -> Usage | None:
    return read_usage(json.dumps(found).encode())


@pytest.mark.parametrize(
    ("found", "usage"),
    [
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {
                    "cached_tokens": 30,
                    "cache_write_tokens": 20,
                    "audio_tokens": 10,
                    "image_tokens": 5,
                    "text_tokens": 85,
                },
                "completion_tokens_details": {
                    "reasoning_tokens": 20,
                    "audio_tokens": 5,
                    "rejected_prediction_tokens": 3,
                },
            },
            Usage(
                input_uncached=35,
                cache_read=30,
                cache_write_5m=20,
                audio_in=10,
                image_in=5,
                output_text=25,
                reasoning=20,
                audio_out=5,
            ),
            id="openai",
        ),
        pytest.param(
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94},
            },
            Usage(input_uncached=32, output_text=9, reasoning=94),
            id="xai: reasoning beside the completion",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 20,
                "total_tokens": 35,
                "completion_tokens_details": {"reasoning_tokens": 8},
            },
            Usage(input_uncached=10, output_text=12, reasoning=8),
            id="a total that is neither sum changes nothing",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 20,
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(input_uncached=10, output_text=2, reasoning=3),
            id="a wrong total changes nothing",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "prompt_cache_hit_tokens": 6,
                "prompt_cache_miss_tokens": 4,
            },
            Usage(input_uncached=4, cache_read=6, output_text=5),
            id="deepseek",
        ),
        pytest.param(
            {"prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4, "completion_tokens": 1},
            Usage(input_uncached=4, cache_read=6, output_text=1),
            id="hit and miss alone",
        ),
        pytest.param(
            {"prompt_tokens": 8, "completion_tokens": 3, "cached_tokens": 2},
            Usage(input_uncached=6, cache_read=2, output_text=3),
            id="moonshot, stepfun",
        ),
        pytest.param({"prompt_tokens": 8, "total_tokens": 8}, Usage(input_uncached=8), id="embeddings"),
        pytest.param({"total_tokens": 8}, Usage(input_uncached=8), id="a total alone is input"),
        pytest.param(
            {"prompt_tokens": 8, "total_tokens": 11},
            Usage(input_uncached=8, output_text=3),
            id="completion told by the total",
        ),
        pytest.param(
            {"prompt_tokens": 8, "completion_tokens": None, "total_tokens": 11},
            Usage(input_uncached=8, output_text=3),
            id="null for the completion",
        ),
        pytest.param(
            {"prompt_tokens": None, "completion_tokens": 3, "total_tokens": 11},
            Usage(input_uncached=8, output_text=3),
            id="null for the prompt",
        ),
        pytest.param(
            {"prompt_tokens": 20, "completion_tokens": 424, "total_tokens": 1016},
            Usage(input_uncached=20, output_text=996),
            id="google: thoughts in the total alone",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 135,
                "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 20},
            },
            Usage(input_uncached=10, cache_read=100, cache_write_5m=20, output_text=5),
            id="cached beside the prompt",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 2, "cache_creation_input_tokens": 3},
            },
            Usage(input_uncached=5, cache_read=2, cache_write_5m=3, output_text=5),
            id="dashscope: written by another name",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "cache_read_input_tokens": 2,
                "cache_creation_input_tokens": 3,
            },
            Usage(input_uncached=5, cache_read=2, cache_write_5m=3, output_text=5),
            id="relays: the cache as messages name it",
        ),
        pytest.param(
            {"input_tokens": 10, "output_tokens": 5, **MESSAGES_CACHE},
            Usage(input_uncached=10, cache_read=8000, cache_write_5m=2000, output_text=5),
            id="messages: the cache beside the input",
        ),
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, **MESSAGES_CACHE},
            Usage(input_uncached=10, cache_read=8000, cache_write_5m=2000, output_text=5),
            id="the names of messages beside those of chat",
        ),
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 10015, **MESSAGES_CACHE},
            Usage(input_uncached=10, cache_read=8000, cache_write_5m=2000, output_text=5),
            id="the same with a total that counts them",
        ),
        pytest.param(
            {"prompt_tokens": 10010, "completion_tokens": 5, "total_tokens": 10015, **MESSAGES_CACHE},
            Usage(input_uncached=10, cache_read=8000, cache_write_5m=2000, output_text=5),
            id="the same with a prompt that counts them",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
            },
            Usage(input_uncached=10, cache_write_5m=20, cache_write_1h=30, output_text=5),
            id="how long the written tokens are kept",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "total_tokens": 105,
                "prompt_tokens_details": {
                    "cached_tokens": 10,
                    "cache_creation_tokens": 50,
                    "cache_creation_token_details": {"ephemeral_1h_input_tokens": 50},
                },
            },
            Usage(input_uncached=40, cache_read=10, cache_write_1h=50, output_text=5),
            id="litellm: written for an hour",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "total_tokens": 105,
                "prompt_tokens_details": {"cached_tokens": 10, "cached_creation_tokens": 50},
            },
            Usage(input_uncached=40, cache_read=10, cache_write_5m=50, output_text=5),
            id="new-api: written by its name",
        ),
        pytest.param(
            {"prompt_tokens": 4.0, "completion_tokens": "3"},
            Usage(input_uncached=4, output_text=3),
            id="floats and strings",
        ),
        pytest.param(
            {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}},
            Usage(cache_read=5, output_text=1),
            id="more cached than there is",
        ),
        pytest.param({"prompt_tokens": -5, "completion_tokens": 2}, Usage(output_text=2), id="negative"),
        pytest.param(
            {"prompt_tokens": 10**30, "completion_tokens": 2},
            Usage(input_uncached=TOKENS_MAX, output_text=2),
            id="huge",
        ),
        pytest.param(
            {"input_tokens": 3, "output_tokens": 4},
            Usage(input_uncached=3, output_text=4),
            id="the newer names",
        ),
        pytest.param({"prompt_tokens": 0, "completion_tokens": 0}, None, id="nothing counted"),
        pytest.param({}, None, id="empty"),
    ],
)
def test_vendors(found: dict[str, Any], usage: Usage | None) -> None:
    assert usage_of(**found) == usage


@pytest.mark.parametrize(
    "raw", [b"null", b"[]", b"1", b'"x"', b"", b"{", b'{"prompt_tokens":NaN}', b"[" * 9999]
)
def test_what_is_no_usage(raw: bytes) -> None:
    assert read_usage(raw) is None


@given(REPORTS)
@settings(max_examples=150, deadline=None)
def test_classes_are_disjoint_bounded_and_sum_to_the_totals(report: dict[str, Any]) -> None:
    usage = read_usage(json.dumps(report).encode())
    if usage is None:
        return
    assert all(0 <= getattr(usage, unit) <= TOKENS_MAX for unit in UNITS)
    assert usage.input_total <= TOKENS_MAX
    assert usage.output_total <= TOKENS_MAX
    prompt, completion = report.get("prompt_tokens"), report.get("completion_tokens")
    if type(prompt) is int and 0 < prompt <= TOKENS_MAX and "total_tokens" not in report:
        assert usage.input_total == prompt
    if type(completion) is int and 0 < completion <= TOKENS_MAX and "total_tokens" not in report:
        assert usage.output_total == completion


@given(USAGES, USAGES)
@settings(max_examples=100, deadline=None)
def test_reports_of_one_stream_keep_totals_and_never_count_twice(a: Usage | None, b: Usage | None) -> None:
    both = merge_reports(a, b)
    assert merge_reports(both, b) == both
    if a is None or b is None:
        assert both == (a or b)
        return
    assert both is not None
    assert both.input_total == max(a.input_total, b.input_total)
    assert both.output_total == max(a.output_total, b.output_total)
    assert all(getattr(both, unit) >= 0 for unit in UNITS)


def test_a_later_report_with_details_does_not_add_them_to_the_earlier_total() -> None:
    early = usage_of(prompt_tokens=100, completion_tokens=1)
    late = usage_of(prompt_tokens=100, completion_tokens=7, prompt_tokens_details={"cached_tokens": 80})
    assert merge_reports(early, late) == Usage(input_uncached=20, cache_read=80, output_text=7)


def test_a_token_that_was_told_as_read_and_then_as_written_is_one_token() -> None:
    early = usage_of(prompt_tokens=100, completion_tokens=1, prompt_tokens_details={"cached_tokens": 80})
    late = usage_of(prompt_tokens=100, completion_tokens=7, prompt_tokens_details={"cache_write_tokens": 80})
    assert merge_reports(early, late) == Usage(input_uncached=20, cache_write_5m=80, output_text=7)


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries(
        {"prompt_tokens": st.integers(-2, 60), "total_tokens": st.integers(-2, 120)},
        optional={
            "completion_tokens": st.integers(-2, 60),
            "cached_tokens": st.integers(0, 9),
            "prompt_tokens_details": st.dictionaries(
                st.sampled_from(["cached_tokens", "audio_tokens", "image_tokens"]), st.integers(-2, 40)
            )
            | st.none(),
            "completion_tokens_details": st.dictionaries(
                st.sampled_from(["reasoning_tokens", "audio_tokens"]), st.integers(-2, 40)
            ),
        },
    )
)
def test_the_short_way_for_ordinary_usage_says_what_the_long_way_says(found: dict[str, Any]) -> None:
    assert read_usage(msgspec.json.encode(found)) == usage_of_value(found)
