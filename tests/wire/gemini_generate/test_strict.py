"""Without this a conversation that other dialects allow could become a request that Google refuses as a
whole: the simulated vendor's own rules judge whatever is written."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from tests.sim.gemini import signature_of
from tests.sim.gemini_strict import check
from tests.wire.gemini_generate.vectors import CLAUDE_TOKEN, GEMINI_3, GEMINI_25, PLAIN, body_of

from switchgear.wire.gemini_generate.to_upstream.request import write_request
from switchgear.wire.neutral.request import (
    CustomTool,
    Format,
    FunctionTool,
    HostedTool,
    Image,
    Opaque,
    Part,
    Reasoning,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Upstream,
)

NAMES = ("f", "g", "3d/x", "long" * 30)
IDS = ("a", "b", "functions.x:0", "")
SIGNATURES = {name: Opaque("google", "signature", signature_of(name)) for name in ("f", "g")}


def call(id: str, name: str, is_own: bool) -> ToolCall:
    return ToolCall(id, name, "{}", opaque=SIGNATURES.get(name) if is_own else CLAUDE_TOKEN)


texts: st.SearchStrategy[Part] = st.sampled_from(["", "Hi", "{}"]).map(Text)
calls: st.SearchStrategy[Part] = st.builds(call, st.sampled_from(IDS), st.sampled_from(NAMES), st.booleans())
results: st.SearchStrategy[Part] = st.builds(
    ToolResult,
    st.sampled_from(IDS),
    st.lists(st.sampled_from([Text("18 C"), Text('{"a":1}'), Image("iVBO", "image/png")]), max_size=2).map(
        tuple
    ),
    is_error=st.booleans(),
)
thoughts: st.SearchStrategy[Part] = st.sampled_from(["", "Hm."]).map(
    lambda text: Reasoning(text, CLAUDE_TOKEN)
)
turns = st.lists(
    st.one_of(
        st.builds(Turn, st.sampled_from(["system", "developer"]), texts.map(lambda part: (part,))),
        st.builds(Turn, st.just("user"), st.lists(texts | results, max_size=3).map(tuple)),
        st.builds(Turn, st.just("assistant"), st.lists(texts | calls | thoughts, max_size=4).map(tuple)),
    ),
    max_size=7,
)
SCHEMA = Raw(
    b'{"type":"object","properties":{"a":{"type":["string","null"],"const":"x"}},"additionalProperties":false}'
)
tools = st.lists(
    st.sampled_from(
        [
            *(FunctionTool(name, "d", SCHEMA) for name in NAMES),
            FunctionTool("f"),
            CustomTool("patch"),
            HostedTool("web_search", "openai_chat", Raw(b"{}"), "web_search_options"),
        ]
    ),
    max_size=4,
).map(tuple)
choices = st.sampled_from(
    [
        None,
        ToolChoice("auto"),
        ToolChoice("none"),
        ToolChoice("required"),
        ToolChoice("auto", allowed=("f",)),
        ToolChoice("required", allowed=("f", "3d/x")),
        ToolChoice("named", "g"),
    ]
)
thinkings = st.none() | st.builds(
    Thinking,
    st.sampled_from([None, "none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    st.sampled_from([None, -1, 0, 1, 1024, 10**6]),
    st.sampled_from([None, True, False]),
)
formats = st.sampled_from([None, Format("json_object"), Format("json_schema", SCHEMA, "x")])


def names_of(request: Request) -> set[str]:
    return {tool.name for tool in request.tools if isinstance(tool, FunctionTool | CustomTool)}


@pytest.mark.parametrize("upstream", [GEMINI_25, GEMINI_3, PLAIN], ids=lambda upstream: upstream.model)
@settings(max_examples=150)
@given(
    request_=st.builds(
        Request, turns.map(tuple), tools, choices, thinking=thinkings, format=formats, top_k=st.just(40)
    )
)
def test_whatever_is_written_is_taken(upstream: Upstream, request_: Request) -> None:
    choice = request_.tool_choice
    wanted: set[Any] = {choice.name, *choice.allowed} - {""} if choice is not None else set()
    if not wanted <= names_of(request_):
        return  # no dialect allows to choose what is not declared
    check(body_of(write_request(request_, upstream)), upstream.model)


def test_an_empty_turn_does_not_stand_between_a_call_and_what_has_to_precede_it() -> None:
    said = (
        Turn("assistant", (Text("Hi"),)),
        Turn("user", (Text(""),)),
        Turn("assistant", (call("a", "f", False),)),
    )
    check(body_of(write_request(Request(said), PLAIN)), PLAIN.model)
