"""Without this a call without reported usage would be billed for text it did not send, or for too little."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sim.requests import read_request

from switchgear.wire.call import Call, Operation
from switchgear.wire.openai_chat.estimate_input import input_text, overhead_tokens


def call_of(operation: Operation, **found: Any) -> Call:
    return read_request(operation, json.dumps({"model": "m", **found}).encode())


def test_text_of_messages_without_their_images() -> None:
    data = "QUJD" * 1000
    messages = [
        {"role": "system", "content": "one"},
        {
            "role": "user",
            "name": "n",
            "content": [
                {"type": "text", "text": "two"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
                {"type": "input_audio", "input_audio": {"data": data}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "x", "function": {"name": "get", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "x", "content": "three"},
    ]
    call = call_of("openai_chat", messages=messages)
    words = input_text(call).split("\n")
    assert words == ["system", "one", "user", "two", "n", "assistant", "get", "{}", "tool", "three"]
    assert overhead_tokens(call) == 3 * 4 + 1 + 3


def test_tools_and_schemas_count_as_they_are_spelt() -> None:
    call = call_of("openai_chat", messages=[{"role": "user", "content": "x"}], tools=[{"a": 1.0}])
    assert '[{"a": 1.0}]' in input_text(call)


@pytest.mark.parametrize(
    ("operation", "key", "value", "text", "overhead"),
    [
        ("openai_completions", "prompt", "abc", "abc", 0),
        ("openai_completions", "prompt", ["a", "b"], "a\nb", 0),
        ("openai_completions", "prompt", [1, 2, 3], "", 3),
        ("openai_embeddings", "input", [[1, 2], [3]], "", 3),
        ("openai_embeddings", "input", "abc", "abc", 0),
    ],
)
def test_prompts(operation: Operation, key: str, value: Any, text: str, overhead: int) -> None:
    call = call_of(operation, **{key: value})
    assert (input_text(call), overhead_tokens(call)) == (text, overhead)


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["content", "text", "tool_calls", "function", "name", "role", "type"]), inner
        )
    ),
)


@given(st.lists(VALUES, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_messages_are_bounded_by_the_request(messages: list[Any]) -> None:
    call = call_of("openai_chat", messages=messages)
    assert len(input_text(call)) <= 2 * call.input_bytes
    assert overhead_tokens(call) >= 3
