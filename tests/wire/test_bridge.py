"""Without this a converted stream could grow without a bound, as some dialects repeat all of it at its end;
or run on past a stop sequence that its upstream knows nothing of."""

import json
from typing import Any

import pytest
from tests.wire.openai_responses.support import frames_of, head

from switchgear.wire.convert import bridge
from switchgear.wire.convert.bridge import Bridge, Passage
from switchgear.wire.openai_responses.from_upstream.reader import Reader
from switchgear.wire.openai_responses.to_client.writer import Writer


def delta(text: str) -> bytes:
    event = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text}
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def end() -> bytes:
    event: dict[str, Any] = {"type": "response.completed", "response": {"status": "completed", "output": []}}
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def test_an_answer_over_its_bound_is_a_fault_and_not_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "REPLY_BYTES_MAX", 100)
    tap = Bridge(Reader(), Writer(head()), Passage(""))
    assert b"x" * 100 in tap.feed(delta("x" * 100))
    assert tap.fault is None
    assert tap.feed(delta("y") + end()) == b""
    assert tap.fault is not None
    assert tap.finish() == "cut"


def test_a_stop_sequence_ends_the_answer_where_the_upstream_knows_none() -> None:
    tap = Bridge(Reader(), Writer(head()), Passage("", stops=("END",)))
    out = b"".join([tap.feed(delta(text)) for text in ("one E", "ND two", " three")]) + tap.feed(end())
    assert tap.finish() == "complete"
    last = frames_of(out + tap.closing())[-1]
    assert last["response"]["output"][0]["content"][0]["text"] == "one "
