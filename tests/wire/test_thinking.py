"""Without this a request for reasoning could be switched off, doubled, or refused by the model that it was
mapped for, as each family has other words and numbers for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.neutral.effort import (
    CLAUDE_BUDGETS,
    EFFORTS,
    GEMINI_BUDGETS,
    QWEN_BUDGETS,
    budget_of,
    effort_of,
    fit_effort,
    is_lost,
)
from switchgear.wire.neutral.request import Effort, Thinking

FACTS = ModelFacts()


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        (None, None),
        (Thinking(), None),
        (Thinking(effort="none"), "none"),
        (Thinking(effort="xhigh", budget_tokens=1024), "xhigh"),
        (Thinking(budget_tokens=0), "none"),
        (Thinking(budget_tokens=128), "none"),
        (Thinking(budget_tokens=128, show=True), "minimal"),
        (Thinking(budget_tokens=1024), "minimal"),
        (Thinking(budget_tokens=2048), "low"),
        (Thinking(budget_tokens=10_000), "medium"),
        (Thinking(budget_tokens=16_384), "high"),
        (Thinking(budget_tokens=31_999), "xhigh"),
        (Thinking(budget_tokens=-1), "medium"),
    ],
)
def test_effort_of(thinking: Thinking | None, effort: Effort | None) -> None:
    assert effort_of(thinking) == effort


@pytest.mark.parametrize(
    ("thinking", "facts", "budget"),
    [
        (None, FACTS, None),
        (Thinking(), FACTS, None),
        (Thinking(effort="none"), FACTS, 0),
        (Thinking(effort="none"), ModelFacts(thinking_off=False, budget_min=128), 128),
        (Thinking(budget_tokens=-1), ModelFacts(budget_min=128), -1),
        (Thinking(budget_tokens=5), ModelFacts(budget_min=1024), 1024),
        (Thinking(budget_tokens=90_000), ModelFacts(budget_max=32_768), 32_768),
        (Thinking(effort="medium"), FACTS, 8192),
        (Thinking(effort="max"), FACTS, 32_768),
    ],
)
def test_budget_of(thinking: Thinking | None, facts: ModelFacts, budget: int | None) -> None:
    assert budget_of(thinking, facts) == budget


def test_the_highest_efforts_get_the_models_own_bound() -> None:
    assert budget_of(Thinking(effort="xhigh"), ModelFacts(budget_max=38_912), QWEN_BUDGETS) == 38_912
    assert budget_of(Thinking(effort="high"), FACTS, GEMINI_BUDGETS) == 24_576


@pytest.mark.parametrize("effort", EFFORTS)
def test_an_effort_survives_the_way_through_a_budget_of_claude(effort: Effort) -> None:
    """Both words for the most have one number."""
    budget = budget_of(Thinking(effort=effort), FACTS, CLAUDE_BUDGETS)
    again = effort_of(Thinking(budget_tokens=budget))
    assert again == ("xhigh" if effort == "max" else effort)


@pytest.mark.parametrize(
    ("effort", "efforts", "fitted"),
    [
        ("medium", (), "medium"),
        ("minimal", (), "low"),
        ("xhigh", (), "high"),
        ("max", (), "high"),
        ("none", (), "none"),
        ("minimal", ("low", "medium", "high"), "low"),
        ("xhigh", ("low", "medium", "high"), "high"),
        ("xhigh", ("low", "high", "max"), "max"),
        ("max", ("low", "high", "xhigh"), "xhigh"),
        ("none", ("minimal", "low"), "minimal"),
        ("minimal", ("none", "low", "high"), "low"),
        ("low", ("high",), "high"),
    ],
)
def test_fit_effort(effort: Effort, efforts: tuple[str, ...], fitted: Effort) -> None:
    assert fit_effort(effort, efforts) == fitted


@pytest.mark.parametrize(
    ("effort", "facts", "lost"),
    [
        (None, FACTS, False),
        ("high", FACTS, False),
        ("none", FACTS, True),
        ("none", ModelFacts(thinking="none"), False),
        ("low", ModelFacts(thinking="none"), True),
        ("low", ModelFacts(thinking="always"), False),
        ("none", ModelFacts(thinking="always"), True),
        ("none", ModelFacts(thinking="effort", efforts=("none", "low")), False),
        ("none", ModelFacts(thinking="effort", thinking_off=False, efforts=("low",)), True),
        ("none", ModelFacts(thinking="type"), False),
        ("none", ModelFacts(thinking="budget", thinking_off=False), True),
    ],
)
def test_what_can_t_be_told_is_lost(effort: Effort | None, facts: ModelFacts, lost: bool) -> None:
    assert is_lost(None if effort is None else Thinking(effort), facts) == lost


@given(st.sampled_from(EFFORTS), st.sets(st.sampled_from(EFFORTS), min_size=1))
def test_a_fitted_effort_is_one_that_the_model_takes(effort: Effort, efforts: set[Effort]) -> None:
    fitted = fit_effort(effort, tuple(efforts))
    assert fitted in efforts
    if effort != "none" and efforts - {"none"}:
        assert fitted != "none", "asking for reasoning never switches it off"


@given(st.integers(-1, 10**6), st.integers(0, 2000), st.integers(0, 10**5))
def test_a_budget_is_within_the_bounds(budget: int, least: int, most: int) -> None:
    facts = ModelFacts(budget_min=least, budget_max=max(most, least))
    found = budget_of(Thinking(budget_tokens=budget), facts)
    assert found is not None
    assert found in (0, -1) or least <= found <= (facts.budget_max or budget)
