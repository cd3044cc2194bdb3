"""Without this a request of another dialect could reach an upstream of this one in a form that it refuses:
results before calls, names that are too long, switches for reasoning that contradict, null for a text."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from tests.wire.openai_chat.upstreams import (
    CLAUDE,
    DEEPSEEK,
    GEMINI,
    HI,
    OPENAI,
    PLAIN,
    QWEN,
    SIG,
    F,
    answered,
    body_of,
    detail,
    messages_of,
    user,
)

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.neutral.history import NO_RESULT
from switchgear.wire.neutral.request import (
    Audio,
    CustomTool,
    Format,
    FunctionTool,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Upstream,
)
from switchgear.wire.openai_chat.to_upstream.request import write_request


def test_the_history_of_the_example_goes_back_to_claude_with_its_signature() -> None:
    turns = (
        user(Text("Weather in Rome?")),
        answered(
            Reasoning("Need weather.", SIG),
            Text("Looking."),
            ToolCall("toolu_9", "get_weather", '{"city":"Rome"}'),
        ),
        user(ToolResult("toolu_9", (Text("18 C"),))),
    )
    call = {
        "id": "toolu_9",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'},
    }
    assert messages_of(*turns, upstream=CLAUDE) == [
        {"role": "user", "content": "Weather in Rome?"},
        {
            "role": "assistant",
            "content": "Looking.",
            "reasoning_content": "Need weather.",
            "reasoning_details": [detail(text="Need weather.", signature="SIG")],
            "tool_calls": [call],
        },
        {"role": "tool", "tool_call_id": "toolu_9", "content": "18 C"},
    ]
    assert messages_of(*turns)[1] == {"role": "assistant", "content": "Looking.", "tool_calls": [call]}


def test_signatures_go_to_their_maker_only() -> None:
    google = Opaque("google", "signature", "U0lH")
    turns = (
        HI,
        answered(Text("x", opaque=google), ToolCall("a", "f", "{}", opaque=google)),
        user(ToolResult("a", (Text("1"),))),
    )
    extra = {"google": {"thought_signature": "U0lH"}}
    message = messages_of(*turns, upstream=GEMINI)[1]
    assert message["extra_content"] == message["tool_calls"][0]["extra_content"] == extra
    for upstream in (OPENAI, CLAUDE, DEEPSEEK):
        assert "U0lH" not in json.dumps(messages_of(*turns, upstream=upstream))
    signed = answered(Reasoning("R", SIG), Text("x"))
    for upstream in (OPENAI, GEMINI, DEEPSEEK):
        assert "SIG" not in json.dumps(messages_of(HI, signed, upstream=upstream))


def test_reasoning_goes_back_to_models_that_ask_for_it_in_every_earlier_answer() -> None:
    turns = (HI, answered(Reasoning("R"), Text("a")), HI, answered(Text("b")), HI)
    first, second = [
        m for m in messages_of(*turns, upstream=DEEPSEEK, tools=(F,)) if m["role"] == "assistant"
    ]
    assert (first["reasoning_content"], second["reasoning_content"]) == ("R", " ")
    without = [m for m in messages_of(*turns, upstream=DEEPSEEK) if m["role"] == "assistant"]
    assert "reasoning_content" not in without[1]


def test_a_model_of_which_nothing_is_known_gets_back_its_own_reasoning_or_all_where_its_channel_says_so() -> (
    None
):
    turns = (HI, answered(Reasoning("Other.", SIG), Reasoning("Own.", is_own=True), Text("a")), HI)
    giving = msgspec.structs.replace(PLAIN, gives_back_reasoning=True)
    for upstream, reasoning, dropped in (
        (PLAIN, "Own.", ("earlier_reasoning",)),
        (giving, "Other.Own.", ()),
        # What is known of a model goes before what its channel says.
        (msgspec.structs.replace(OPENAI, gives_back_reasoning=True), None, ()),
        (DEEPSEEK, "Other.Own.", ()),
    ):
        written = write_request(Request(turns), upstream)
        assert json.loads(bytes(written.body["messages"]))[1].get("reasoning_content") == reasoning
        assert written.dropped == dropped


@pytest.mark.parametrize(
    "reasoning", [Reasoning("", SIG), Reasoning("Own.", is_own=True), Text("a")], ids=["token", "own", "none"]
)
def test_reasoning_that_nobody_could_read_there_is_not_named(reasoning: Part) -> None:
    assert write_request(Request((HI, answered(reasoning, Text("a")), HI)), PLAIN).dropped == ()


def test_results_come_directly_after_their_calls_and_pictures_after_all_of_them() -> None:
    calls = answered(ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))
    picture = Image("iVBORw0=", "image/png")
    results = user(
        Text("and?"), ToolResult("b", (Text("B"), picture)), ToolResult("a", (picture,), is_error=True)
    )
    found = messages_of(HI, calls, results)[2:]
    assert [message["role"] for message in found] == ["tool", "tool", "user"]
    assert [message["tool_call_id"] for message in found[:2]] == ["a", "b"]
    assert found[0]["content"].startswith("Error: ")
    assert found[1]["content"] == "B"
    assert [part["type"] for part in found[2]["content"]] == ["image_url", "image_url", "text"]


def test_a_call_without_a_result_gets_one() -> None:
    found = messages_of(HI, answered(ToolCall("a", "f", "{}")), HI)
    assert found[2] == {"role": "tool", "tool_call_id": "a", "content": f"Error: {NO_RESULT}"}


def test_a_picture_of_the_assistant_is_shown_by_the_user() -> None:
    found = messages_of(HI, answered(Text("here"), Image("iVBORw0=", "image/png")), user(Text("bluer")))
    assert found[1] == {"role": "assistant", "content": "here"}
    assert [part["type"] for part in found[2]["content"]] == ["image_url", "text"]


def test_ids_and_names_that_the_dialect_has_not_are_replaced_and_names_restored() -> None:
    long = "mcp__server__" + "x" * 70
    tools = (FunctionTool(long), FunctionTool("a.b"), F)
    turns = (
        HI,
        answered(ToolCall("functions.f:0", long, "{}")),
        user(ToolResult("functions.f:0", (Text("1"),))),
    )
    request = Request(turns, tools, ToolChoice("named", long))
    body = body_of(request)
    names = [tool["function"]["name"] for tool in body["tools"]]
    assert all(len(name) <= 64 and "." not in name for name in names)
    assert names[2] == "f"
    assert write_request(request, PLAIN).names == {names[0]: long, names[1]: "a.b"}
    call, result = body["messages"][1]["tool_calls"][0], body["messages"][2]
    assert call["function"]["name"] == body["tool_choice"]["function"]["name"] == names[0]
    assert call["id"] == result["tool_call_id"]
    assert ":" not in call["id"]


def test_free_text_tools_are_functions_where_there_are_no_others() -> None:
    turns = (HI, answered(ToolCall("a", "patch", "*** x", "custom")), user(ToolResult("a", (Text("ok"),))))
    request = Request(turns, (CustomTool("patch", "Edits."),), ToolChoice("named", "patch"))
    body = body_of(request)
    (tool,) = body["tools"]
    assert tool["function"]["parameters"]["required"] == ["input"]
    call = body["messages"][1]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == {"input": "*** x"}
    assert body["tool_choice"] == {"type": "function", "function": {"name": "patch"}}
    native = body_of(request, OPENAI)
    assert native["tools"] == [{"type": "custom", "custom": {"name": "patch", "description": "Edits."}}]
    assert native["messages"][1]["tool_calls"][0]["custom"] == {"name": "patch", "input": "*** x"}
    assert native["tool_choice"] == {"type": "custom", "custom": {"name": "patch"}}


def test_arguments_that_a_model_wrote_wrongly_are_an_object_all_the_same() -> None:
    found = messages_of(HI, answered(ToolCall("a", "f", '{"x'), ToolCall("b", "f", "")))
    texts = [call["function"]["arguments"] for call in found[1]["tool_calls"]]
    assert [json.loads(text) for text in texts] == [{"_raw": '{"x'}, {}]


def test_an_answer_without_text_has_an_empty_one() -> None:
    found = messages_of(HI, answered(ToolCall("a", "f", "{}")))
    assert found[1]["content"] == ""


def test_a_refusal_is_told_by_its_words() -> None:
    """A turn without content is refused, and most servers know no other field for it."""
    assert messages_of(HI, answered(Refusal("No.")))[1] == {"role": "assistant", "content": "No."}


@pytest.mark.parametrize(
    ("thinking", "upstream", "expected"),
    [
        (Thinking("high"), PLAIN, {"reasoning_effort": "high"}),
        (Thinking(budget_tokens=8192), OPENAI, {"reasoning_effort": "medium"}),
        (Thinking("medium"), DEEPSEEK, {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}),
        (Thinking("none"), DEEPSEEK, {"thinking": {"type": "disabled"}}),
        (Thinking(budget_tokens=0), DEEPSEEK, {"thinking": {"type": "disabled"}}),
        (Thinking("low"), QWEN, {"enable_thinking": True, "thinking_budget": 2048}),
        (Thinking("none"), QWEN, {"enable_thinking": False}),
        (Thinking(budget_tokens=-1), QWEN, {"enable_thinking": True}),
        (None, DEEPSEEK, {}),
    ],
)
def test_one_switch_for_reasoning_and_never_two_that_contradict(
    thinking: Thinking | None, upstream: Upstream, expected: dict[str, Any]
) -> None:
    body = body_of(Request((HI,), thinking=thinking), upstream)
    keys = ("reasoning_effort", "thinking", "enable_thinking", "thinking_budget")
    assert {key: body[key] for key in keys if key in body} == expected


@pytest.mark.parametrize("thinking", [None, Thinking("high")])
def test_a_forced_tool_switches_reasoning_off_where_both_are_refused(thinking: Thinking | None) -> None:
    request = Request((HI,), (F,), ToolChoice("required"), thinking=thinking)
    written = write_request(request, DEEPSEEK)
    body = body_of(request, DEEPSEEK)
    assert (body["thinking"], body["tool_choice"]) == ({"type": "disabled"}, "required")
    assert ("thinking" in written.dropped) == (thinking is not None)


TWO = (F, FunctionTool("g"))


@pytest.mark.parametrize(
    ("taken", "choice", "names", "written"),
    [
        ((), ToolChoice("named", "g"), ["f", "g"], {"type": "function", "function": {"name": "g"}}),
        (("auto", "required"), ToolChoice("named", "g"), ["g"], "required"),
        (("auto", "none"), ToolChoice("named", "g"), ["g"], None),
        (("auto", "none"), ToolChoice("required"), ["f", "g"], None),
        (("auto",), ToolChoice("none"), [], None),
        ((), ToolChoice("auto", allowed=("g",)), ["g"], "auto"),
    ],
)
def test_choices_that_a_model_lacks_come_as_near_as_they_can(
    taken: Any, choice: ToolChoice, names: list[str], written: Any
) -> None:
    upstream = msgspec.structs.replace(PLAIN, facts=ModelFacts(tool_choices=taken))
    body = body_of(Request((HI,), TWO, choice, parallel=False), upstream)
    assert [tool["function"]["name"] for tool in body.get("tools", [])] == names
    assert body.get("tool_choice") == written
    assert ("parallel_tool_calls" in body) == bool(names)


def test_a_model_that_always_reasons_is_not_forced() -> None:
    facts = ModelFacts(thinking="always", thinking_off=False, thinking_auto_only=True)
    request = Request((HI,), TWO, ToolChoice("required"))
    written = write_request(request, msgspec.structs.replace(PLAIN, facts=facts))
    assert "tool_choice" not in written.body
    assert written.dropped == ("tool_choice",)


def test_parameters_that_a_model_refuses_are_left_out_and_named() -> None:
    facts = ModelFacts(
        no_sampling=True, no_penalties=True, no_stop=True, no_parallel=True, no_max_tokens=True
    )
    request = Request(
        (HI,),
        (F,),
        temperature=0.5,
        top_p=0.9,
        presence_penalty=1.0,
        stop=("x",),
        parallel=True,
        output_tokens_max=9,
    )
    written = write_request(request, msgspec.structs.replace(PLAIN, facts=facts))
    assert set(written.dropped) == {"temperature", "top_p", "presence_penalty", "parallel"}
    assert written.stops == ("x",)
    assert set(written.body) == {"model", "messages", "tools", "max_completion_tokens"}
    plain = write_request(request, PLAIN)
    assert (plain.dropped, plain.stops, json.loads(bytes(plain.body["stop"]))) == ((), (), ["x"])
    assert b"null" not in bytes(write_request(request, PLAIN).body["messages"])


SCHEMA = Raw(b'{"type":"object"}')


def test_the_word_json_is_said_where_only_that_makes_an_answer_json() -> None:
    system = Turn("system", (Text("Be brief."),))
    schema = Format("json_schema", SCHEMA, "answer", True)
    body = body_of(Request((system, HI), format=schema))
    assert body["response_format"]["json_schema"] == {
        "name": "answer",
        "schema": {"type": "object"},
        "strict": True,
    }
    assert len(body["messages"]) == 2
    told = body_of(Request((system, HI), format=schema), DEEPSEEK)
    assert told["response_format"] == {"type": "json_object"}
    assert [message["role"] for message in told["messages"]] == ["system", "system", "user"]
    assert '{"type":"object"}' in told["messages"][1]["content"]
    bare = body_of(Request((HI,), format=Format("json_object")))
    assert "JSON" in bare["messages"][0]["content"]
    asked = body_of(Request((user(Text("As json, please")),), format=Format("json_object")))
    assert len(asked["messages"]) == 1


def test_instructions_stand_where_the_model_takes_them() -> None:
    turns = (Turn("system", (Text("A"),)), HI, Turn("developer", (Text("B"),)), HI)
    format = Format("json_object")
    first = messages_of(*turns, upstream=QWEN, format=format)
    assert [message["role"] for message in first] == ["system", "user", "user"]
    assert first[0]["content"].startswith("A\n\n")
    assert first[0]["content"].endswith("B")
    none = Upstream("gemma", facts=ModelFacts(system_role="none"))
    assert [message["role"] for message in messages_of(*turns, upstream=none)] == ["user", "user"]
    developer = Upstream("gpt-5.2", facts=ModelFacts(system_role="developer"))
    roles = [message["role"] for message in messages_of(*turns, upstream=developer)]
    assert roles == ["developer", "user", "developer", "user"]


def test_a_spoken_answer_goes_back_by_its_name_or_its_words() -> None:
    named, told = (
        Audio(answer_id="audio_1", transcript="Hello"),
        Audio("AAAA", "audio/pcm", transcript="Hello"),
    )
    assert messages_of(HI, answered(named))[1] == {
        "role": "assistant",
        "content": "",
        "audio": {"id": "audio_1"},
    }
    assert messages_of(HI, answered(told))[1] == {"role": "assistant", "content": "Hello"}


def test_usage_is_asked_of_every_stream_that_can_tell_it() -> None:
    assert body_of(Request((HI,), stream=True))["stream_options"] == {"include_usage": True}
    silent = msgspec.structs.replace(PLAIN, asks_usage=False)
    assert "stream_options" not in body_of(Request((HI,), stream=True), silent)
