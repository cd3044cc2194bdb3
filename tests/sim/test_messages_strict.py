"""What the simulated Messages API refuses. Without this file a relay could send it what the real one answers
with 400, and be told that all is well."""

from typing import Any

import pytest

from tests.sim import messages, messages_strict, script, seal, strict

HEADERS = {"anthropic-version": "2023-06-01"}
MANUAL, ADAPTIVE, BOTH = "claude-sonnet-4-5", "claude-opus-4-7", "claude-opus-4-6"
ASK: dict[str, Any] = {
    "model": BOTH,
    "max_tokens": 4096,
    "messages": [{"role": "user", "content": "Hi"}],
}
TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
SIGNED = {"type": "thinking", "thinking": "I see", "signature": seal.seal("messages", "I see")}
USE = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"}
ON = {"type": "enabled", "budget_tokens": 1024}
MARK = {"type": "ephemeral"}


def turns(*contents: Any) -> list[dict]:
    """Messages of alternating roles, the user first."""
    return [{"role": ("user", "assistant")[at % 2], "content": it} for at, it in enumerate(contents)]


def text(words: str, **more: Any) -> dict:
    return {"type": "text", "text": words} | more


ACCEPTED = {
    "plain": {},
    "thinking": {"thinking": ON},
    "adaptive": {"model": ADAPTIVE, "thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
    "loop": {"thinking": ON, "tools": [TOOL], "messages": turns("Hi", [SIGNED, USE], [RESULT, text("now")])},
    "omitted": {"messages": turns("Hi", [SIGNED | {"thinking": ""}, text("x")], "Go")},
    "adaptive loop without thinking": {
        "model": ADAPTIVE,
        "thinking": {"type": "adaptive"},
        "tools": [TOOL],
        "messages": turns("Hi", [USE], [RESULT]),
    },
    "own call without thinking": {
        "thinking": ON,
        "tools": [TOOL],
        "messages": turns(
            "Hi",
            [USE | {"id": "toolu_plain_1"}],
            [RESULT | {"tool_use_id": "toolu_plain_1"}],
        ),
    },
    "two users": {"messages": [*turns("Hi"), *turns("there")]},
    "prefill": {"model": MANUAL, "messages": turns("Hi", "I say")},
    "choice": {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "weather"}},
    "server tool": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    "marks": {
        "tools": [TOOL | {"cache_control": MARK | {"ttl": "1h"}}],
        "system": [text("a", cache_control=MARK)],
    },
    "mark as data": {"messages": turns("Hi", [USE | {"input": {"cache_control": {"type": "x"}}}], [RESULT])},
    "system anywhere": {
        "model": ADAPTIVE,
        "messages": [*turns("Hi"), {"role": "system", "content": "Be brief"}],
    },
}
REFUSED = {
    "no cap": ({"max_tokens": None}, "max_tokens: Field required"),
    "unknown field": ({"n": 2}, "n: Extra inputs are not permitted"),
    "beta field without its header": ({"context_management": {}}, "Extra inputs are not permitted"),
    "no messages": ({"messages": []}, "at least one message"),
    "assistant first": ({"messages": [{"role": "assistant", "content": "x"}]}, "first message must use"),
    "role": ({"messages": [{"role": "tool", "content": "x"}]}, "role: Input should be"),
    "system among messages": (
        {"model": MANUAL, "messages": [*turns("a"), {"role": "system", "content": "b"}]},
        "role",
    ),
    "empty text": ({"messages": turns([text("")])}, "must be non-empty"),
    "blank text": ({"messages": turns([text(" \n")])}, "non-whitespace"),
    "empty content": ({"messages": turns("", "x", "y")}, "non-empty content"),
    "block field": ({"messages": turns([text("a", index=0)])}, "content.0.text.index: Extra inputs"),
    "block type": ({"messages": turns([{"type": "input_text", "text": "a"}])}, "Input tag 'input_text'"),
    "image of assistant": ({"messages": turns("a", [{"type": "image", "source": {}}], "b")}, "not permitted"),
    "image kind": (
        {
            "messages": turns(
                [{"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": "AA=="}}]
            )
        },
        "media_type",
    ),
    "call without result": ({"messages": turns("a", [USE], "b")}, "without `tool_result` blocks"),
    "call at the end": ({"model": MANUAL, "messages": turns("a", [USE])}, "without `tool_result` blocks"),
    "result without call": ({"messages": turns("a", "b", [RESULT])}, "unexpected `tool_use_id`"),
    "result after text": ({"messages": turns("a", [USE], [text("b"), RESULT])}, "without `tool_result`"),
    "two results": ({"messages": turns("a", [USE], [RESULT, RESULT])}, "single result"),
    "same id twice": ({"messages": turns("a", [USE, USE], [RESULT])}, "must be unique"),
    "id": ({"messages": turns("a", [USE | {"id": "Bash:0"}], "b")}, "should match pattern"),
    "input as text": ({"messages": turns("a", [USE | {"input": "{}"}], [RESULT])}, "valid dictionary"),
    "tool name": ({"tools": [TOOL | {"name": "a.b"}]}, "should match pattern"),
    "tool twice": ({"tools": [TOOL, TOOL]}, "names must be unique"),
    "tool form": ({"tools": [{"type": "function", "function": {"name": "x"}}]}, "Input tag 'function'"),
    "tool schema": ({"tools": [{"name": "x", "input_schema": {}}]}, "input_schema.type"),
    "tool schema choice": (
        {"tools": [{"name": "x", "input_schema": {"type": "object", "oneOf": []}}]},
        "top level",
    ),
    "choice without tools": ({"tool_choice": {"type": "auto"}}, "while providing tools"),
    "choice of nothing": ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}}, "not found"),
    "choice as text": ({"tools": [TOOL], "tool_choice": {"type": "required"}}, "Input tag 'required'"),
    "forced while thinking": (
        {"tools": [TOOL], "tool_choice": {"type": "any"}, "thinking": ON},
        "forces tool use",
    ),
    "budget low": ({"thinking": ON | {"budget_tokens": 1000}}, "greater than or equal to 1024"),
    "budget above the cap": ({"thinking": ON, "max_tokens": 1024}, "must be greater than"),
    "budget when adaptive": (
        {"thinking": ON | {"type": "adaptive"}},
        "thinking.adaptive.budget_tokens: Extra",
    ),
    "adaptive on an old model": ({"model": MANUAL, "thinking": {"type": "adaptive"}}, "not supported"),
    "manual on a new model": ({"model": ADAPTIVE, "thinking": ON}, "not supported"),
    "manual on the newest": ({"model": "claude-opus-5", "thinking": ON}, "not supported"),
    "temperature while thinking": ({"thinking": ON, "temperature": 0.5}, "only be set to 1"),
    "top_k while thinking": ({"thinking": ON, "top_k": 5}, "top_k"),
    "temperature on a new model": ({"model": ADAPTIVE, "temperature": 1}, "not supported"),
    "temperature and top_p": ({"temperature": 0.1, "top_p": 0.9}, "cannot both"),
    "temperature high": ({"temperature": 1.5}, "between 0 and 1"),
    "effort": ({"output_config": {"effort": "minimal"}}, "output_config.effort"),
    "schema open": (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        "additionalProperties",
    ),
    "foreign signature": (
        {"messages": turns("a", [SIGNED | {"signature": "AAAA"}, text("b")], "c")},
        "`signature`",
    ),
    "edited thinking": (
        {"messages": turns("a", [SIGNED | {"thinking": "You"}, text("b")], "c")},
        "`signature`",
    ),
    "unsigned thinking": (
        {"messages": turns("a", [{"type": "thinking", "thinking": "x", "signature": ""}, text("b")], "c")},
        "`signature`",
    ),
    "foreign redacted": (
        {"messages": turns("a", [{"type": "redacted_thinking", "data": "x"}], "c")},
        "`data`",
    ),
    "loop without thinking": (
        {"thinking": ON, "tools": [TOOL], "messages": turns("a", [USE], [RESULT])},
        "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
    ),
    "prefill on a new model": ({"messages": turns("a", "b")}, "prefill"),
    "prefill with a blank end": ({"model": MANUAL, "messages": turns("a", "b ")}, "trailing whitespace"),
    "five marks": ({"messages": turns([text("a", cache_control=MARK)] * 5)}, "Found 5"),
    "long mark after short": (
        {"messages": turns([text("a", cache_control=MARK), text("b", cache_control=MARK | {"ttl": "1h"})])},
        "must not come after",
    ),
    "mark on thinking": (
        {"messages": turns("a", [SIGNED | {"cache_control": MARK}, text("b")], "c")},
        "Extra",
    ),
    "metadata": ({"metadata": {"session": "x"}}, "metadata.session"),
    "blank stop": ({"stop_sequences": ["\n"]}, "non-whitespace"),
}


