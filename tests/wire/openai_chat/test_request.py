"""Without this an upstream could get something else than the client sent, beyond the named edits."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sim.requests import read_request

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.dialect import Edits
from switchgear.wire.openai_chat.passing.request import pass_request

GOLDEN = Path(__file__).parent / "golden" / "requests"
CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def render(found: dict[str, Any], *, asks_usage: bool = True, **settings: Any) -> dict[str, Any]:
    call = read_request("openai_chat", json.dumps(found).encode())
    before = dict(call.fields)
    body = pass_request(call, "up", Edits(asks_usage, **settings)).body
    assert call.fields == before, "a call is rendered again for the next candidate"
    rendered: dict[str, Any] = json.loads(body)
    return rendered


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    """``sent`` and ``expected`` are the bodies as text, so that spelling and order are seen."""
    case = json.loads(path.read_text())
    call = read_request(case["operation"], case["sent"].encode())
    edits = Edits(case["asks_usage"], tuple(case.get("drop", ())), case.get("rename", {}))
    body = pass_request(call, case["upstream_model"], edits).body.decode()
    if os.environ.get("RECORD_GOLDEN"):
        case["expected"] = body
        path.write_text(json.dumps(case, indent=1, ensure_ascii=False) + "\n")
    assert body == case["expected"]


def test_usage_is_always_asked_for_on_streams() -> None:
    assert render({**CHAT, "stream": True})["stream_options"] == {"include_usage": True}
    options = {"include_usage": False, "include_obfuscation": False}
    assert render({**CHAT, "stream": True, "stream_options": options})["stream_options"] == {
        "include_usage": True,
        "include_obfuscation": False,
    }


def test_an_upstream_that_knows_no_stream_options_gets_none_of_ours() -> None:
    found = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    assert "stream_options" not in render(found, asks_usage=False)
    found["stream_options"]["other"] = 1
    assert render(found, asks_usage=False)["stream_options"] == {"other": 1}


def test_stream_options_go_when_not_streaming() -> None:
    assert "stream_options" not in render(
        {**CHAT, "stream": False, "stream_options": {"include_usage": True}}
    )


@pytest.mark.parametrize(("tools", "kept"), [(None, False), ([], False), ([{"type": "function"}], True)])
def test_parallel_tool_calls_need_tools(tools: Any, kept: bool) -> None:
    assert ("parallel_tool_calls" in render({**CHAT, "tools": tools, "parallel_tool_calls": False})) == kept


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_an_empty_list_of_tools_goes_with_the_choice_among_them(choice: str) -> None:
    for tools in ({"tools": []}, {}):
        assert render({**CHAT, **tools, "tool_choice": choice}).keys() == CHAT.keys()


def test_a_choice_that_there_is_no_tool_for_is_blamed_by_the_upstream() -> None:
    assert render({**CHAT, "tool_choice": "required"})["tool_choice"] == "required"


def test_instructions_stand_together_where_they_are_taken_only_at_the_front() -> None:
    said = [("system", "A."), ("user", "Hi"), ("system", [{"type": "text", "text": "B."}]), ("user", "Now?")]
    messages = [{"role": role, "content": content} for role, content in said]
    body = {**CHAT, "messages": messages}
    found = render(body, facts=ModelFacts(system_first=True))["messages"]
    assert found == [{"role": "system", "content": "A.\n\nB."}, messages[1], messages[3]]
    assert render(body)["messages"] == messages


def test_nulls_go_at_the_top_and_stay_inside() -> None:
    rendered = render({**CHAT, "stop": None, "logit_bias": {"a": None}})
    assert "stop" not in rendered
    assert rendered["logit_bias"] == {"a": None}


def test_drop_and_rename() -> None:
    rename = {"max_completion_tokens": "max_tokens"}
    found = {**CHAT, "logprobs": True, "max_completion_tokens": 5}
    rendered = render(found, drop=("logprobs", "absent"), rename=rename)
    assert rendered == {**CHAT, "model": "up", "max_tokens": 5}
    assert render({**found, "max_tokens": 6}, rename=rename)["max_tokens"] == 6


KEYS = st.text(alphabet='abn"\\é🙂', max_size=6).filter(
    lambda key: key not in ("extra_body", "stream_options", "parallel_tool_calls")
)
VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(st.dictionaries(KEYS, VALUES, max_size=6), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_value_outside_the_edits_is_byte_equal(extra: dict[str, Any], stream: bool) -> None:
    found = {
        **extra,
        **CHAT,
        "stream": stream,
        "n": 1,
        "max_tokens": 1,
        "max_completion_tokens": 1,
        "best_of": 1,
        "encoding_format": "float",
    }
    call = read_request("openai_chat", json.dumps(found).encode())
    again = read_request("openai_chat", pass_request(call, "up", Edits()).body)
    assert [key for key in again.fields if key != "stream_options"] == list(call.fields)
    for key, value in call.fields.items():
        if key != "model":
            assert bytes(again.fields[key]) == bytes(value)
    assert again.model == "up"
