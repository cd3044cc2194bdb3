"""Requests as real clients write them, on their way to upstreams that are as strict as their vendors. Without
these, an ordinary request is refused by the vendor, or reaches it with a part of its content gone."""

import pytest
from tests.wire.known_bugs.support import CHAT, GEMINI, MESSAGES, RESPONSES, Json, ask, sent
from tests.wire.pairs.scenarios import TARGETS

from switchgear.kernel.dialects import DialectName

HI: Json = {"model": "m1", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("client", [CHAT, GEMINI])
def test_json_is_asked_for_in_the_instructions_only(client: DialectName) -> None:
    """A Responses upstream wants the word among the messages, and refuses the call without."""
    chat = HI | {
        "messages": [{"role": "system", "content": "Answer in JSON."}, *HI["messages"]],
        "response_format": {"type": "json_object"},
    }
    gemini: Json = {
        "systemInstruction": {"parts": [{"text": "Answer in JSON."}]},
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {"responseMimeType": "application/json"},
    }
    written = sent(ask(client, chat if client == CHAT else gemini, TARGETS[RESPONSES]))
    assert written["text"]["format"] == {"type": "json_object"}
    assert "json" in str(written["input"]).lower()
