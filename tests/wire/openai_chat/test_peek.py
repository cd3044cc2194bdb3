"""Without this a request could be refused for what upstreams accept, or pass with what has no price."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sim.requests import read_request

from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import CHOICES_MAX, JSON_DEPTH_MAX, MODEL_NAME_CHARS_MAX
from switchgear.kernel.usage import TOKENS_MAX
from switchgear.wire.call import Call, Operation

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
TEXT: dict[str, Any] = {"model": "m", "prompt": "hi"}
EMBED: dict[str, Any] = {"model": "m", "input": "hi"}


def peek(base: dict[str, Any], operation: Operation = "openai_chat", **more: Any) -> Call:
    return read_request(operation, json.dumps({**base, **more}).encode())


def refusal(
    base: dict[str, Any], operation: Operation = "openai_chat", **more: Any
) -> tuple[str, str | None]:
    with pytest.raises(ApiError) as caught:
        peek(base, operation, **more)
    return caught.value.row.name, caught.value.param


def test_a_plain_call() -> None:
    call = peek(CHAT)
    assert (call.operation, call.model, call.stream, call.include_usage) == ("openai_chat", "m", False, False)
    assert (call.output_tokens_cap, call.choices, call.images, call.wants_base64) == (0, 1, 0, False)
    assert call.input_bytes == len(json.dumps(CHAT["messages"]))
    assert list(call.fields) == ["model", "messages"]


@pytest.mark.parametrize(
    ("more", "cap"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_tokens": 4096.0}, 4096),
        ({"max_completion_tokens": 7}, 7),
        ({"max_completion_tokens": 7, "max_tokens": 9}, 9),
        ({"max_completion_tokens": None, "max_tokens": 9}, 9),
        ({"max_tokens": None}, 0),
        ({"max_tokens": -1}, 0),
        ({"max_tokens": 0}, 0),
        ({"max_tokens": 5, "max_completion_tokens": -1}, 5),
        ({"max_tokens": 10**30}, TOKENS_MAX),
    ],
)
def test_output_cap(more: dict[str, Any], cap: int) -> None:
    assert peek(CHAT, **more).output_tokens_cap == cap


@pytest.mark.parametrize(
    ("more", "choices"),
    [
        ({"n": 3}, 3),
        ({"n": 3.0}, 3),
        ({"n": None}, 1),
        ({"n": 0}, 1),
        ({"best_of": 0}, 1),
        ({"best_of": 4, "n": 2}, 4),
        ({"prompt": ["a", "b"]}, 2),
        ({"prompt": ["a", "b"], "n": 3}, 6),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": [[1], [2, 3]]}, 2),
        ({"prompt": ""}, 1),
        ({"prompt": []}, 1),
    ],
)
def test_choices_are_outputs_to_be_billed(more: dict[str, Any], choices: int) -> None:
    assert peek(TEXT, "openai_completions", **more).choices == choices


def test_stream_and_usage() -> None:
    assert peek(CHAT, stream=True).stream
    assert not peek(CHAT, stream=None).stream
    assert not peek(CHAT, stream=True).include_usage
    assert peek(CHAT, stream=True, stream_options={"include_usage": True}).include_usage
    assert not peek(CHAT, stream=True, stream_options={"include_usage": False, "x": 1}).include_usage
    assert not peek(CHAT, stream=True, stream_options=None).include_usage
    assert not peek(CHAT, stream_options={"include_usage": True}).include_usage
    assert not peek(EMBED, "openai_embeddings", stream=True).stream


def test_base64_is_seen() -> None:
    assert peek(EMBED, "openai_embeddings", encoding_format="base64").wants_base64
    assert not peek(EMBED, "openai_embeddings", encoding_format="float").wants_base64


def test_images_are_counted() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://h/x.png"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": 'say "image_url"'}, part, part]}]
    assert peek({"model": "m", "messages": messages}).images == 2
    assert peek(CHAT, tools=[{"image_url": 1}]).images == 0
    assert peek({"model": "m", "messages": [{"content": [{"type": "input_image"}]}]}).images == 1


@pytest.mark.parametrize(
    ("base", "operation", "more", "expected"),
    [
        (CHAT, "openai_chat", {"model": None}, ("missing_parameter", "model")),
        (CHAT, "openai_chat", {"model": 1}, ("invalid_type", "model")),
        (CHAT, "openai_chat", {"model": ""}, ("invalid_value", "model")),
        (CHAT, "openai_chat", {"model": "m" * (MODEL_NAME_CHARS_MAX + 1)}, ("invalid_value", "model")),
        (CHAT, "openai_chat", {"messages": None}, ("missing_parameter", "messages")),
        (CHAT, "openai_chat", {"messages": "hi"}, ("invalid_type", "messages")),
        (CHAT, "openai_chat", {"messages": []}, ("invalid_value", "messages")),
        (EMBED, "openai_chat", {}, ("invalid_value", "input")),
        (TEXT, "openai_chat", {}, ("missing_parameter", "messages")),
        (CHAT, "openai_chat", {"stream": "true"}, ("invalid_type", "stream")),
        (CHAT, "openai_chat", {"stream": 1}, ("invalid_type", "stream")),
        (CHAT, "openai_chat", {"stream": True, "stream_options": []}, ("invalid_type", "stream_options")),
        (
            CHAT,
            "openai_chat",
            {"stream": True, "stream_options": {"include_usage": 1}},
            ("invalid_type", "include_usage"),
        ),
        (CHAT, "openai_chat", {"max_tokens": "5"}, ("invalid_type", "max_tokens")),
        (CHAT, "openai_chat", {"max_tokens": 1.5}, ("invalid_type", "max_tokens")),
        (CHAT, "openai_chat", {"max_tokens": True}, ("invalid_type", "max_tokens")),
        (CHAT, "openai_chat", {"n": -1}, ("invalid_value", "n")),
        (CHAT, "openai_chat", {"n": CHOICES_MAX + 1}, ("invalid_value", "n")),
        (CHAT, "openai_completions", {}, ("missing_parameter", "prompt")),
        (TEXT, "openai_completions", {"prompt": {}}, ("invalid_type", "prompt")),
        (CHAT, "openai_embeddings", {}, ("missing_parameter", "input")),
        (EMBED, "openai_embeddings", {"input": ""}, ("invalid_value", "input")),
        (EMBED, "openai_embeddings", {"input": []}, ("invalid_value", "input")),
        (EMBED, "openai_embeddings", {"input": 5}, ("invalid_type", "input")),
    ],
)
def test_refusals(
    base: dict[str, Any], operation: Operation, more: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    assert refusal(base, operation, **more) == expected


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"model":"m"', b"\xff", b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"]
)
def test_bad_json(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        read_request("openai_chat", body)
    assert caught.value.row.name == "bad_json"
    assert caught.value.message.startswith("We could not parse the JSON body of your request")


def test_the_responses_shape_is_named_in_the_refusal() -> None:
    with pytest.raises(ApiError, match="Responses"):
        peek(EMBED)


def test_extra_body_is_merged_below_what_stands_at_the_top() -> None:
    call = peek(CHAT, top_k=1, gone=None, extra_body={"top_k": 2, "gone": 3, "enable_thinking": True})
    assert bytes(call.fields["top_k"]) == b"1"
    assert bytes(call.fields["gone"]) == b"3"
    assert bytes(call.fields["enable_thinking"]) == b"true"
    assert "extra_body" not in call.fields


def test_extra_body_may_hold_what_is_peeked_at() -> None:
    call = peek({"model": "m"}, extra_body={"messages": [1], "stream": True, "max_tokens": 3})
    assert (call.stream, call.output_tokens_cap) == (True, 3)


def test_extra_body_keeps_google_and_what_is_no_object() -> None:
    call = peek(CHAT, extra_body={"google": {"thinking": 1}, "x": 1})
    assert bytes(call.fields["extra_body"]) == b'{"google":{"thinking": 1}}'
    assert "x" in call.fields
    assert bytes(peek(CHAT, extra_body=[1]).fields["extra_body"]) == b"[1]"


def test_unknown_fields_are_kept() -> None:
    fields = peek(CHAT, enable_thinking=False, **{"x-new": {"deep": [1.0]}}).fields
    assert bytes(fields["x-new"]) == b'{"deep": [1.0]}'


def test_extra_body_nesting_is_bounded_with_the_rest() -> None:
    deep: list[Any] = []
    for _ in range(JSON_DEPTH_MAX):
        deep = [deep]
    assert refusal(CHAT, extra_body={"x": deep}) == ("bad_json", None)


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.sampled_from(["include_usage", "stream", "a"]), st.booleans() | st.none())
)
NAMES = st.sampled_from(
    [
        "model",
        "messages",
        "prompt",
        "input",
        "stream",
        "stream_options",
        "max_tokens",
        "n",
        "max_completion_tokens",
        "best_of",
        "tools",
        "extra_body",
        "encoding_format",
    ]
)


@given(
    st.dictionaries(NAMES, VALUES),
    st.sampled_from(["openai_chat", "openai_completions", "openai_embeddings"]),
)
@settings(max_examples=150, deadline=None)
def test_any_object_is_read_or_refused(found: dict[str, Any], operation: Operation) -> None:
    try:
        call = read_request(operation, json.dumps(found).encode())
    except ApiError:
        return
    assert call.model
    assert call.choices >= 1
    assert 0 <= call.output_tokens_cap <= TOKENS_MAX


@pytest.mark.parametrize("more", [{"max_tokens": -1}, {"max_completion_tokens": -1}, {"n": 0}])
def test_a_limit_of_nothing_is_not_sent_on(more: dict[str, Any]) -> None:
    assert not more.keys() & peek(CHAT, **more).fields.keys()


def test_a_completion_may_be_asked_for_no_token() -> None:
    found = {"model": "m", "prompt": "a", "max_tokens": 0, "best_of": 0}
    fields = peek(found, "openai_completions").fields
    assert "max_tokens" in fields
    assert "best_of" not in fields