@pytest.mark.parametrize("change", ACCEPTED.values(), ids=ACCEPTED)
def test_legal_requests_pass(change: dict) -> None:
    messages_strict.check(ASK | change, HEADERS)


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_breaches_are_refused(change: dict, message: str) -> None:
    with pytest.raises(strict.Invalid) as refused:
        messages_strict.check(ASK | change, HEADERS)
    assert message in refused.value.message


def test_headers_are_checked() -> None:
    for headers in ({}, {"anthropic-version": "1"}, HEADERS | {"anthropic-beta": "Not A Beta"}):
        with pytest.raises(strict.Invalid):
            messages_strict.check(ASK, headers)
    beta = HEADERS | {"anthropic-beta": "context-management-2025-06-27, interleaved-thinking-2025-05-14"}
    messages_strict.check(ASK | {"context_management": {"edits": []}}, beta)
    messages_strict.check(ASK | {"thinking": ON, "max_tokens": 100, "tools": [TOOL]}, beta)


def test_counting_takes_no_sampling() -> None:
    call = {"model": BOTH, "messages": ASK["messages"]}
    messages_strict.check(call, HEADERS, counting=True)
    with pytest.raises(strict.Invalid):
        messages_strict.check(ASK, HEADERS, counting=True)


@pytest.mark.parametrize(
    "words", ["[think]", "[redacted]", "[think] [tools]", "[search]", "[refuse]", "[long]"]
)
def test_stream_adds_up_to_the_whole(words: str) -> None:
    call = ASK | {"thinking": ON, "messages": turns(words), "tools": [TOOL, {"type": "web_search_20250305"}]}
    answer = script.answer(messages.facts_of(call))
    whole = messages.whole(call, answer, "1")
    blocks: list[dict] = []
    for event in messages.events(call, answer, "1"):
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append(dict(event["content_block"]) | {"json": ""})
        for name, value in event.get("delta", {}).items():
            match name:
                case "text" | "thinking" | "signature":
                    blocks[-1][name] += value
                case "partial_json":
                    blocks[-1]["json"] += value
    for block, said in zip(whole["content"], blocks, strict=True):
        for name in ("text", "thinking", "signature", "data"):
            assert said.get(name) == block.get(name)
        if block["type"] == "tool_use":
            assert said["json"] == messages.compact(block["input"])
