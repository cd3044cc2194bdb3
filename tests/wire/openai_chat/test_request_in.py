"""Without this what a client of this dialect says could reach another with its meaning changed: a signature
beside a text that it does not vouch for, a switch for reasoning overlooked, tools lost."""

import json
from typing import Any

import pytest
from msgspec import Raw
from tests.wire.openai_chat.upstreams import SIG, SIG2, answered, body_of, detail, user
from tests.wire.openai_chat.vectors import SEALS, call_of, request_of, turns_of

from switchgear.kernel.errors import ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.wire.neutral.request import (
    Audio,
    CustomTool,
    File,
    FunctionTool,
    HostedTool,
    Image,
    Opaque,
    Reasoning,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Video,
)
from switchgear.wire.openai_chat.dialect import OpenAIChat


def test_the_history_of_the_example_is_read() -> None:
    detail = {"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1", "text": "Need weather."}
    turns = turns_of(
        {"role": "user", "content": "Weather in Rome?"},
        {
            "role": "assistant",
            "content": "Looking.",
            "reasoning_content": "Need weather.",
            "reasoning_details": [{**detail, "signature": "SIG"}],
            "tool_calls": [
                {
                    "id": "toolu_9",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "toolu_9", "content": "18 C"},
    )
    assert turns == (
        user(Text("Weather in Rome?")),
        answered(
            Reasoning("Need weather.", Opaque("anthropic", "signature", "SIG")),
            Text("Looking."),
            ToolCall("toolu_9", "get_weather", '{"city":"Rome"}'),
        ),
        user(ToolResult("toolu_9", (Text("18 C"),))),
    )


def test_parts_of_all_kinds_are_read() -> None:
    png = "data:image/png;base64,iVBORw0="
    content = [
        {"type": "text", "text": "see", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "image_url", "image_url": {"url": png, "detail": "high"}},
        {"type": "image_url", "image_url": "https://example.org/a.png"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "video_url", "video_url": {"url": "https://example.org/a.mp4", "fps": 1}},
        "loose",
    ]
    (turn,) = turns_of({"role": "user", "content": content, "name": "ann"})
    assert turn == Turn(
        "user",
        (
            Text("see", "1h"),
            Image("iVBORw0=", "image/png", detail="high"),
            Image(url="https://example.org/a.png"),
            Audio("AAAA", "audio/mp3"),
            File("JVBERi0=", "application/pdf", filename="a.pdf"),
            File(file_id="file-1"),
            Video(url="https://example.org/a.mp4"),
            Text("loose"),
        ),
        "ann",
    )


def reasoning_in(**message: Any) -> list[Reasoning]:
    (turn,) = turns_of({"role": "assistant", "content": "x", **message})
    return [part for part in turn.parts if isinstance(part, Reasoning)]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"reasoning_content": "A"}, [Reasoning("A")]),
        ({"reasoning": "A"}, [Reasoning("A")]),
        ({"reasoning_content": None, "reasoning_details": None}, []),
        ({"reasoning_details": [detail(text="A"), detail(signature="SIG")]}, [Reasoning("A", SIG)]),
        ({"reasoning_details": [detail(signature="SIG")]}, [Reasoning("", SIG)]),
        ({"reasoning_content": "A", "reasoning_details": [detail(signature="SIG")]}, [Reasoning("A", SIG)]),
        (
            {"reasoning_details": [detail(text="A", signature="SIG"), detail(text="B", signature="SIG2")]},
            [Reasoning("A", SIG), Reasoning("B", SIG2)],
        ),
        # An edited text, or one whose parts nobody can tell any more, has no valid signature.
        (
            {"reasoning_content": "B", "reasoning_details": [detail(text="A", signature="SIG")]},
            [Reasoning("B")],
        ),
        (
            {
                "reasoning_content": "AB",
                "reasoning_details": [detail(signature="SIG"), detail(signature="SIG2")],
            },
            [Reasoning("AB")],
        ),
        (
            {"reasoning_details": [detail(data="EncRy")]},
            [Reasoning("", Opaque("anthropic", "redacted", "EncRy"))],
        ),
        (
            {"reasoning_details": [detail(signature="relay1.google.signature.S", format="switchgear-v1")]},
            [Reasoning("", Opaque("google", "signature", "S"))],
        ),
        # Nobody else's word counts as a maker's.
        ({"reasoning_details": [detail(text="A", signature="forged", format="x")]}, [Reasoning("A")]),
    ],
)
def test_reasoning_of_an_earlier_answer(message: dict[str, Any], expected: list[Reasoning]) -> None:
    assert reasoning_in(**message) == expected


def test_googles_signatures_are_read_from_calls_and_messages() -> None:
    extra = {"google": {"thought_signature": "U0lH"}}
    call = {"id": "a", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra}
    (turn,) = turns_of({"role": "assistant", "content": "x", "extra_content": extra, "tool_calls": [call]})
    own = Opaque("google", "signature", "U0lH")
    assert turn.parts == (Text("x", opaque=own), ToolCall("a", "f", "{}", opaque=own))


def test_the_older_functions_are_read_as_tools() -> None:
    request = request_of(
        {
            "functions": [{"name": "f", "parameters": {"type": "object"}}],
            "function_call": {"name": "f"},
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "done"},
            ],
        }
    )
    assert request.tool_choice == ToolChoice("named", "f")
    assert [tool.name for tool in request.tools if isinstance(tool, FunctionTool)] == ["f"]
    messages = body_of(request)["messages"]
    assert messages[1]["tool_calls"][0]["id"] == messages[2]["tool_call_id"] != ""
    assert messages[2]["content"] == "done"


