"""Without this a model could lack a tool, call one by a name that nobody knows, or answer in another form
than the client asked for."""

from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace
from tests.wire.anthropic_messages.vectors import CLAUDE, FOREIGN, TOOL, UPSTREAMS, USER, body_of, write

from switchgear.kernel.errors import ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.wire.anthropic_messages.to_upstream.request import write_request
from switchgear.wire.framing.splice import NULL
from switchgear.wire.neutral.request import (
    Audio,
    CustomTool,
    File,
    Format,
    FunctionTool,
    HostedTool,
    Image,
    Request,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)


def test_custom_tools_are_functions_of_one_text() -> None:
    tool = CustomTool("apply", "Applies.", Raw(b'{"type":"grammar","syntax":"lark","definition":"start: X"}'))
    turns = (
        USER,
        Turn("assistant", (ToolCall("c1", "apply", "*** Begin", kind="custom"),)),
        Turn("user", (ToolResult("c1", (Text("ok"),), kind="custom"),)),
    )
    found = write(Request(turns, tools=(tool,)))
    assert found["tools"][0]["input_schema"]["required"] == ["input"]
    assert "start: X" in found["tools"][0]["description"]
    assert found["messages"][1]["content"][0]["input"] == {"input": "*** Begin"}


def test_arguments_that_are_no_json_never_lose_the_call() -> None:
    turns = (USER, Turn("assistant", (ToolCall("c1", "f", "{broken"),)), USER)
    assert write(Request(turns, tools=(TOOL,)))["messages"][1]["content"][0]["input"] == {"_raw": "{broken"}


def test_names_that_are_too_long_are_short_everywhere_and_can_be_told_again() -> None:
    name = "mcp__" + "x" * 200
    turns = (USER, Turn("assistant", (ToolCall("c1", name, "{}"),)), USER)
    written = write_request(
        Request(turns, tools=(FunctionTool(name),), tool_choice=ToolChoice("named", name)), CLAUDE
    )
    found = body_of(written)
    short = found["tools"][0]["name"]
    assert len(short) <= 128
    assert found["tool_choice"]["name"] == found["messages"][1]["content"][0]["name"] == short
    assert written.names == {short: name}


def test_a_schema_is_one_of_an_object() -> None:
    schemas = [
        None,
        Raw(b"{}"),
        Raw(b'{"anyOf":[{"properties":{"a":{}},"required":["a"]},{"properties":{"b":{}}}]}'),
    ]
    tools = tuple(FunctionTool(f"f{at}", "", schema) for at, schema in enumerate(schemas))
    found = [tool["input_schema"] for tool in write(Request((USER,), tools=tools))["tools"]]
    assert all(schema["type"] == "object" for schema in found)
    assert list(found[2]["properties"]) == ["a", "b"]
    assert "anyOf" not in found[2]


def test_tools_of_the_upstream_are_not_asked_of_hosts_that_have_none() -> None:
    tool = HostedTool("web_search", "openai_responses", NULL, type="web_search", uses_max=2)
    written = write_request(Request((USER,), tools=(tool,)), FOREIGN)
    assert "tools" not in written.body
    assert written.dropped == ("web_search",)
    (found,) = write(Request((USER,), tools=(tool,)))["tools"]
    assert (found["name"], found["max_uses"]) == ("web_search", 2)


def test_only_allowed_tools_are_declared() -> None:
    request = Request(
        (USER,),
        tools=(FunctionTool("a"), FunctionTool("b")),
        tool_choice=ToolChoice("required", allowed=("b",)),
    )
    found = write(request)
    assert [tool["name"] for tool in found["tools"]] == ["b"]
    assert found["tool_choice"] == {"type": "any"}


def test_a_choice_that_the_model_does_not_take_leaves_that_tool_alone() -> None:
    upstream = replace(FOREIGN, facts=ModelFacts(tool_choices=("auto", "none")))
    request = Request(
        (USER,), tools=(FunctionTool("a"), FunctionTool("b")), tool_choice=ToolChoice("named", "b")
    )
    written = write_request(request, upstream)
    assert [tool["name"] for tool in body_of(written)["tools"]] == ["b"]
    assert written.dropped == ("tool_choice",)


def test_calls_in_parallel_are_forbidden_where_the_client_forbids_them() -> None:
    found = write(Request((USER,), tools=(TOOL,), parallel=False))
    assert found["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert "tool_choice" not in write(Request((USER,), tools=(TOOL,), parallel=True))
    assert "tool_choice" not in write(Request((USER,), parallel=False))


def test_an_answer_by_schema_beside_tools_is_one_of_the_calls() -> None:
    request = Request(
        (USER,), tools=(TOOL,), format=Format("json_schema", Raw(b'{"type":"object","properties":{}}'))
    )
    written = write_request(request, UPSTREAMS["no_schema"])
    found = body_of(written)
    assert [tool["name"] for tool in found["tools"]] == ["f", "json_output"]
    assert found["tool_choice"] == {"type": "any"}
    assert written.unwrap_tool == "json_output"


def test_json_without_a_schema_is_asked_for_in_words() -> None:
    found = write(Request((USER,), format=Format("json_object")))
    assert "JSON" in found["system"][-1]["text"]


@pytest.mark.parametrize(
    "part",
    [
        Image(data="QUJD", media_type="image/tiff"),
        Image(file_id="file_1"),
        File(data="QUJD", media_type="application/zip"),
        File(file_id="file_1"),
        Audio(data="QUJD", media_type="audio/wav"),
    ],
)
def test_content_that_can_not_be_carried_is_refused(part: Any) -> None:
    with pytest.raises(ApiError) as caught:
        write(Request((Turn("user", (part,)),)))
    assert caught.value.row.status == 400
