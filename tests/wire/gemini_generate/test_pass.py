"""Without this a request that passes through would be changed beyond what the channel asks for, name another
model than the upstream knows, or carry tokens that only another maker can read."""

import json
from typing import Any

from tests.wire.gemini_generate.vectors import CLAUDE_TOKEN, GEMINI_3, GEMINI_25, call_of, sealed

from switchgear.wire.call import InPath
from switchgear.wire.dialect import Edits
from switchgear.wire.gemini_generate.passing.request import pass_request, with_thinking
from switchgear.wire.gemini_generate.signatures import SKIP
from switchgear.wire.neutral.request import Thinking

BODY = b"""{"contents": [{"parts": [{"text": "Hi", "newField": 1.50}]}], "unknown": {"a":1e2},
 "generation_config": {"top_k": 40.0}}"""


def passed(body: dict[str, Any], edits: Edits | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pass_request(call_of(body), "up", edits or Edits()).body)
    return found


def test_every_value_stays_as_it_was_spelt() -> None:
    assert pass_request(call_of(BODY), "up", Edits()).body == (
        b'{"contents":[{"parts": [{"text": "Hi", "newField": 1.50}]}],"unknown":{"a":1e2},'
        b'"generation_config":{"top_k": 40.0}}'
    )


def test_the_channels_edits_are_made() -> None:
    body = {"contents": [{"parts": [{"text": "Hi"}]}], "labels": {}, "serviceTier": "flex"}
    edits = Edits(drop=("labels",), rename={"serviceTier": "tier"})
    assert sorted(passed(body, edits)) == ["contents", "tier"]


def test_a_body_that_repeats_the_model_gets_the_upstreams_name_of_it() -> None:
    contents = [{"parts": [{"text": "Hi"}]}]
    assert passed({"model": "models/x", "contents": contents})["model"] == "models/up"
    inner = {"generateContentRequest": {"model": "models/x", "contents": contents}}
    count = json.loads(pass_request(call_of(inner, "gemini_count_tokens"), "up", Edits()).body)
    assert count["generateContentRequest"] == {"model": "models/up", "contents": contents}
    batch = {"requests": [{"model": "models/x", "content": {"parts": [{"text": "a"}]}}] * 2}
    call = call_of(batch, "gemini_embed", InPath("x", batch=True))
    embed = json.loads(pass_request(call, "tunedModels/t", Edits()).body)
    assert [request["model"] for request in embed["requests"]] == ["tunedModels/t"] * 2


def test_tokens_of_other_makers_do_not_reach_google() -> None:
    token = sealed(CLAUDE_TOKEN)
    body = {
        "contents": [
            {
                "role": "model",
                "parts": [
                    {"text": "Hm.", "thought": True, "thoughtSignature": token},
                    {"text": "So.", "thoughtSignature": token},
                    {"functionCall": {"name": "f"}, "thought_signature": token},
                    {"functionCall": {"name": "g"}, "thoughtSignature": "Z29vZ2xl"},
                    {"text": "", "thoughtSignature": token},
                ],
            },
            {"role": "model", "parts": [{"text": "", "thoughtSignature": token}]},
        ]
    }
    assert passed(body)["contents"] == [
        {
            "role": "model",
            "parts": [
                {"text": "So."},
                {"functionCall": {"name": "f"}, "thoughtSignature": SKIP},
                {"functionCall": {"name": "g"}, "thoughtSignature": "Z29vZ2xl"},
            ],
        }
    ]


def test_another_wish_about_reasoning_replaces_the_bodys() -> None:
    body = {
        "contents": [{"parts": [{"text": "Hi"}]}],
        "generation_config": {
            "topK": 1,
            "thinking_config": {"thinking_level": "low", "include_thoughts": False},
        },
    }
    call = with_thinking(call_of(body), Thinking(budget_tokens=8192), GEMINI_25.facts)
    assert json.loads(pass_request(call, "up", Edits()).body) == {
        "contents": body["contents"],
        "generationConfig": {"topK": 1, "thinkingConfig": {"thinkingBudget": 8192, "includeThoughts": False}},
    }
    call = with_thinking(call_of({"contents": body["contents"]}), Thinking(effort="high"), GEMINI_3.facts)
    assert json.loads(pass_request(call, "up", Edits()).body)["generationConfig"] == {
        "thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True}
    }
