"""Without this a client would believe that an upstream heeds what it never got."""

from typing import Any

import msgspec
import pytest
from tests.wire.pairs.prepared import sent, unknown
from tests.wire.pairs.relay import Target

from switchgear.kernel.dialects import DialectName
from switchgear.kernel.errors import ApiError

MARK = {"type": "ephemeral"}
CLAUDE = Target("anthropic_messages", "anthropic", "claude-sonnet-4-5")
GPT = Target("openai_responses", "openai", "gpt-5.2")
CHAT = unknown("openai_chat")
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


def marked(count: int, **more: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": f"t{at}", "cache_control": MARK | more} for at in range(count)]


def test_a_cache_marker_too_many_is_named() -> None:
    for count, dropped in ((4, ()), (5, ("cache_control",))):
        messages = [{"role": "user", "content": marked(count)}]
        body, named = sent("openai_chat", CLAUDE, messages=messages)
        assert str(body).count("cache_control") == 4
        assert named == dropped


def test_an_hour_after_less_is_named() -> None:
    messages = [{"role": "user", "content": [*marked(1), *marked(1, ttl="1h")]}]
    assert sent("openai_chat", CLAUDE, messages=messages)[1] == ("cache_control",)


@pytest.mark.parametrize("target", [CHAT, GPT, unknown("gemini_generate")])
def test_a_search_of_tools_is_named(target: Target) -> None:
    tool = {"name": "f", "input_schema": {"type": "object"}, "defer_loading": True}
    search = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
    body, dropped = sent("anthropic_messages", target, tools=[search, tool])
    assert "tools.tool_search" in dropped
    assert "tool_search" not in str(body)
    if target.dialect != "openai_responses":
        function = {"type": "function", "name": "f", "parameters": {"type": "object"}}
        _, dropped = sent("openai_responses", target, tools=[{"type": "tool_search"}, function])
        assert dropped == ("tools.tool_search",)


@pytest.mark.parametrize(
    ("client", "more", "name"),
    [
        ("openai_chat", {"max_tokens": 4000, "reasoning_effort": "high"}, "max_tokens"),
        (
            "openai_responses",
            {"max_output_tokens": 4000, "reasoning": {"effort": "high"}},
            "max_output_tokens",
        ),
        (
            "gemini_generate",
            {"generationConfig": {"maxOutputTokens": 4000, "thinkingConfig": {"thinkingBudget": 8192}}},
            "generationConfig.maxOutputTokens",
        ),
    ],
)
def test_a_cap_that_is_raised_is_named(client: DialectName, more: dict[str, Any], name: str) -> None:
    body, dropped = sent(client, CLAUDE, **more)
    assert body["max_tokens"] > 4000
    assert dropped == (name,)


def test_a_cap_below_what_an_upstream_takes_is_named() -> None:
    body, dropped = sent("openai_chat", GPT, max_tokens=5)
    assert (body["max_output_tokens"], dropped) == (16, ("max_tokens",))


def test_what_the_vendor_does_not_take_is_named_as_the_client_knows_it() -> None:
    mistral = Target("openai_chat", "mistral", "mistral-large-latest")
    body, dropped = sent("anthropic_messages", mistral, metadata={"user_id": "u"})
    assert ("user" in body, dropped) == (False, ("metadata.user_id",))
    body, dropped = sent("gemini_generate", mistral, generationConfig={"seed": 7, "responseLogprobs": True})
    assert (body["random_seed"], dropped) == (7, ("generationConfig.responseLogprobs",))


@pytest.mark.parametrize(
    ("blocks", "word"),
    [
        ([{"type": "document", "source": PDF}], "file"),
        ([{"type": "image", "source": PNG}], "image"),
        ([{"type": "image", "source": PNG}, {"type": "document", "source": PDF}], "content"),
    ],
)
def test_a_result_without_text_says_what_follows(blocks: list[dict[str, Any]], word: str) -> None:
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": blocks}]},
    ]
    body, _ = sent("anthropic_messages", CHAT, messages=messages)
    result, shown = body["messages"][2:]
    assert result["content"] == f"[the {word} is in the next message]"
    assert len(shown["content"]) == len(blocks)


OFFLINE = {"type": "web_search", "external_web_access": False, "search_context_size": "low"}
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}}


@pytest.mark.parametrize("target", [CHAT, CLAUDE, Target("gemini_generate", "gemini", "gemini-2.5-flash")])
def test_a_search_that_is_to_stay_offline_is_not_made_a_live_one(target: Target) -> None:
    body, dropped = sent("openai_responses", target, tools=[OFFLINE, FUNCTION], tool_choice="auto")
    assert "tools.web_search" in dropped
    assert "search" not in str(body).lower()
    assert len(body["tools"]) == 1
    body, _ = sent("openai_responses", target, tools=[{**OFFLINE, "external_web_access": True}])
    assert "search" in str(body).lower()
    with pytest.raises(ApiError) as refusal:
        sent("openai_responses", target, tools=[OFFLINE, FUNCTION], tool_choice={"type": "web_search"})
    assert refusal.value.row.name == "unsupported_parameter"


