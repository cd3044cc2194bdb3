"""Without this a conversation could reach an upstream of this dialect in an order that it refuses, or lose
turns, results and system texts on the way."""

import json

import pytest
from msgspec.structs import replace
from tests.wire.anthropic_messages.vectors import (
    CLAUDE,
    TOOL,
    USER,
    write,
)

from switchgear.kernel.errors import ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.wire.neutral.request import (
    Image,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)


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
