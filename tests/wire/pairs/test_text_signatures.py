"""Without this Gemini would not get its signatures of texts back from clients whose texts have no place for
one, or would get one on a call that it does not belong to."""

import json
from typing import Any

import pytest
from tests.wire.known_bugs.support import CHAT, GEMINI, MESSAGES, RESPONSES, Json
from tests.wire.pairs.scenarios import TARGETS
from tests.wire.pairs.test_thoughts_order import NAME, Memory, answered, next_turn, of_chat, of_responses

from switchgear.kernel.dialects import DialectName
from switchgear.wire.gemini_generate.signatures import SKIP

TEXT_TOKEN, CALL_TOKEN = "dGV4dA==", "Y2FsbA=="
CALL: Json = {"functionCall": {"id": "c1", "name": NAME, "args": {"city": "Rome"}}}
SAID: Json = {"text": "Looking.", "thoughtSignature": TEXT_TOKEN}
FORMS: dict[str, list[Json]] = {
    "a signed call": [SAID, {**CALL, "thoughtSignature": CALL_TOKEN}],
    "thoughts before": [{"text": "Hm.", "thought": True}, SAID, {**CALL, "thoughtSignature": CALL_TOKEN}],
}


def of_messages(reply: Json) -> list[Json]:
    uses = [block["id"] for block in reply["content"] if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": id, "content": "ok"} for id in uses]
    more = results or [{"type": "text", "text": "And?"}]
    return [{"role": "assistant", "content": reply["content"]}, {"role": "user", "content": more}]


HISTORY_OF: dict[DialectName, Any] = {CHAT: of_chat, RESPONSES: of_responses, MESSAGES: of_messages}


def body_of(parts: list[Json]) -> Json:
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
    return {"candidates": [candidate], "responseId": "r", "modelVersion": "m"}


def signed_of(written: Json) -> list[tuple[str, str | None]]:
    (content,) = (content for content in written["contents"] if content["role"] == "model")
    kinds = ("call" if "functionCall" in part else "text" for part in content["parts"])
    return [(kind, part.get("thoughtSignature")) for kind, part in zip(kinds, content["parts"], strict=True)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("client", [CHAT, RESPONSES, MESSAGES])
def test_text_and_call_each_get_their_own_signature_back(client: DialectName, form: str) -> None:
    reply = answered(client, TARGETS[GEMINI], body_of(FORMS[form]), Memory())
    written = next_turn(client, TARGETS[GEMINI], HISTORY_OF[client](reply), Memory())
    assert signed_of(written) == [("text", TEXT_TOKEN), ("call", CALL_TOKEN)]


@pytest.mark.parametrize("client", [RESPONSES, MESSAGES])
def test_a_call_does_not_get_the_signature_of_the_text_before_it(client: DialectName) -> None:
    reply = answered(client, TARGETS[GEMINI], body_of([SAID, CALL]), Memory())
    written = next_turn(client, TARGETS[GEMINI], HISTORY_OF[client](reply), Memory())
    assert signed_of(written) == [("text", TEXT_TOKEN), ("call", SKIP)]


def test_the_last_text_has_its_signature_where_the_client_can_hold_it() -> None:
    reply = answered(RESPONSES, TARGETS[GEMINI], body_of([SAID]), Memory())
    assert [item["type"] for item in reply["output"]] == ["message", "reasoning"]
    history = [*reply["output"], {"role": "user", "content": "And?"}]
    assert signed_of(next_turn(RESPONSES, TARGETS[GEMINI], history, Memory())) == [("text", TEXT_TOKEN)]
    reply = answered(MESSAGES, TARGETS[GEMINI], body_of([SAID]), Memory())
    assert [block["type"] for block in reply["content"]] == ["text"]
    written = next_turn(MESSAGES, TARGETS[GEMINI], of_messages(reply), Memory())
    assert signed_of(written) == [("text", None)]


@pytest.mark.parametrize("other", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize("client", [RESPONSES, MESSAGES])
def test_another_maker_never_gets_it(client: DialectName, other: DialectName) -> None:
    reply = answered(client, TARGETS[GEMINI], body_of(FORMS["a signed call"]), Memory())
    written = json.dumps(next_turn(client, TARGETS[other], HISTORY_OF[client](reply), Memory()))
    assert "Looking." in written
    assert not any(word in written for word in (TEXT_TOKEN, CALL_TOKEN, "relay1."))


@pytest.mark.parametrize("client", [RESPONSES, MESSAGES])
def test_a_token_without_a_text_before_it_is_left_out(client: DialectName) -> None:
    reply = answered(client, TARGETS[GEMINI], body_of(FORMS["a signed call"]), Memory())
    history = HISTORY_OF[client](reply)
    if client == RESPONSES:
        history = [item for item in history if item["type"] != "message"]
    else:
        history[0]["content"] = [block for block in history[0]["content"] if block["type"] != "text"]
    assert signed_of(next_turn(client, TARGETS[GEMINI], history, Memory())) == [("call", CALL_TOKEN)]