def test_a_search_that_is_to_stay_offline_stays_at_its_own_door() -> None:
    body, dropped = sent("openai_responses", GPT, tools=[OFFLINE])
    assert (body["tools"], dropped) == ([OFFLINE], ())


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
DECLARED = {"name": "f", "behavior": "NON_BLOCKING", "parameters": {"type": "OBJECT"}}
GEMINI = Target("gemini_generate", "gemini", "gemini-2.5-flash")
LOOK = {
    "inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="},
    "media_resolution": {},
    "videoMetadata": {},
}


@pytest.mark.parametrize(
    ("client", "target", "fields", "names"),
    [
        (
            "openai_chat",
            CLAUDE,
            {"messages": [{"role": "user", "content": [IMAGE]}]},
            {"messages.image_url.detail"},
        ),
        ("openai_chat", GPT, {"messages": [{"role": "user", "content": [IMAGE]}]}, set()),
        (
            "openai_chat",
            GPT,
            {"messages": [{"role": "user", "name": "bob", "content": "a"}]},
            {"messages.name"},
        ),
        (
            "openai_responses",
            GEMINI,
            {
                "input": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "input_image",
                                "image_url": "data:image/png;base64,iVBORw0KGgo=",
                                "detail": "high",
                            }
                        ],
                    }
                ]
            },
            {"input_image.detail"},
        ),
        (
            "anthropic_messages",
            CHAT,
            {
                "tools": [
                    {
                        "name": "f",
                        "input_schema": {"properties": {"defer_loading": {}}},
                        "input_examples": [{}],
                    }
                ]
            },
            {"tools.input_examples"},
        ),
        ("anthropic_messages", CHAT, {"metadata": {"user_id": "u", "more": 1}}, {"metadata.more"}),
        (
            "anthropic_messages",
            CHAT,
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "document",
                                "source": {"type": "text", "media_type": "text/plain", "data": "x"},
                                "citations": {"enabled": True},
                            }
                        ],
                    }
                ]
            },
            {"messages.content.document.citations"},
        ),
        (
            "gemini_generate",
            CHAT,
            {"toolConfig": {"retrievalConfig": {"latLng": {}}}},
            {"toolConfig.retrievalConfig"},
        ),
        (
            "gemini_generate",
            CHAT,
            {"tools": [{"functionDeclarations": [DECLARED]}, {"googleSearch": {"timeRangeFilter": {}}}]},
            {"tools.functionDeclarations.behavior", "tools.googleSearch.timeRangeFilter"},
        ),
        (
            "gemini_generate",
            CHAT,
            {"contents": [{"parts": [LOOK, {"text": '"mediaResolution": 1'}]}]},
            {"contents.parts.media_resolution", "contents.parts.videoMetadata"},
        ),
    ],
)
def test_what_has_no_place_elsewhere_is_named(
    client: DialectName, target: Target, fields: dict[str, Any], names: set[str]
) -> None:
    assert set(sent(client, target, **fields)[1]) == names


THOUGHTS: dict[DialectName, dict[str, Any]] = {
    "openai_responses": {
        "input": [
            {"role": "user", "content": "hi"},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
            {"role": "assistant", "content": "a"},
            {"role": "user", "content": "b"},
        ]
    },
    "anthropic_messages": {
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                    {"type": "text", "text": "a"},
                ],
            },
            {"role": "user", "content": "b"},
        ]
    },
    "gemini_generate": {
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [{"text": "Hm.", "thought": True}, {"text": "a"}]},
            {"role": "user", "parts": [{"text": "b"}]},
        ]
    },
}


@pytest.mark.parametrize(
    ("client", "field"),
    [
        ("openai_responses", "input.reasoning"),
        ("anthropic_messages", "messages.content.thinking"),
        ("gemini_generate", "contents.parts.thought"),
    ],
)
def test_earlier_reasoning_that_an_unknown_chat_model_does_not_get_is_named(
    client: DialectName, field: str
) -> None:
    body, dropped = sent(client, CHAT, **THOUGHTS[client])
    assert ("Hm." in str(body), dropped) == (False, (field,))
    giving = msgspec.structs.replace(CHAT, gives_back_reasoning=True)
    body, dropped = sent(client, giving, **THOUGHTS[client])
    assert (body["messages"][1]["reasoning_content"], dropped) == ("Hm.", ())
    # A model that is known not to want it loses nothing.
    assert sent(client, Target("openai_chat", "openai", "gpt-5.2"), **THOUGHTS[client])[1] == ()
