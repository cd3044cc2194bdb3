"""Without this a whole reply that passes through could be billed wrongly, or an error count as an answer; and
a question for tokens or models be answered in a form that SDKs of this dialect can't read."""

import json
from typing import Any

import pytest
from tests.wire.gemini_generate.vectors import call_of, chunk

from switchgear.kernel.errors import ApiError
from switchgear.kernel.usage import Usage
from switchgear.wire.gemini_generate.dialect import GeminiGenerate
from switchgear.wire.gemini_generate.estimate_input import input_text, overhead_tokens
from switchgear.wire.gemini_generate.models import render_count, render_model, render_models
from switchgear.wire.gemini_generate.passing.reply import read_reply
from switchgear.wire.neutral.loss import CONCEPTS
from switchgear.wire.neutral.model_card import ModelCard


def test_an_answer() -> None:
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 4}
    parts = [{"text": "Hi"}, {"functionCall": {"name": "f", "args": {"a": 1}}}]
    body = chunk(parts, "STOP", usageMetadata=usage)[6:-2]
    reply = read_reply("gemini_generate", body)
    assert reply.body == body
    assert reply.usage == Usage(3, output_text=2, reasoning=4)
    assert (reply.error, reply.empty) == (None, False)
    assert reply.text() == 'Hif{"a": 1}'


def test_searches_are_counted() -> None:
    metadata = {"webSearchQueries": ["a", "b"]}
    response = json.loads(chunk([{"text": "x"}], "STOP", usageMetadata={"promptTokenCount": 1})[6:])
    response["candidates"][0]["groundingMetadata"] = metadata
    for version, calls in (("gemini-2.5-pro", 1), ("gemini-3-pro", 2)):
        response["modelVersion"] = version
        usage = read_reply("gemini_generate", json.dumps(response).encode()).usage
        assert usage is not None
        assert usage.search_calls == calls


@pytest.mark.parametrize(
    ("body", "empty", "kind"),
    [
        (b'{"candidates":[]}', True, None),
        (b"{}", True, None),
        (b'{"promptFeedback":{"blockReason":"SAFETY"}}', False, None),
        (b'[{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT"}}]', False, "client"),
        (b'{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}', False, "transient"),
        (b"<html>", False, "transient"),
        (b"", False, "transient"),
    ],
)
def test_what_is_no_answer(body: bytes, empty: bool, kind: str | None) -> None:
    reply = read_reply("gemini_generate", body)
    assert reply.empty == empty
    assert (reply.error and reply.error.kind) == kind


CARDS = [ModelCard(f"m{at}", 0, "google", 1000, 100) for at in range(5)] + [ModelCard("embedding-1")]


def listed(**query: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render_models(CARDS, query))
    return found


def test_the_list_page_by_page() -> None:
    names: list[str] = []
    token = ""
    for _ in range(3):
        page = listed(pageSize="2", **({"pageToken": token} if token else {}))
        names += [model["name"] for model in page["models"]]
        token = page.get("nextPageToken", "")
    assert token == ""
    assert names == [f"models/{card.id}" for card in CARDS]
    assert len(listed()["models"]) == len(listed(page_size="0")["models"]) == len(CARDS)
    assert listed(pageToken="99") == {"models": []}


@pytest.mark.parametrize(
    "query", [{"pageSize": "x"}, {"pageSize": "-1"}, {"pageToken": "٣"}, {"pageToken": "9999999"}]
)
def test_odd_pages_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(ApiError):
        listed(**query)


def test_a_model() -> None:
    found = json.loads(render_model(CARDS[0]))
    assert (found["name"], found["inputTokenLimit"], found["outputTokenLimit"]) == ("models/m0", 1000, 100)
    assert "generateContent" in found["supportedGenerationMethods"]
    assert "embedContent" in json.loads(render_model(CARDS[-1]))["supportedGenerationMethods"]
    assert json.loads(render_count(7)) == {"totalTokens": 7}


def test_the_text_that_costs_tokens() -> None:
    body = {
        "systemInstruction": {"parts": [{"text": "one"}]},
        "contents": [
            {"parts": [{"text": "two"}, {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "three", "args": {"a": "four"}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "five"}]}],
        "generationConfig": {"responseJsonSchema": {"title": "six"}},
    }
    for call in (
        call_of(body),
        call_of({"generateContentRequest": {"model": "models/x", **body}}, "gemini_count_tokens"),
    ):
        text = input_text(call)
        for word in ("one", "two", "three", "four", "five"):
            assert word in text
        assert "QUJD" not in text
    assert "six" in input_text(call_of(body))
    assert overhead_tokens(call_of(body)) == 2 * 2 + 258


def test_every_concept_has_a_row() -> None:
    assert sorted(GeminiGenerate.carries) == sorted(CONCEPTS)
    assert set(GeminiGenerate.fields) <= set(CONCEPTS)
