"""What is known of models by their names. Without this, a dated or an operator's own name would be asked in a
way that its vendor refuses: a budget where only an effort is taken, a temperature where none is.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.catalog.document import CatalogError
from switchgear.catalog.facts import facts_for, load_families
from switchgear.catalog.loader import load_models
from switchgear.kernel.dialects import DIALECTS
from switchgear.kernel.facts import ModelFacts
from switchgear.vendors.shipped import shipped

HEAD = 'vendor = "acme"\nowned_by = "o"\n[models."acme-large"]\ncontext_tokens = 7\noutput_tokens_max = 5\n'


def facts(vendor: str, model: str) -> ModelFacts:
    return shipped().facts_of(vendor, model)


def own(families: str, vendor: str, model: str) -> ModelFacts:
    texts = {"acme.toml": HEAD + families}
    return facts_for(vendor, model, load_families(texts), load_models(texts))


@pytest.mark.parametrize(
    ("model", "thinking", "off", "efforts"),
    [
        ("gpt-4o-2024-08-06", "none", True, ()),
        ("o3-mini-2025-01-31", "effort", False, ("low", "medium", "high")),
        ("gpt-5-mini-2025-08-07", "effort", False, ("minimal", "low", "medium", "high")),
        ("gpt-5.1-2025-11-13", "effort", True, ("none", "low", "medium", "high")),
        ("gpt-5.2", "effort", True, ("none", "low", "medium", "high", "xhigh")),
        ("gpt-5.2-chat-latest", "none", True, ()),
        ("openai/gpt-oss-120b", "effort", False, ("low", "medium", "high")),
        ("claude-3-5-sonnet-20241022", "none", True, ()),
        ("claude-3-7-sonnet-20250219", "manual", True, ()),
        ("claude-opus-4-20250514", "manual", True, ()),
        ("claude-sonnet-4-5", "manual", True, ()),
        ("anthropic/claude-haiku-4-5-20251001", "manual", True, ()),
        ("claude-sonnet-4-6", "manual_adaptive", True, ("low", "medium", "high", "max")),
        ("claude-opus-4-7", "adaptive", True, ("low", "medium", "high", "xhigh", "max")),
        ("claude-opus-5-20260801", "adaptive", True, ("low", "medium", "high", "xhigh", "max")),
        ("gemini-2.0-flash", "none", True, ()),
        ("gemini-2.5-flash-preview-09-2025", "budget", True, ()),
        ("gemini-2.5-pro", "budget", False, ()),
        ("gemini-2.5-flash-image", "none", True, ()),
        ("gemini-3-pro-preview", "level", False, ("low", "high")),
        ("gemini-3.1-pro-preview", "level", False, ("low", "medium", "high")),
        ("gemini-3-flash-preview", "level", False, ("minimal", "low", "medium", "high")),
        ("gemini-3-pro-image-preview", "none", True, ()),
        ("deepseek-ai/DeepSeek-V4-Pro", "type", True, ("low", "high", "max")),
        ("deepseek-reasoner", "always", False, ()),
        ("qwen3-235b-a22b", "switch", True, ()),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", "none", True, ()),
        ("qwen3-next-80b-a3b-thinking", "always", False, ()),
        ("glm-4.7", "type", True, ()),
        ("kimi-k2.5", "type", True, ()),
        ("kimi-k2-thinking", "always", False, ()),
        ("kimi-k3", "effort", False, ("low", "high", "max")),
        ("MiniMax-M2.7", "always", False, ()),
        ("doubao-seed-1-8-251228", "type", True, ("minimal", "low", "medium", "high")),
        ("mimo-v2-pro", "type", True, ()),
        ("grok-4-1-fast-non-reasoning", "none", True, ()),
        ("some-model-of-my-own", "", True, ()),
    ],
)
def test_a_name_on_any_server_has_the_switch_of_its_family(
    model: str, thinking: str, off: bool, efforts: tuple[str, ...]
) -> None:
    found = facts("compatible", model)
    assert (found.thinking, found.thinking_off, found.efforts) == (thinking, off, efforts)


@pytest.mark.parametrize(
    "model",
    [
        "gpt-5.1-codex",
        "gpt-5.2-pro",
        "gpt-5.4-pro-2026-03-05",
        "o3-pro",
        "codex-mini-latest",
        "o3-deep-research",
        "o4-mini-deep-research-2025-06-26",
    ],
)
def test_models_behind_one_of_the_two_doors_of_openai_are_told(model: str) -> None:
    assert facts("openai", model).responses_only
    assert not facts("openai", "gpt-5.2").responses_only


def test_budgets_are_those_of_the_family() -> None:
    def budgets(model: str) -> tuple[int, int]:
        found = facts("gemini", model)
        return found.budget_min, found.budget_max

    assert budgets("gemini-2.5-pro") == (128, 32_768)
    assert budgets("gemini-2.5-flash") == (0, 24_576)
    assert budgets("gemini-2.5-flash-lite-preview-09-2025") == (512, 24_576)
    assert facts("anthropic", "claude-sonnet-4-5").budget_min == 1024


def test_what_only_one_host_asks_for_does_not_follow_the_model_elsewhere() -> None:
    assert facts("dashscope", "deepseek-v4-pro").thinking == "switch"
    assert facts("deepseek", "deepseek-v4-pro").thinking == "type"
    assert facts("dashscope", "qwen-plus").system_first
    assert not facts("compatible", "qwen-plus").system_first
    assert facts("moonshot", "kimi-k2.5").no_sampling
    assert not facts("compatible", "kimi-k2.5").no_sampling


def test_token_figures_are_the_catalogue_s_where_it_lists_the_model() -> None:
    assert facts("anthropic", "claude-opus-4-6").output_tokens_max == 128_000
    assert facts("compatible", "claude-opus-4-6").output_tokens_max == 128_000
    assert facts("compatible", "claude-opus-4-6-20260205").output_tokens_max == 64_000
    assert facts("minimax", "MiniMax-M2.5").context_tokens == 204_800  # listed under another id


def test_the_longer_pattern_stands_above_the_shorter_and_the_vendor_s_word_above_all() -> None:
    families = (
        '[families]\n"acme-large*" = { no_stop = true }\n"*" = { no_stop = false, no_prefill = true }\n'
        '[hosted]\n"acme*" = { no_prefill = false, json_schema = false }\n'
    )
    assert own(families, "other", "x/ACME-large-2") == ModelFacts(no_stop=True, no_prefill=True)
    assert own(families, "acme", "acme-large") == ModelFacts(5, 7, no_stop=True, json_schema=False)
    assert own(families, "other", "acm") == ModelFacts(no_prefill=True)


def test_a_model_that_does_not_reason_has_nothing_of_what_its_family_says_of_reasoning() -> None:
    families = (
        '[families]\n"*" = { thinking = "effort", thinking_off = false, efforts = ["low"], budget_min = 3, '
        'needs_reasoning_back = true, thinking_auto_only = true }\n"a" = { thinking = "none" }\n'
        '"b" = { thinking = "always" }\n'
    )
    assert own(families, "x", "a") == ModelFacts(thinking="none")
    always = ModelFacts(
        thinking="always", thinking_off=False, needs_reasoning_back=True, thinking_auto_only=True
    )
    assert own(families, "x", "b") == always


@pytest.mark.parametrize(
    ("families", "says"),
    [
        ('[families]\n"a*" = { thinkin = "none" }', 'did you mean "thinking"'),
        ('[families]\n"a*" = { thinking = "on" }', "thinking"),
        ('[families]\n"a*" = { efforts = ["hihg"] }', "efforts"),
        ('[families]\n"A*" = { thinking = "none" }', "lower case"),
        ('[families]\n"" = { thinking = "none" }', "a pattern is"),
        ('[families]\n"a(b" = { thinking = "none" }', "a pattern is"),
        ('[families]\n"a*" = { budget_min = 9, budget_max = 8 }', "budget_min is above"),
        ('[hosted]\n"a*" = { output_tokens_max = -1 }', "negative"),
    ],
)
def test_a_bad_family_is_refused_by_place_and_remedy(families: str, says: str) -> None:
    with pytest.raises(CatalogError, match=says) as caught:
        load_families({"acme.toml": HEAD + families})
    assert str(caught.value).startswith("acme.toml: ")


def test_a_pattern_stands_in_one_file() -> None:
    more = HEAD + '[families]\n"a*" = { thinking = "none" }\n'
    with pytest.raises(CatalogError, match="two places"):
        load_families({"acme.toml": more, "other.toml": more})


@given(st.sampled_from(sorted(shipped().vendors)), st.text(max_size=60))
def test_any_name_has_facts_that_do_not_contradict_themselves(vendor: str, model: str) -> None:
    found = facts(vendor, model)
    assert found.budget_min <= found.budget_max or found.budget_max == 0
    assert found.thinking_off or found.thinking not in ("", "none")
    assert found.thinking_off == ("none" in found.efforts) or found.thinking not in ("effort",)


def test_every_model_that_converses_says_how_its_reasoning_is_switched() -> None:
    """Empty is for names that nobody knows; MiniMax says nothing of its M3."""
    unsaid = [
        model.id
        for model in shipped().models.values()
        if set(model.endpoints) & set(DIALECTS)
        and not facts(model.vendor, model.upstream_id or model.id).thinking
    ]
    assert unsaid == ["MiniMax-M3"]
