"""Without this a request could change its meaning between dialects: lose content, send reasoning to one who
did not make it, or be refused by the upstream for an order or a switch that the client never chose."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace
from tests.wire.anthropic_messages.vectors import ADAPTIVE, CLAUDE, FOREIGN, PlainSeals, call_of

from switchgear.kernel.errors import ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.wire.anthropic_messages.peek import read_call
from switchgear.wire.anthropic_messages.request_in import read_request
from switchgear.wire.anthropic_messages.request_out import write_request
from switchgear.wire.ir import (
    Audio,
    CustomTool,
    File,
    Format,
    FunctionTool,
    HostedTool,
    Image,
    Opaque,
    Reasoning,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Upstream,
    Written,
)
from switchgear.wire.splice import NULL

GOLDEN = Path(__file__).parent / "golden" / "requests"
UPSTREAMS = {
    "manual": CLAUDE,
    "adaptive": ADAPTIVE,
    "foreign": FOREIGN,
    "no_schema": replace(CLAUDE, facts=ModelFacts(8192, thinking="manual", json_schema=False)),
}
USER = Turn("user", (Text("go"),))
TOOL = FunctionTool("f", "", Raw(b'{"type":"object","properties":{}}'))


def read(found: dict[str, Any]) -> Request:
    return read_request(call_of({"model": "m", "max_tokens": 10, **found}), PlainSeals())


def body_of(written: Written) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        b"{%s}"
        % b",".join(json.dumps(key).encode() + b":" + bytes(value) for key, value in written.body.items())
    )
    return found


def write(request: Request, upstream: Upstream = CLAUDE) -> dict[str, Any]:
    return body_of(write_request(request, upstream))


def loop(*reasoning: Reasoning) -> tuple[Turn, ...]:
    """A conversation within a loop of tool calls."""
    return (
        USER,
        Turn("assistant", (*reasoning, ToolCall("c1", "f", "{}"))),
        Turn("user", (ToolResult("c1", (Text("ok"),)),)),
    )


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    """A client's request as it goes on to an upstream of the same dialect by way of the neutral form.
    ``written`` is made anew under RECORD_GOLDEN=1."""
    case = json.loads(path.read_text())
    written = write_request(read_request(call_of(case["sent"]), PlainSeals()), UPSTREAMS[case["upstream"]])
    found = {
        "body": body_of(written),
        "dropped": list(written.dropped),
        "headers": [list(header) for header in written.headers],
        "unwrap_tool": written.unwrap_tool,
    }
    if os.environ.get("RECORD_GOLDEN"):
        case["written"] = found
        path.write_text(json.dumps(case, indent=1, ensure_ascii=False) + "\n")
    assert found == case["written"]


words = st.text("abc é🌍", min_size=1, max_size=6).filter(str.strip)
user_parts = st.one_of(
    words.map(Text),
    st.just(Image(data="QUJD", media_type="image/png")),
    st.just(Image(url="https://example.org/a.png")),
    words.map(lambda text: File(text=text, media_type="text/plain")),
    st.just(File(data="QUJD", media_type="application/pdf", filename="a")),
)
answer_parts = st.one_of(
    words.map(Text),
    words.map(lambda text: Reasoning(text, Opaque("anthropic", "signature", "SIG"))),
    st.just(Reasoning("", Opaque("anthropic", "redacted", "DATA"))),
)


@given(
    st.lists(
        st.tuples(
            st.lists(user_parts, min_size=1, max_size=3), st.lists(answer_parts, min_size=1, max_size=3)
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([None, Thinking(budget_tokens=2048)]),
    st.lists(words, max_size=2),
)
def test_what_is_written_reads_as_the_same_request(
    pairs: list[tuple[list[Any], list[Any]]], thinking: Thinking | None, stop: list[str]
) -> None:
    turns = [
        turn
        for said, answered in pairs
        for turn in (Turn("user", tuple(said)), Turn("assistant", tuple(answered)))
    ]
    request = Request(
        (Turn("system", (Text("s"),)), *turns, USER),
        tools=(TOOL,),
        thinking=thinking,
        output_tokens_max=4096,
        stop=tuple(stop),
        user="u",
        stream=True,
    )
    written = write_request(request, CLAUDE)
    assert not written.dropped
    again = read_request(read_call("anthropic_messages", written.body, "m"), PlainSeals())
    assert again == request


@pytest.mark.parametrize(
    ("found", "param"),
    [
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
            "messages.0.content.0.text",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": ["x"]}, "messages.0"),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages.0.content.0.type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]},
            "messages.0.content.0.source.data",
        ),
        ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
        ({"tools": [{"name": "x", "type": "teleport_20990101"}]}, "tools.0.type"),
        ({"tools": {}}, "tools"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice"),
        ({"thinking": {"type": "sometimes"}}, "thinking.type"),
        ({"thinking": "on"}, "thinking"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"stop_sequences": [1]}, "stop_sequences"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_what_can_not_be_read_is_named(found: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as caught:
        read({"messages": [{"role": "user", "content": "x"}], **found})
    assert caught.value.param == param
    assert caught.value.row.status == 400


def test_unknown_fields_are_named_and_never_refused() -> None:
    request = read({"messages": [{"role": "user", "content": "x"}], "speed": "fast", "odd": None})
    assert list(request.extras) == ["speed"]


def test_half_a_surrogate_pair_is_no_error() -> None:
    fields = call_of({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x\ud800y"}]})
    assert read_request(fields, PlainSeals()).turns[0].parts == (Text("x\ufffdy"),)


@pytest.mark.parametrize(
    ("thinking", "config", "expected"),
    [
        ({"type": "enabled", "budget_tokens": 2048}, {}, Thinking(budget_tokens=2048)),
        ({"type": "enabled", "budget_tokens": 2048.0}, {}, Thinking(budget_tokens=2048)),
        ({"type": "adaptive"}, {}, Thinking(effort="high")),
        ({"type": "adaptive", "display": "omitted"}, {"effort": "low"}, Thinking(effort="low", show=False)),
        ({"type": "disabled"}, {"effort": "high"}, Thinking(effort="none")),
        (None, {"effort": "max"}, Thinking(effort="max")),
        (None, {}, None),
    ],
)
def test_thinking_of_clients(thinking: Any, config: Any, expected: Thinking | None) -> None:
    found = {"messages": [{"role": "user", "content": "x"}], "thinking": thinking, "output_config": config}
    assert read(found).thinking == expected


def test_the_billing_line_of_a_client_goes_nowhere_else() -> None:
    """It changes with each request and would defeat the prompt cache."""
    system = [{"type": "text", "text": "x-anthropic-billing-header: cch=8a"}, {"type": "text", "text": "Be."}]
    request = read({"system": system, "messages": [{"role": "user", "content": "x"}]})
    assert request.turns[0] == Turn("system", (Text("Be."),))


# --- order of turns


def test_a_call_without_a_result_gets_one() -> None:
    found = write(Request((USER, Turn("assistant", (ToolCall("c1", "f", "{}"),)), USER), tools=(TOOL,)))
    result, text = found["messages"][2]["content"]
    assert (result["type"], result["tool_use_id"], result["is_error"]) == ("tool_result", "c1", True)
    assert text["text"] == "go"


def test_ids_that_come_again_in_a_later_turn_name_one_call_each() -> None:
    """Some hosts count the calls of each answer from zero."""
    turns = tuple(
        turn
        for text in ("one", "two")
        for turn in (
            USER,
            Turn("assistant", (ToolCall("call_0", "f", "{}"),)),
            Turn("user", (ToolResult("call_0", (Text(text),)),)),
        )
    )
    messages = write(Request(turns, tools=(TOOL,)))["messages"]
    calls = [block["id"] for m in messages for block in m["content"] if block["type"] == "tool_use"]
    results = [
        (block["tool_use_id"], block["content"])
        for m in messages
        for block in m["content"]
        if block["type"] == "tool_result"
    ]
    assert calls[0] == "call_0"
    assert len(set(calls)) == 2
    assert results == [(calls[0], "one"), (calls[1], "two")]


def test_results_of_one_turn_stand_in_one_message_before_its_text() -> None:
    calls = Turn("assistant", (ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}")))
    turns = (
        USER,
        calls,
        Turn("user", (ToolResult("c2", (Text("two"),)),)),
        Turn("user", (Text("more"), ToolResult("c1", (Text("one"),)))),
    )
    message = write(Request(turns, tools=(TOOL,)))["messages"][-1]
    assert [block.get("tool_use_id") for block in message["content"]] == ["c1", "c2", None]


def test_pictures_in_results_stay_there() -> None:
    result = ToolResult("c1", (Text("see"), Image(data="QUJD", media_type="image/png")))
    turns = (USER, Turn("assistant", (ToolCall("c1", "f", "{}"),)), Turn("user", (result,)))
    content = write(Request(turns, tools=(TOOL,)))["messages"][-1]["content"][0]["content"]
    assert [block["type"] for block in content] == ["text", "image"]


def test_cache_markers_are_bounded_wherever_they_stand() -> None:
    marked = tuple(Text(str(at), "5m") for at in range(3))
    turns = (
        Turn("user", marked),
        Turn("assistant", (ToolCall("c1", "f", "{}"),)),
        Turn("user", (ToolResult("c1", marked), *marked)),
    )
    assert json.dumps(write(Request(turns, tools=(TOOL,)))).count('"cache_control"') == 4


def test_empty_texts_are_never_sent() -> None:
    turns = (Turn("user", (Text(""),)), Turn("assistant", (Text("  "),)), Turn("user", ()))
    for message in write(Request(turns))["messages"]:
        assert all(block["text"].strip() for block in message["content"])


def test_a_history_that_begins_with_an_answer_gets_a_user_first() -> None:
    found = write(Request((Turn("assistant", (Text("Hello"),)), USER)))
    assert [message["role"] for message in found["messages"]] == ["user", "assistant", "user"]


def test_leading_system_and_developer_texts_are_top_level_blocks_in_order() -> None:
    turns = (Turn("system", (Text("a"),)), Turn("developer", (Text("b", "5m"),)), USER)
    found = write(Request(turns))
    assert [block["text"] for block in found["system"]] == ["a", "b"]
    assert "cache_control" in found["system"][1]
    assert [message["role"] for message in found["messages"]] == ["user"]


def test_a_later_system_text_stays_in_its_place() -> None:
    turns = (USER, Turn("system", (Text("Be brief."),)), Turn("assistant", (Text("ok"),)), USER)
    first = write(Request(turns))["messages"][0]
    assert first["role"] == "user"
    assert "Be brief." in first["content"][1]["text"]


def test_an_answer_that_was_begun_goes_on_where_the_model_can() -> None:
    turns = (USER, Turn("assistant", (Text("It is "),)))
    assert write(Request(turns))["messages"][-1]["content"][0]["text"] == "It is"
    refusing = replace(CLAUDE, facts=ModelFacts(no_prefill=True))
    with pytest.raises(ApiError) as caught:
        write(Request(turns), refusing)
    assert caught.value.param == "messages"


# --- reasoning


def test_reasoning_goes_back_to_its_maker_only() -> None:
    for origin, is_kept in (("anthropic", True), ("google", False), ("", False)):
        request = Request(loop(Reasoning("Hm", Opaque(origin, "signature", "SIG"))), tools=(TOOL,))
        kinds = [block["type"] for block in write(request)["messages"][1]["content"]]
        assert ("thinking" in kinds) == is_kept
    nobody = Upstream("m", "compatible", "")
    request = Request(loop(Reasoning("Hm", Opaque("", "signature", "SIG"))), tools=(TOOL,))
    assert "SIG" not in json.dumps(write(request, nobody))


def test_a_loop_that_lost_its_reasoning_goes_on_without() -> None:
    request = Request(
        loop(Reasoning("Hm", Opaque("google", "signature", "X"))),
        tools=(TOOL,),
        thinking=Thinking(effort="high"),
    )
    written = write_request(request, CLAUDE)
    assert "thinking" not in written.body
    assert "thinking" in written.dropped
    assert write(request, ADAPTIVE)["thinking"]["type"] == "adaptive"


def test_a_forced_call_outweighs_reasoning() -> None:
    request = Request(
        (USER,), tools=(TOOL,), tool_choice=ToolChoice("named", "f"), thinking=Thinking(effort="high")
    )
    written = write_request(request, CLAUDE)
    assert body_of(written)["tool_choice"] == {"type": "tool", "name": "f"}
    assert "thinking" not in written.body
    assert written.dropped == ("thinking",)


@pytest.mark.parametrize(
    ("thinking", "facts", "expected"),
    [
        (
            Thinking(effort="high"),
            ModelFacts(64_000, thinking="manual"),
            {"type": "enabled", "budget_tokens": 16_384},
        ),
        (
            Thinking(effort="high"),
            ModelFacts(64_000, thinking="adaptive"),
            {"type": "adaptive", "display": "summarized"},
        ),
        (Thinking(effort="high"), ModelFacts(64_000, thinking="manual_adaptive"), {"type": "adaptive"}),
        (
            Thinking(budget_tokens=5000),
            ModelFacts(64_000, thinking="manual_adaptive"),
            {"type": "enabled", "budget_tokens": 5000},
        ),
        (
            Thinking(budget_tokens=5000),
            ModelFacts(64_000, thinking="adaptive"),
            {"type": "adaptive", "display": "summarized"},
        ),
        (Thinking(effort="none"), ModelFacts(64_000, thinking="adaptive"), {"type": "disabled"}),
        (Thinking(effort="none"), ModelFacts(64_000, thinking="adaptive", thinking_off=False), None),
        (Thinking(effort="high"), ModelFacts(64_000, thinking="always"), None),
        (
            Thinking(budget_tokens=5),
            ModelFacts(64_000, thinking="manual"),
            {"type": "enabled", "budget_tokens": 1024},
        ),
    ],
)
def test_one_switch_for_each_family(thinking: Thinking, facts: ModelFacts, expected: Any) -> None:
    found = write(Request((USER,), thinking=thinking), replace(CLAUDE, facts=facts))
    assert found.get("thinking") == expected
    if expected is None or expected["type"] != "adaptive":
        assert "effort" not in found.get("output_config", {}), "two switches may disagree"
    else:
        assert found["output_config"]["effort"]


@given(st.integers(1, 70_000), st.integers(1, 70_000), st.sampled_from([0, 8192, 64_000]))
def test_a_budget_is_always_below_the_tokens_of_the_answer(limit: int, budget: int, most: int) -> None:
    upstream = replace(CLAUDE, facts=ModelFacts(most, thinking="manual"))
    found = write(
        Request((USER,), thinking=Thinking(budget_tokens=budget), output_tokens_max=limit), upstream
    )
    assert not most or found["max_tokens"] <= most
    if found["thinking"]["type"] == "enabled":
        assert 1024 <= found["thinking"]["budget_tokens"] < found["max_tokens"]


def test_sampling_that_reasoning_forbids_is_left_out_and_named() -> None:
    request = Request((USER,), temperature=0.2, top_p=0.5, top_k=3, thinking=Thinking(effort="low"))
    written = write_request(request, CLAUDE)
    assert not {"temperature", "top_p", "top_k"} & set(written.body)
    assert set(written.dropped) == {"temperature", "top_p", "top_k"}


def test_sampling_fits_the_dialect() -> None:
    written = write_request(Request((USER,), temperature=1.7, top_p=0.5), CLAUDE)
    assert body_of(written)["temperature"] == 1
    assert set(written.dropped) == {"temperature", "top_p"}
    assert not {"temperature"} & set(write_request(Request((USER,), temperature=0.5), ADAPTIVE).body)


def test_an_answer_without_a_limit_may_be_as_long_as_the_model_can() -> None:
    assert write(Request((USER,)))["max_tokens"] == 64_000
    assert write(Request((USER,)), FOREIGN)["max_tokens"] == 8192


# --- tools


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
