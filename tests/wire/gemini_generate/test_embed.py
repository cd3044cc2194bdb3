"""Without this embeddings would reach upstreams of the other dialect with other texts, or come back in
another order or form than was asked for."""

import base64
import json
import struct
from typing import Any

import pytest
from msgspec import Raw
from tests.wire.gemini_generate.vectors import body_of, call_of

from switchgear.kernel.errors import ApiError
from switchgear.kernel.usage import Usage
from switchgear.wire.call import InPath
from switchgear.wire.framing.fields import read_fields
from switchgear.wire.gemini_generate.embed import (
    embed_reply_to_openai,
    embed_to_openai,
    openai_reply_to_embed,
    openai_to_embed,
)
from switchgear.wire.gemini_generate.passing.reply import read_reply

ONE, BATCH = InPath("e"), InPath("e", batch=True)


def fields(body: Any) -> dict[str, Raw]:
    return read_fields(json.dumps(body).encode())


def content(*texts: str) -> dict[str, Any]:
    return {"parts": [{"text": text} for text in texts]}


def test_one_call_of_google_for_openai() -> None:
    body = {"content": content("a", "b"), "taskType": "RETRIEVAL_QUERY", "output_dimensionality": 256}
    written = embed_to_openai(fields(body), ONE, "up")
    assert body_of(written) == {
        "model": "up",
        "input": ["a\nb"],
        "encoding_format": "float",
        "dimensions": 256,
    }
    assert written.dropped == ("taskType",)


def test_a_batch_of_google_for_openai() -> None:
    body = {"requests": [{"model": "models/e", "content": content(text)} for text in "abc"]}
    assert body_of(embed_to_openai(fields(body), BATCH, "up"))["input"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "body",
    [
        {"requests": 7},
        {"requests": [7]},
        {"requests": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBO"}}]}}]},
        {"requests": [{"content": {"parts": []}}]},
        {"requests": [{}]},
        {
            "requests": [
                {"content": content("a"), "outputDimensionality": 1},
                {"content": content("a"), "outputDimensionality": 2},
            ]
        },
    ],
)
def test_what_is_no_text_is_refused(body: Any) -> None:
    with pytest.raises(ApiError) as caught:
        embed_to_openai(fields(body), BATCH, "up")
    assert caught.value.row.status == 400


@pytest.mark.parametrize(("given", "texts"), [("a", ["a"]), (["a", "b"], ["a", "b"])])
def test_openais_call_for_google(given: Any, texts: list[str]) -> None:
    written = openai_to_embed(fields({"model": "e", "input": given, "dimensions": 64, "user": "u"}), "up")
    assert body_of(written) == {
        "requests": [
            {"model": "models/up", "content": content(text), "outputDimensionality": 64} for text in texts
        ]
    }
    assert written.dropped == ("user",)


@pytest.mark.parametrize("given", [[1, 2], [[1, 2]], [], None, 7, {"a": 1}, ["a", 1]])
def test_token_numbers_are_refused(given: Any) -> None:
    with pytest.raises(ApiError):
        openai_to_embed(fields({"model": "e", "input": given}), "up")


def openai_reply(*vectors: Any) -> bytes:
    data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    found = {
        "object": "list",
        "data": data[::-1],
        "model": "e",
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    }
    return json.dumps(found).encode()


def test_openais_answer_in_googles_form_in_the_order_of_the_call() -> None:
    packed = base64.b64encode(struct.pack("<2f", 0.5, -1.0)).decode()
    batch = openai_reply_to_embed(openai_reply([1.0, 2.0], packed), BATCH)
    assert batch is not None
    assert json.loads(batch)["embeddings"] == [{"values": [1.0, 2.0]}, {"values": [0.5, -1.0]}]
    one = openai_reply_to_embed(openai_reply([1.0]), ONE)
    assert one is not None
    assert json.loads(one)["embedding"] == {"values": [1.0]}
    assert read_reply("gemini_embed", one).usage == Usage(input_uncached=5)


def test_googles_answer_in_openais_form() -> None:
    body = json.dumps({"embeddings": [{"values": [1.0, 0.5]}, {"values": [2.0, 0.25]}]}).encode()
    plain = embed_reply_to_openai(body, "e", wants_base64=False, input_tokens=7)
    assert plain is not None
    assert json.loads(plain) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [1.0, 0.5]},
            {"object": "embedding", "index": 1, "embedding": [2.0, 0.25]},
        ],
        "model": "e",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }
    packed = embed_reply_to_openai(body, "e", wants_base64=True)
    assert packed is not None
    first = json.loads(packed)["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(first)) == (1.0, 0.5)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"not json", b'{"data":7}', b'{"embeddings":[7]}', b'{"data":[]}']
)
def test_what_is_no_answer_is_none(body: bytes) -> None:
    assert openai_reply_to_embed(body, ONE) is None
    assert embed_reply_to_openai(body, "e", wants_base64=False) is None


def test_a_whole_answer_that_passes_through() -> None:
    assert read_reply("gemini_embed", b'{"embedding":{"values":[1]}}').empty is False
    assert read_reply("gemini_embed", b'{"embeddings":[]}').empty
    assert read_reply(
        "gemini_embed", b'{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT"}}'
    ).error


@pytest.mark.parametrize(
    ("body", "path"), [({}, ONE), ({"content": 7}, ONE), ({"requests": []}, BATCH), ({}, BATCH)]
)
def test_a_call_without_content_is_refused_at_once(body: Any, path: InPath) -> None:
    with pytest.raises(ApiError):
        call_of(body, "gemini_embed", path)
