"""Without this a request would be refused over something of the model that its client can't know, or lose a
field in silence, only because both sides speak one dialect."""

from typing import Any

import pytest
from tests.wire.pairs.prepared import sent, unknown
from tests.wire.pairs.relay import Target

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
FOREIGN = Target("anthropic_messages", "compatible", "glm-5")
HI = {"role": "user", "content": "hi"}


def chat(vendor: str, model: str) -> Target:
    return Target("openai_chat", vendor, model)


def test_the_old_cap_is_spelt_anew_for_models_that_refuse_it() -> None:
    for model in ("gpt-5.2", "o3", "gpt-5-mini"):
        body, dropped = sent("openai_chat", chat("openai", model), max_tokens=7)
        assert (body["max_completion_tokens"], "max_tokens" in body, dropped) == (7, False, ())
    body, _ = sent("openai_chat", chat("openai", "gpt-4o"), max_tokens=7)
    assert body["max_tokens"] == 7


@pytest.mark.parametrize("model", ["gpt-5.2", "gpt-4o", "gpt-3.5-turbo"])
def test_of_two_caps_one_goes(model: str) -> None:
    body, dropped = sent("openai_chat", chat("openai", model), max_tokens=7, max_completion_tokens=9)
    assert (body["max_completion_tokens"], "max_tokens" in body) == (9, False)
    assert dropped == ("max_tokens",)


def test_both_caps_stay_where_nothing_is_known() -> None:
    body, dropped = sent("openai_chat", unknown("openai_chat"), max_tokens=7, max_completion_tokens=9)
    assert (body["max_tokens"], body["max_completion_tokens"], dropped) == (7, 9, ())


@pytest.mark.parametrize(
    ("vendor", "model"), [("deepseek", "deepseek-chat"), ("zhipu", "glm-4.6"), ("dashscope", "qwen-plus")]
)
def test_developers_are_the_system_where_nobody_knows_them(vendor: str, model: str) -> None:
    messages = [{"role": "developer", "content": "Be \u00e9."}, HI]
    body, dropped = sent("openai_chat", chat(vendor, model), messages=messages)
    assert body["messages"] == [{"role": "system", "content": "Be \u00e9."}, HI]
    assert dropped == ()


@pytest.mark.parametrize("target", [chat("openai", "gpt-5.2"), unknown("openai_chat")])
def test_developers_stay_elsewhere(target: Target) -> None:
    messages = [{"role": "developer", "content": "Be."}, HI]
    assert sent("openai_chat", target, messages=messages)[0]["messages"] == messages


@pytest.mark.parametrize("content", ["hi", [{"type": "text", "text": "hi"}]])
def test_instructions_go_before_the_first_text_where_there_is_no_role(content: Any) -> None:
    messages = [{"role": "system", "content": "Be."}, {"role": "user", "content": content}]
    body, _ = sent("openai_chat", chat("compatible", "gemma-2-9b"), messages=messages)
    (message,) = body["messages"]
    said = message["content"]
    assert said == "Be.\n\nhi" if isinstance(said, str) else [part["text"] for part in said] == ["Be.", "hi"]


@pytest.mark.parametrize(("vendor", "model"), [("deepseek", "deepseek-chat"), ("openai", "gpt-4")])
def test_a_schema_is_told_in_words_where_there_is_no_field(vendor: str, model: str) -> None:
    messages = [{"role": "system", "content": "Be."}, HI]
    body, _ = sent("openai_chat", chat(vendor, model), messages=messages, response_format=FORM)
    assert body["response_format"] == {"type": "json_object"}
    assert [message["role"] for message in body["messages"]] == ["system", "system", "user"]
    assert '"a"' in body["messages"][1]["content"]
    kept, _ = sent("openai_chat", chat("openai", "gpt-4o"), messages=messages, response_format=FORM)
    assert (kept["response_format"], kept["messages"]) == (FORM, messages)


