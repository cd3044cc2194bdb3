"""Without this an error of status 200 could pass as an answer, or vectors arrive in an unreadable form."""

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.kernel.usage import Usage
from switchgear.wire.call import Operation
from switchgear.wire.openai_chat.passing.reply import fit_embeddings, read_reply

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def chat(message: dict[str, Any], **more: Any) -> bytes:
    return json.dumps(
        {"id": "c", "choices": [{"index": 0, "message": message}], "usage": USAGE, **more}
    ).encode()


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def vectors(*embeddings: Any) -> bytes:
    items = [{"object": "embedding", "index": at, "embedding": item} for at, item in enumerate(embeddings)]
    return json.dumps({"object": "list", "data": items, "model": "m", "usage": {"prompt_tokens": 1}}).encode()


def test_a_chat_reply() -> None:
    reply = read_reply("openai_chat", chat({"role": "assistant", "content": "Hi"}))
    assert reply.usage == Usage(input_uncached=9, output_text=3)
    assert (reply.error, reply.empty, reply.text()) == (None, False, "Hi")


def test_text_comes_from_every_place() -> None:
    message = {
        "content": [{"type": "text", "text": "a"}],
        "reasoning_content": "b",
        "refusal": "c",
        "tool_calls": [{"function": {"name": "d", "arguments": "e"}}],
    }
    assert read_reply("openai_chat", chat(message)).text() == "abcde"
    body = json.dumps({"choices": [{"index": 0, "text": "x"}, {"index": 1, "text": "y"}]}).encode()
    assert read_reply("openai_completions", body).text() == "xy"


def test_usage_may_be_missing_or_nonsense() -> None:
    for usage in (None, "x", [], {}, {"prompt_tokens": "many"}):
        reply = read_reply("openai_chat", chat({"content": "Hi"}, usage=usage))
        assert (reply.usage, reply.error) == (None, None)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "transient"),
        (b"<html>", "transient"),
        (b"[]", "transient"),
        (b"null", "transient"),
        (b'"busy"', "transient"),
        (b"[" * 5000, "transient"),
        (b'{"error":{"message":"m","code":"rate_limit_exceeded"}}', "limited"),
        (b'{"error":"m"}', "transient"),
        (b'{"choices":[{"index":0}],"error":{"message":"m","code":"model_not_found"}}', "model"),
        (b'{"base_resp":{"status_code":1004,"status_msg":"m"},"choices":null}', "auth"),
        (b'{"code":"Arrearage","message":"m"}', "funds"),
    ],
)
@pytest.mark.parametrize("operation", ["openai_chat", "openai_completions", "openai_embeddings"])
def test_errors_of_status_200(operation: Operation, body: bytes, kind: str) -> None:
    reply = read_reply(operation, body)
    assert reply.error is not None
    assert reply.error.kind == kind


def test_empty_answers_are_told_apart_from_errors() -> None:
    reply = read_reply("openai_chat", b'{"choices":[],"usage":{"prompt_tokens":3}}')
    assert (reply.error, reply.empty, reply.usage, reply.text()) == (None, True, Usage(input_uncached=3), "")
    assert read_reply("openai_chat", b"{}").empty
    assert read_reply("openai_embeddings", b'{"data":[]}').empty
    assert not read_reply("openai_embeddings", vectors([1.0])).empty
    assert not read_reply("openai_chat", chat({"content": "x"}, base_resp={"status_code": 0})).empty
    assert not read_reply("openai_chat", chat({"content": "x"}, error=None)).empty


@pytest.mark.parametrize("wants_base64", [True, False])
def test_vectors_that_fit_are_not_touched(wants_base64: bool) -> None:
    body = vectors(packed(1, 2) if wants_base64 else [1.0, 2])
    assert fit_embeddings(body, wants_base64) is body


def test_vectors_are_converted_and_the_rest_is_kept() -> None:
    floats = (
        b'{"new": 1.50, "data":[{"embedding":[0.5,-1,2e0],"index":0,"x":1.0}],"usage":{"prompt_tokens":1}}'
    )
    as_base64 = fit_embeddings(floats, True)
    assert as_base64 == (
        b'{"new":1.50,"data":[{"embedding":"'
        + packed(0.5, -1, 2).encode()
        + b'","index":0,"x":1.0}],"usage":{"prompt_tokens":1}}'
    )
    assert json.loads(fit_embeddings(as_base64, False)) == json.loads(floats)


def test_mixed_forms_become_one() -> None:
    found = json.loads(fit_embeddings(vectors([1.0], packed(2)), True))
    assert [item["embedding"] for item in found["data"]] == [packed(1), packed(2)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"{",
        b'{"data":null}',
        b'{"data":[1]}',
        b'{"data":[{}]}',
        vectors(None),
        vectors(["x"]),
        vectors([1e300]),
        b'{"data":[{"embedding":[[1]]}]}',
    ],
)
def test_what_can_not_be_converted_is_passed_on(body: bytes) -> None:
    assert fit_embeddings(body, True) is body


@pytest.mark.parametrize("text", ["!", "AAA", "AAAAAAA=", "ÄÄÄÄ"])
def test_broken_base64_is_passed_on(text: str) -> None:
    body = vectors(text)
    assert fit_embeddings(body, False) is body


@given(
    st.lists(
        st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=100, deadline=None)
def test_there_and_back_is_the_same(lists: list[list[float]]) -> None:
    there = fit_embeddings(vectors(*lists), True)
    assert [item["embedding"] for item in json.loads(there)["data"]] == [
        packed(*numbers) for numbers in lists
    ]
    back = json.loads(fit_embeddings(there, False))
    assert [item["embedding"] for item in back["data"]] == lists
