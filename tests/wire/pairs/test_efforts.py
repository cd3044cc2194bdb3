"""Without this a wish about reasoning would be refused by hosts whose models nobody knows, cut to a fraction
of itself, or lost in silence."""

from typing import Any

import pytest
from tests.wire.pairs.prepared import sent, unknown
from tests.wire.pairs.relay import Target

from switchgear.kernel.dialects import DialectName

CHAT, RESPONSES = unknown("openai_chat"), unknown("openai_responses")
MESSAGES, GEMINI = unknown("anthropic_messages"), unknown("gemini_generate")
NEAREST = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
WISHES: dict[DialectName, Any] = {
    "openai_chat": lambda effort: {"reasoning_effort": effort},
    "openai_responses": lambda effort: {"reasoning": {"effort": effort}},
    "anthropic_messages": lambda effort: {
        "thinking": {"type": "disabled"} if effort == "none" else {"type": "adaptive"},
        "output_config": {"effort": effort},
    },
    "gemini_generate": lambda effort: {"generationConfig": {"thinkingConfig": {"thinkingLevel": effort}}},
}
FIELDS: dict[DialectName, str] = {
    "openai_chat": "reasoning_effort",
    "openai_responses": "reasoning",
    "anthropic_messages": "thinking",
    "gemini_generate": "generationConfig.thinkingConfig",
}


@pytest.mark.parametrize("effort", NEAREST)
@pytest.mark.parametrize("client", WISHES)
def test_unknown_models_get_a_word_that_all_know(client: DialectName, effort: str) -> None:
    if client != "openai_chat":
        body, dropped = sent(client, CHAT, **WISHES[client](effort))
        assert (body["reasoning_effort"], dropped) == (NEAREST[effort], ())
    if client != "openai_responses":
        body, dropped = sent(client, RESPONSES, **WISHES[client](effort))
        assert (body["reasoning"]["effort"], dropped) == (NEAREST[effort], ())


@pytest.mark.parametrize("client", WISHES)
def test_unknown_models_are_told_nothing_of_none(client: DialectName) -> None:
    wish = WISHES[client]("none")
    for target, field in ((CHAT, "reasoning_effort"), (RESPONSES, "reasoning")):
        if target.dialect != client:
            body, dropped = sent(client, target, **wish)
            assert field not in body
            assert dropped == (FIELDS[client],)
    if client != "anthropic_messages":
        body, dropped = sent(client, MESSAGES, **wish)
        assert (body["thinking"], dropped) == ({"type": "disabled"}, ())
    if client != "gemini_generate":
        body, dropped = sent(client, GEMINI, **wish)
        assert (body.get("generationConfig", {}).get("thinkingConfig"), dropped) == (None, (FIELDS[client],))


@pytest.mark.parametrize(("effort", "budget"), [("low", 2048), ("high", 16384), ("max", 32768)])
def test_a_cap_of_our_own_leaves_room_for_the_budget(effort: str, budget: int) -> None:
    body, dropped = sent("openai_chat", MESSAGES, reasoning_effort=effort)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert body["max_tokens"] >= budget + 4096
    assert dropped == ()


def test_a_cap_of_the_client_stands_where_the_models_is_unknown() -> None:
    body, _ = sent("openai_chat", MESSAGES, reasoning_effort="high", max_tokens=4000)
    assert (body["max_tokens"], body["thinking"]["budget_tokens"]) == (4000, 2000)


@pytest.mark.parametrize(("effort", "budget"), [("high", 24576), ("xhigh", 24576), ("max", 24576)])
def test_no_gemini_model_is_asked_for_more_than_all_can_do(effort: str, budget: int) -> None:
    body, _ = sent("openai_chat", GEMINI, reasoning_effort=effort)
    assert body["generationConfig"]["thinkingConfig"]["thinkingBudget"] == budget


def test_a_small_budget_is_still_seen() -> None:
    wish = {"thinking_config": {"thinking_budget": 256, "include_thoughts": True}}
    flash = Target("gemini_generate", "gemini", "gemini-2.5-flash")
    body, dropped = sent("openai_chat", flash, extra_body={"google": wish})
    assert body["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 256, "includeThoughts": True}
    assert dropped == ()
    config = {"thinkingConfig": {"thinkingBudget": 256, "includeThoughts": True}}
    body, dropped = sent("gemini_generate", CHAT, generationConfig=config)
    assert (body["reasoning_effort"], dropped) == ("low", ())


@pytest.mark.parametrize(
    ("target", "effort"),
    [
        (Target("openai_chat", "xai", "grok-4"), "none"),
        (Target("openai_chat", "openai", "o3"), "none"),
        (Target("gemini_generate", "gemini", "gemini-2.5-pro"), "none"),
        (Target("openai_responses", "openai", "gpt-4o"), "high"),
    ],
)
def test_a_wish_that_a_model_can_t_be_told_is_named(target: Target, effort: str) -> None:
    client: DialectName = "anthropic_messages"
    _, dropped = sent(client, target, **WISHES[client](effort))
    assert dropped == ("thinking",)
