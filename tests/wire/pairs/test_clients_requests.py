"""Requests as real clients write them, on their way to upstreams that are as strict as their vendors. Without
these, an ordinary request is refused by the vendor, or reaches it with a part of its content gone."""

import pytest
from tests.sim.speakers import PIXEL
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


@pytest.mark.parametrize("upstream", [RESPONSES, MESSAGES, GEMINI])
def test_a_picture_of_an_earlier_answer_is_gone_from_a_chat(upstream: DialectName) -> None:
    drawn = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    turns = [
        {"role": "user", "content": "Draw."},
        {"role": "assistant", "content": "Here.", "images": [drawn]},
        {"role": "user", "content": "Which colour?"},
    ]
    assert PIXEL in str(sent(ask(CHAT, HI | {"messages": turns}, TARGETS[upstream])))


@pytest.mark.parametrize("turn", [[], [{"role": "user", "content": "Which colour?"}]])
def test_a_picture_of_an_earlier_response_is_refused_by_claude(turn: list[Json]) -> None:
    """Assistants hold no pictures there, so the user shows it."""
    items = [{"role": "user", "content": "Draw."}, {"type": "image_generation_call", "result": PIXEL}, *turn]
    written = sent(ask(RESPONSES, {"model": "m1", "input": items}, TARGETS[MESSAGES]))
    last = written["messages"][-1]
    assert last["role"] == "user"
    assert last["content"][0]["source"]["data"] == PIXEL