def test_tools_of_all_kinds_are_read() -> None:
    schema = {"type": "object", "properties": {}}
    request = request_of(
        {
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [
                {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}},
                {"type": "function", "name": "flat", "parameters": schema},
                {"type": "custom", "custom": {"name": "patch", "format": {"type": "text"}}},
                {"type": "function", "function": {"name": "googleSearch"}},
                {"type": "builtin_function", "function": {"name": "$web_search"}},
            ],
            "web_search_options": {
                "search_context_size": "low",
                "user_location": {"type": "approximate", "approximate": {"city": "Rome"}},
            },
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "f"}}, {"type": [], "x": 1}],
                },
            },
        }
    )
    f, flat, patch, google, other, search = request.tools
    assert isinstance(f, FunctionTool)
    assert (f.name, f.strict) == ("f", True)
    assert isinstance(flat, FunctionTool)
    assert flat.name == "flat"
    assert patch == CustomTool("patch", "", Raw(b'{"type":"text"}'))
    kinds = [(tool.kind, tool.is_plain) for tool in (google, other, search) if isinstance(tool, HostedTool)]
    assert kinds == [("web_search", True), ("other", False), ("web_search", True)]
    assert isinstance(search, HostedTool)
    assert (search.context_size, json.loads(bytes(search.location or b""))) == ("low", {"city": "Rome"})
    assert request.tool_choice == ToolChoice("required", allowed=("f",))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"reasoning_effort": "low"}, Thinking("low")),
        ({"reasoning_effort": None}, None),
        ({"reasoning": {"effort": "high", "exclude": True}}, Thinking("high", show=False)),
        ({"reasoning": {"max_tokens": 2000}}, Thinking(budget_tokens=2000)),
        ({"reasoning": {"enabled": False}}, Thinking("none")),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, Thinking(budget_tokens=1024)),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "high"}, Thinking("none")),
        ({"thinking": {"type": "enabled"}, "reasoning_effort": "high"}, Thinking("high")),
        ({"enable_thinking": False}, Thinking("none")),
        ({"enable_thinking": True, "thinking_budget": 512}, Thinking(budget_tokens=512)),
        ({"chat_template_kwargs": {"enable_thinking": False}}, Thinking("none")),
        (
            {
                "extra_body": {"google": {"thinking_config": {"thinking_budget": 0}}},
                "reasoning_effort": "high",
            },
            Thinking(budget_tokens=0),
        ),
        (
            {"google": {"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True}}},
            Thinking("low", show=True),
        ),
    ],
)
def test_switches_of_all_vendors_are_one_notion(fields: dict[str, Any], expected: Thinking | None) -> None:
    assert request_of({"messages": [{"role": "user", "content": "hi"}], **fields}).thinking == expected


def test_a_name_with_a_wish_keeps_what_else_is_said_to_google() -> None:
    call = call_of(
        {
            "messages": [{"role": "user", "content": "hi"}],
            "reasoning_effort": "low",
            "extra_body": {"google": {"thinking_config": {"thinking_budget": 1}, "cached_content": "c"}},
        }
    )
    changed = OpenAIChat().with_thinking(call, Thinking("high"), ModelFacts()).fields
    assert json.loads(bytes(changed["reasoning_effort"])) == "high"
    assert json.loads(bytes(changed["extra_body"])) == {"google": {"cached_content": "c"}}


def test_unknown_fields_are_named_and_nulls_are_not_there() -> None:
    request = request_of(
        {"messages": [{"role": "user", "content": "hi"}], "novel": 1, "seed": None, "max_tokens": 4096.0}
    )
    assert set(request.extras) == {"novel"}
    assert (request.seed, request.output_tokens_max) == (None, 4096)


def test_a_plain_completion_is_one_turn_of_the_user() -> None:
    request = request_of({"prompt": ["Once"], "max_tokens": 5, "logprobs": 2}, "openai_completions")
    assert (request.turns, request.output_tokens_max, request.logprobs) == ((user(Text("Once")),), 5, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "x", "suffix": "y"},
        {"prompt": "x", "echo": True},
        {"prompt": "x", "best_of": 2},
        {"prompt": [1, 2]},
        {"prompt": ["a", "b"]},
    ],
)
def test_completions_that_no_conversation_can_make_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ApiError):
        request_of(fields, "openai_completions")


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user", "content": 5}, "messages.0.content"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages.0.content.0.text"),
        ({"role": "user", "content": [{"type": "hologram"}]}, "messages.0.content.0.type"),
        (
            {"role": "user", "content": [{"type": "video", "video": ["a"]}]},
            "messages.0.content.0.video_url.url",
        ),
        ({"role": "wizard"}, "messages.0.role"),
        ({"content": "x"}, "messages.0.role"),
        ({"role": "tool", "content": "x"}, "messages.0.tool_call_id"),
        ({"role": "assistant", "tool_calls": 5}, "messages.0.tool_calls"),
        ({"role": "assistant", "tool_calls": [5]}, "messages.0.tool_calls.0"),
    ],
)
def test_a_refusal_names_the_place(message: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as caught:
        turns_of(message)
    assert caught.value.param == param


def test_seals_are_opened_and_never_made_by_a_request_reader() -> None:
    sealed = SEALS.seal(Opaque("deepseek", "signature", "S"))
    assert reasoning_in(reasoning_details=[detail(text="A", signature=sealed, format="switchgear-v1")]) == [
        Reasoning("A", Opaque("deepseek", "signature", "S"))
    ]
