"""Without this the same answer could cost another price in this dialect than in the others."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.usage import TOKENS_MAX, Usage
from switchgear.wire.gemini_generate.usage import read_usage, usage_object, with_images


def read(found: Any) -> Usage | None:
    return read_usage(json.dumps(found).encode())


def details(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items()]


@pytest.mark.parametrize(
    ("found", "usage"),
    [
        (
            {
                "promptTokenCount": 8,
                "candidatesTokenCount": 2,
                "thoughtsTokenCount": 98,
                "totalTokenCount": 108,
            },
            Usage(input_uncached=8, output_text=2, reasoning=98),
        ),
        (
            {"promptTokenCount": 130, "cachedContentTokenCount": 100, "candidatesTokenCount": 24},
            Usage(input_uncached=30, cache_read=100, output_text=24),
        ),
        (
            {"promptTokenCount": 5, "toolUsePromptTokenCount": 7, "candidatesTokenCount": 1},
            Usage(input_uncached=12, output_text=1),
        ),
        (
            {
                "promptTokenCount": 100,
                "cachedContentTokenCount": 40,
                "promptTokensDetails": details(TEXT=20, AUDIO=50, IMAGE=30),
                "cacheTokensDetails": details(AUDIO=40),
                "candidatesTokenCount": 60,
                "candidatesTokensDetails": details(AUDIO=10, IMAGE=45),
            },
            Usage(
                input_uncached=20,
                cache_read=40,
                audio_in=10,
                image_in=30,
                output_text=5,
                audio_out=10,
                image_out=45,
            ),
        ),
        (
            {"promptTokenCount": 5, "totalTokenCount": 12, "thoughtsTokenCount": 3},
            Usage(5, output_text=4, reasoning=3),
        ),
        ({"promptTokenCount": "5", "candidatesTokenCount": 2.0}, Usage(5, output_text=2)),
        ({"promptTokenCount": 5, "cachedContentTokenCount": 9}, Usage(cache_read=5)),
        ({}, None),
        ({"promptTokenCount": 0}, None),
        ({"promptTokenCount": -4}, None),
        ([], None),
        (None, None),
    ],
)
def test_counts_are_disjoint(found: Any, usage: Usage | None) -> None:
    assert read(found) == usage


_COUNT = st.integers(-5, TOKENS_MAX * 4) | st.none() | st.text(max_size=3) | st.floats(allow_nan=False)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            (
                "promptTokenCount",
                "cachedContentTokenCount",
                "toolUsePromptTokenCount",
                "candidatesTokenCount",
                "thoughtsTokenCount",
                "totalTokenCount",
            ),
            _COUNT,
        ),
    ),
    st.lists(
        st.fixed_dictionaries({"modality": st.sampled_from(["AUDIO", "IMAGE", "X"]), "tokenCount": _COUNT})
    ),
)
def test_no_class_is_negative_and_the_prompt_is_kept(found: dict[str, Any], modal: list[Any]) -> None:
    usage = read({**found, "promptTokensDetails": modal, "candidatesTokensDetails": modal})
    if usage is not None:
        assert all(count > 0 for _, count in usage.counts())


@given(st.tuples(*[st.integers(0, 10**6)] * 7))
def test_what_is_written_is_read_again(counts: tuple[int, ...]) -> None:
    uncached, cached, audio, image, text, reasoning, image_out = counts
    usage = Usage(
        input_uncached=uncached,
        cache_read=cached,
        audio_in=audio,
        image_in=image,
        output_text=text,
        reasoning=reasoning,
        image_out=image_out,
    )
    written = usage_object(usage)
    assert written["totalTokenCount"] == usage.tokens_total
    assert read(written) == (usage if usage.tokens_total else None)


def test_pictures_are_not_counted_twice() -> None:
    told = Usage(5, output_text=10, image_out=1290)
    assert with_images(told, 1) == told
    assert with_images(Usage(5, output_text=1000), 2) == Usage(5, image_out=1000)
    assert with_images(None, 1) is None
