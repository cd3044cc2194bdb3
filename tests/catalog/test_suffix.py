"""Wishes behind a model's name. Without this, a model that is really called so would be asked under another
name, or a name with a wish would be no model at all.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.catalog.suffix import Suffix, split_suffix
from switchgear.kernel.limits import SUFFIX_BUDGET_TOKENS_MAX

MODELS = {
    "claude-opus-4-6",
    "gpt-5",
    "gpt-5.1-codex",
    "qwen3-max",
    "kimi-k2",
    "kimi-k2-thinking",
    "o3",
    "grok-3-mini",
}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("claude-opus-4-6-thinking", Suffix("claude-opus-4-6")),
        ("claude-opus-4-6-thinking-8192", Suffix("claude-opus-4-6", budget_tokens=8192)),
        ("claude-opus-4-6-thinking-0", Suffix("claude-opus-4-6", budget_tokens=0, off=True)),
        ("claude-opus-4-6-nothinking", Suffix("claude-opus-4-6", off=True)),
        ("gpt-5-none", Suffix("gpt-5", effort="none", off=True)),
        ("gpt-5-minimal", Suffix("gpt-5", effort="minimal")),
        ("gpt-5-low", Suffix("gpt-5", effort="low")),
        ("gpt-5-medium", Suffix("gpt-5", effort="medium")),
        ("o3-high", Suffix("o3", effort="high")),
        ("gpt-5.1-codex-xhigh", Suffix("gpt-5.1-codex", effort="xhigh")),
        ("gpt-5-max", Suffix("gpt-5", effort="max")),
        ("kimi-k2-thinking-high", Suffix("kimi-k2-thinking", effort="high")),
        ("kimi-k2-thinking-512", Suffix("kimi-k2", budget_tokens=512)),
    ],
)
def test_a_wish_is_read_off_the_name(name: str, found: Suffix) -> None:
    assert split_suffix(name, MODELS.__contains__) == found


@pytest.mark.parametrize(
    "name",
    [
        *sorted(MODELS),  # some of them end as a wish does
        "gpt-4-high",
        "-thinking",
        "-high",
        "high",
        "",
        "gpt-5-thinking-",
        "gpt-5-thinking--1",
        "gpt-5-thinking-1e3",
        "gpt-5-thinking-٣",
        f"gpt-5-thinking-{SUFFIX_BUDGET_TOKENS_MAX + 1}",
        "gpt-5-thinking-" + "9" * 5000,
        "gpt-5-High",
        "gpt-5-thinking-high",  # two wishes
    ],
)
def test_any_other_name_is_taken_as_it_is(name: str) -> None:
    assert split_suffix(name, MODELS.__contains__) is None


@given(st.text(max_size=40), st.sets(st.text(max_size=20)))
def test_what_is_found_is_known_and_the_beginning_of_the_name(name: str, known: set[str]) -> None:
    found = split_suffix(name, known.__contains__)
    assert found is None or (name not in known and found.base in known and name.startswith(f"{found.base}-"))
