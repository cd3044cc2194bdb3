"""Without this a client would be told that something is wrong with its request, but not what."""

from typing import Any

import pytest
from tests.wire.pairs.prepared import sent, unknown

from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.kernel.errors import ApiError

BASE64 = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
HI = {"role": "user", "content": "hi"}


def picture(url: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]


def input_picture(url: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]


@pytest.mark.parametrize(
    ("client", "fields", "param", "says"),
    [
        ("anthropic_messages", {"system": ["a"]}, "system.0", "a content block"),
        ("anthropic_messages", {"system": ["a"]}, "system.0", "got a string"),
        ("anthropic_messages", {"system": [5]}, "system.0", "expected an object, got a number"),
        ("anthropic_messages", {"messages": ["a"]}, "messages.0", "expected an object, got a string"),
        (
            "anthropic_messages",
            {"messages": [{"role": "user", "content": ["a"]}]},
            "messages.0.content.0",
            "a content block",
        ),
        (
            "openai_chat",
            {"messages": [HI, {"role": "tool", "content": "x"}]},
            "messages.1.tool_call_id",
            "Missing required parameter",
        ),
        ("openai_chat", {"messages": picture(BASE64)}, "messages.0.content.0.image_url.url", "base64 alone"),
        ("openai_chat", {"messages": picture("a.png")}, "messages.0.content.0.image_url.url", "a URL"),
        ("openai_responses", {"input": input_picture(BASE64)}, "input.0.content.0.image_url", "base64 alone"),
    ],
)
def test_what_is_wrong_is_said(client: DialectName, fields: dict[str, Any], param: str, says: str) -> None:
    for target in map(unknown, DIALECTS):
        if target.dialect != client:
            with pytest.raises(ApiError) as refusal:
                sent(client, target, **fields)
            assert refusal.value.param == param
            assert says in refusal.value.message


@pytest.mark.parametrize("blanks", [" ", "\n\t "])
def test_arguments_of_blanks_are_none(blanks: str) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": blanks}}
    messages = [
        HI,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]
    items = [
        HI,
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": blanks},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
    ]
    body, _ = sent("openai_chat", unknown("openai_responses"), messages=messages)
    assert body["input"][1]["arguments"] == "{}"
    body, _ = sent("openai_responses", unknown("openai_chat"), input=items)
    assert body["messages"][1]["tool_calls"][0]["function"]["arguments"] == "{}"
    for target in (unknown("anthropic_messages"), unknown("gemini_generate")):
        said = str(sent("openai_chat", target, messages=messages)[0])
        assert "'input': {}" in said or "'args': {}" in said
