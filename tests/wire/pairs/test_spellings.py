"""Without this a client that spells a number, or nothing at all, in its own way would be refused or cut."""

from typing import Any

import pytest
from tests.wire.pairs.prepared import sent, unknown
from tests.wire.pairs.relay import Target

from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.kernel.errors import ApiError

CHAT, MESSAGES = unknown("openai_chat"), unknown("anthropic_messages")
GEMINI = Target("gemini_generate", "gemini", "gemini-2.5-flash")
OTHERS = tuple(map(unknown, DIALECTS))
CAPS: dict[DialectName, str] = {
    "openai_chat": "max_tokens",
    "openai_responses": "max_output_tokens",
    "anthropic_messages": "max_tokens",
}


def test_gemini_s_numbers_and_booleans_may_be_strings() -> None:
    config = {
        "maxOutputTokens": "100",
        "temperature": "0.5",
        "topP": "1",
        "topK": "3",
        "candidateCount": "2",
        "seed": "-7",
        "presencePenalty": "0.1",
        "frequency_penalty": "1e-1",
        "responseLogprobs": "true",
        "logprobs": "4",
        "responseSchema": {"type": "INTEGER", "minimum": "1", "maximum": "2.5", "nullable": "true"},
    }
    body, _ = sent("gemini_generate", CHAT, generationConfig=config)
    schema = body.pop("response_format")["json_schema"]["schema"]
    assert schema == {"type": ["integer", "null"], "minimum": 1, "maximum": 2.5}
    del body["messages"], body["model"]
    assert body == {
        "max_tokens": 100,
        "temperature": 0.5,
        "top_p": 1,
        "n": 2,
        "seed": -7,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.1,
        "logprobs": True,
        "top_logprobs": 4,
    }
    thinking = {"thinkingBudget": "2048", "includeThoughts": "true"}
    body, _ = sent("gemini_generate", MESSAGES, generationConfig={"thinkingConfig": thinking, "topK": "9"})
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048}


def test_google_gets_its_strings_as_they_came() -> None:
    body, _ = sent("gemini_generate", GEMINI, generationConfig={"maxOutputTokens": "100", "topK": "3"})
    assert body["generationConfig"] == {"maxOutputTokens": "100", "topK": "3"}


@pytest.mark.parametrize("value", ["", "many", "1_000", "0x10", "1" * 50, "nan", "Infinity", True, [1]])
def test_what_is_no_number_is_refused_or_absent(value: Any) -> None:
    config = {"maxOutputTokens": value}
    if value == "":
        assert "max_tokens" not in sent("gemini_generate", CHAT, generationConfig=config)[0]
        return
    with pytest.raises(ApiError) as refusal:
        sent("gemini_generate", CHAT, generationConfig=config)
    assert refusal.value.param == "generationConfig.maxOutputTokens"


@pytest.mark.parametrize("cap", [-1, 0])
@pytest.mark.parametrize("target", OTHERS, ids=lambda target: target.dialect)
@pytest.mark.parametrize("client", DIALECTS)
def test_a_cap_of_nothing_is_no_limit(client: DialectName, target: Target, cap: int) -> None:
    if client != "gemini_generate" and cap == 0:
        return  # no token at all
    more: dict[str, Any] = (
        {CAPS[client]: cap} if client in CAPS else {"generationConfig": {"maxOutputTokens": cap}}
    )
    body, dropped = sent(client, target, **more)
    if target.dialect == "anthropic_messages":
        assert body["max_tokens"] > 1000
    else:
        assert not {"max_tokens", "max_completion_tokens", "max_output_tokens"} & body.keys()
        assert "maxOutputTokens" not in body.get("generationConfig", {})
    assert dropped == ()


def test_an_empty_cache_of_nothing_is_not_asked_for_elsewhere() -> None:
    with pytest.raises(ApiError):
        sent("anthropic_messages", CHAT, max_tokens=0)
    assert sent("anthropic_messages", MESSAGES, max_tokens=0)[0]["max_tokens"] == 0


@pytest.mark.parametrize("target", OTHERS, ids=lambda target: target.dialect)
@pytest.mark.parametrize(
    ("client", "fields"),
    [
        ("gemini_generate", {"cachedContent": ""}),
        ("gemini_generate", {"cached_content": ""}),
        ("openai_responses", {"previous_response_id": ""}),
        ("openai_responses", {"conversation": "", "prompt": ""}),
        ("openai_responses", {"tool_choice": "", "service_tier": "", "reasoning": {"effort": ""}}),
        ("openai_chat", {"tool_choice": "", "reasoning_effort": "", "stop": "", "response_format": {}}),
        ("openai_chat", {"novel": ""}),
    ],
)
def test_an_empty_text_says_nothing(client: DialectName, fields: dict[str, Any], target: Target) -> None:
    body, dropped = sent(client, target, **fields)
    assert dropped == ()
    if target.dialect != client:
        assert body == sent(client, target)[0]
    elif "previous_response_id" in fields or "cachedContent" in fields:
        assert not fields.keys() & body.keys()


def test_an_empty_name_beside_an_input_is_no_input() -> None:
    with pytest.raises(ApiError) as refusal:
        sent("openai_responses", CHAT, input=..., previous_response_id="")
    assert refusal.value.param == "input"


@pytest.mark.parametrize("top_k", [-1, 0])
def test_a_top_k_of_nothing_is_off(top_k: int) -> None:
    for client, more in (
        ("openai_chat", {"top_k": top_k}),
        ("anthropic_messages", {"top_k": top_k}),
        ("gemini_generate", {"generationConfig": {"topK": top_k}}),
    ):
        for target in OTHERS:
            if target.dialect != client:
                body, dropped = sent(client, target, **more)  # type: ignore[arg-type]
                assert "top_k" not in body
                assert "topK" not in body.get("generationConfig", {})
                assert dropped == ()