@pytest.mark.parametrize(
    ("vendor", "model", "fields", "dropped"),
    [
        ("openai", "o3", {"temperature": 0.2, "top_p": 0.9}, ("temperature", "top_p")),
        ("openai", "o3", {"presence_penalty": 0.5, "frequency_penalty": 0}, ("presence_penalty",)),
        ("openai", "o3", {"tools": [TOOL], "parallel_tool_calls": False}, ("parallel_tool_calls",)),
        ("openai", "o3", {"temperature": 1, "top_p": 1.0}, ()),
        ("openai", "gpt-5.2", {"temperature": 0.2, "reasoning_effort": "none"}, ()),
        ("openai", "gpt-4o", {"reasoning_effort": "high"}, ("reasoning_effort",)),
        ("xai", "grok-4", {"reasoning_effort": "high"}, ("reasoning_effort",)),
        ("mistral", "mistral-large-latest", {"user": "u", "logprobs": True}, ("user", "logprobs")),
    ],
)
def test_knobs_that_a_model_refuses_are_left_out_and_named(
    vendor: str, model: str, fields: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    body, named = sent("openai_chat", chat(vendor, model), **fields)
    assert named == dropped
    assert not set(dropped) & body.keys()
    assert fields.keys() - set(dropped) <= body.keys()


@pytest.mark.parametrize(
    ("model", "effort", "told"), [("gpt-5.2", "minimal", "low"), ("o3", "none", "low"), ("o3", "max", "max")]
)
def test_an_effort_below_what_a_model_knows_is_the_nearest(model: str, effort: str, told: str) -> None:
    assert sent("openai_chat", chat("openai", model), reasoning_effort=effort)[0]["reasoning_effort"] == told
    target = Target("openai_responses", "openai", model)
    assert sent("openai_responses", target, reasoning={"effort": effort})[0]["reasoning"] == {"effort": told}


def test_a_forced_call_switches_off_the_reasoning_that_refuses_it() -> None:
    target = chat("deepseek", "deepseek-v4-pro")
    body, dropped = sent("openai_chat", target, tools=[TOOL], tool_choice="required")
    assert (body["thinking"], body["tool_choice"], dropped) == ({"type": "disabled"}, "required", ())
    wish = {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}
    body, dropped = sent("openai_chat", target, tools=[TOOL], tool_choice="required", **wish)
    assert body["thinking"] == {"type": "disabled"}
    assert "reasoning_effort" not in body
    assert set(dropped) == set(wish)
    assert "thinking" not in sent("openai_chat", target, tools=[TOOL], tool_choice="auto")[0]


@pytest.mark.parametrize("model", ["gpt-5.4", "gpt-5.5", "gpt-6-sol"])
def test_tools_stand_without_reasoning_at_the_chat_door(model: str) -> None:
    for vendor in ("openai", "compatible"):
        body, dropped = sent("openai_chat", chat(vendor, model), tools=[TOOL], reasoning_effort="high")
        assert (body["reasoning_effort"], dropped) == ("none", ("reasoning_effort",))
        tool = {"name": "f", "input_schema": {"type": "object"}}
        thinking = {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 4096}
        body, dropped = sent("anthropic_messages", chat(vendor, model), tools=[tool], **thinking)
        assert (body["reasoning_effort"], dropped) == ("none", ("thinking",))
    body, dropped = sent("openai_chat", chat("openai", model), reasoning_effort="high")
    assert (body["reasoning_effort"], dropped) == ("high", ())


def test_a_model_that_reasons_unasked_is_told_not_to_beside_tools() -> None:
    for model, told in (("gpt-5.4", None), ("gpt-5.5", "none"), ("gpt-6-sol", "none"), ("gpt-5.2", None)):
        body, dropped = sent("openai_chat", chat("openai", model), tools=[TOOL])
        assert (body.get("reasoning_effort"), dropped) == (told, ())


def test_a_host_that_finds_the_way_itself_gets_both() -> None:
    body, dropped = sent(
        "openai_chat", chat("openrouter", "openai/gpt-5.5"), tools=[TOOL], reasoning_effort="high"
    )
    assert (body["reasoning_effort"], dropped) == ("high", ())


def test_responses_models_that_do_not_reason_are_not_asked_to() -> None:
    target = Target("openai_responses", "openai", "gpt-4o")
    body, dropped = sent("openai_responses", target, reasoning={"effort": "high"})
    assert ("reasoning" in body, dropped) == (False, ("reasoning",))
    target = Target("openai_responses", "openai", "o3")
    body, dropped = sent("openai_responses", target, temperature=0.1, parallel_tool_calls=True)
    assert dropped == ("temperature", "parallel_tool_calls")


@pytest.mark.parametrize(
    ("model", "thinking", "told", "dropped"),
    [
        ("gemini-2.0-flash", {"includeThoughts": True}, None, ("generationConfig.thinkingConfig",)),
        (
            "gemini-2.5-flash",
            {"thinkingLevel": "HIGH"},
            {"thinkingBudget": 24576, "includeThoughts": False},
            (),
        ),
        ("gemini-2.5-pro", {"thinkingBudget": 0}, {"thinkingBudget": 128}, ()),
        ("gemini-2.5-pro", {"thinkingBudget": "2048"}, {"thinkingBudget": "2048"}, ()),
        (
            "gemini-3-pro-preview",
            {"thinkingBudget": 128, "thinkingLevel": "low"},
            {"thinkingLevel": "low"},
            (),
        ),
        ("gemini-3-pro-preview", {"thinkingLevel": "minimal"}, {"thinkingLevel": "low"}, ()),
    ],
)
def test_a_gemini_model_is_told_in_its_own_words(
    model: str, thinking: Any, told: Any, dropped: tuple[str, ...]
) -> None:
    body, named = sent(
        "gemini_generate",
        Target("gemini_generate", "gemini", model),
        generationConfig={"thinkingConfig": thinking},
    )
    found = body["generationConfig"].get("thinkingConfig")
    assert named == dropped
    if told is None or "includeThoughts" in told:
        told and found.setdefault("includeThoughts", False)
    assert found == told


def test_instructions_of_a_gemini_model_without_them_are_the_users() -> None:
    target = Target("gemini_generate", "gemini", "gemma-3-27b-it")
    body, _ = sent("gemini_generate", target, systemInstruction={"parts": [{"text": "Be."}]})
    assert body == {"contents": [{"role": "user", "parts": [{"text": "Be."}, {"text": "hi"}]}]}


@pytest.mark.parametrize(
    ("target", "fields", "dropped"),
    [
        (
            Target("anthropic_messages", "anthropic", "claude-sonnet-4-5"),
            {"temperature": 0.5, "top_p": 0.9},
            ("top_p",),
        ),
        (
            Target("anthropic_messages", "anthropic", "claude-opus-4-7"),
            {"temperature": 0.5, "top_k": 3},
            ("temperature", "top_k"),
        ),
        (FOREIGN, {"context_management": {"edits": []}}, ("context_management",)),
        (
            FOREIGN,
            {"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            ("cache_control.ttl",),
        ),
        (
            FOREIGN,
            {"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
            (),
        ),
        (
            FOREIGN,
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            ("tools.web_search",),
        ),
        (
            Target("anthropic_messages", "anthropic", "claude-3-5-haiku-20241022"),
            {"thinking": {"type": "adaptive"}},
            ("thinking",),
        ),
    ],
)
def test_what_a_messages_host_does_not_get_is_named(
    target: Target, fields: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    assert sent("anthropic_messages", target, **fields)[1] == dropped


def test_reasoning_that_goes_with_a_sealed_token_is_named() -> None:
    messages = [
        HI,
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "relay1.x"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "1"}]},
    ]
    target = Target("anthropic_messages", "anthropic", "claude-sonnet-4-5")
    thinking = {"type": "enabled", "budget_tokens": 1024}
    body, dropped = sent("anthropic_messages", target, messages=messages, thinking=thinking, max_tokens=4096)
    assert ("thinking" in body, dropped) == (False, ("thinking",))
