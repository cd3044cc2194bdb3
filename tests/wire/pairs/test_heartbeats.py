"""Signs of life at every place of a stream, as a client of each dialect reads it with its own SDK.

Without this a silence of the upstream could break the very clients that it is bridged for.
"""

import json
from functools import cache
from typing import Any

import pytest
from tests.wire.pairs.asks import ASKERS
from tests.wire.pairs.relay import Outcome, read_call, run
from tests.wire.pairs.scenarios import HEADERS, PAIRS, SCENARIOS, target_of
from tests.wire.pairs.sdk import Json, Sdks
from tests.wire.pairs.test_odd_hosts import CHAT, GEMINI, MESSAGES
from tests.wire.pairs.upstream import Wire

from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.wire.dialects import DIALECT_OF_OPERATION

ASK = SCENARIOS["reasoning_with_tools_stream"]


@cache
def sdks() -> Sdks:
    return Sdks()


def asked(client: DialectName, **more: Any) -> tuple[str, bytes]:
    asker = ASKERS[client](ASK)
    return asker.path, json.dumps({**asker.body, **more}).encode()


def sign_of(client: DialectName, path: str, body: bytes) -> bytes:
    dialect, call = read_call(path, body)
    return dialect.heartbeat(call, "7", 1_700_000_000)


def heard(client: DialectName, outcome: Outcome, frames: list[bytes]) -> Json:
    sdks().reply = outcome.status, outcome.headers, frames
    return sdks().hear(client, True)


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_sign_of_life_changes_nothing_wherever_it_stands(
    client: DialectName, upstream: DialectName
) -> None:
    path, body = asked(client)
    outcome = run(path, body, target_of(upstream, ASK), Wire(), HEADERS.get(client))
    *begun, closing = outcome.frames
    before = b"".join(begun).replace(b"\r\n", b"\n")
    frames = [*(frame + b"\n\n" for frame in before.split(b"\n\n") if frame), closing]
    if not closing:
        frames.pop()  # after its last frame a stream is not silent, but over
    sign, usual = sign_of(client, path, body), _told(heard(client, outcome, frames))
    for at in range(len(frames)):
        spoken = [*frames[:at], sign, *frames[at:]]
        assert _told(heard(client, outcome, spoken)) == usual, at
    everywhere = [piece for frame in frames for piece in (sign, frame)]
    assert _told(heard(client, outcome, everywhere)) == usual


def _told(reply: Json) -> Json:
    """Without what SDKs take from the first chunk alone; an empty piece makes a text of none."""
    for choice in reply.get("choices", ()):
        choice["message"]["content"] = choice["message"].get("content") or ""
        choice.pop("logprobs", None)
    for key in ("id", "created", "model", "service_tier", "system_fingerprint"):
        reply.pop(key, None)
    return reply


@pytest.mark.parametrize("client", [CHAT, MESSAGES, GEMINI])
def test_a_reader_of_single_lines_meets_data_alone(client: DialectName) -> None:
    path, body = asked(client)
    for line in sign_of(client, path, body).splitlines():
        assert not line or line.startswith((b"data: {", b"event: ping"))


def test_the_form_of_chat_is_that_of_its_chunks() -> None:
    path, body = asked(CHAT, stream_options={"include_usage": True})
    chunk = json.loads(sign_of(CHAT, path, body).removeprefix(b"data: "))
    assert chunk == {
        "id": "chatcmpl-7",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "m1",
        "usage": None,
        "choices": [{"index": 0, "delta": {"content": ""}, "logprobs": None, "finish_reason": None}],
    }


def test_the_form_of_plain_completions() -> None:
    body = json.dumps({"model": "m1", "prompt": "Hi", "stream": True}).encode()
    chunk = json.loads(sign_of(CHAT, "/v1/completions", body).removeprefix(b"data: "))
    assert (chunk["id"], chunk["object"]) == ("cmpl-7", "text_completion")
    assert chunk["choices"] == [{"index": 0, "text": "", "logprobs": None, "finish_reason": None}]


def test_an_array_has_no_room_for_a_sign_of_life() -> None:
    _, body = asked(GEMINI)
    assert sign_of(GEMINI, "/v1beta/models/m1:streamGenerateContent", body) == b""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_upstream_of_ours_takes_a_sign_of_life_for_content(dialect: DialectName) -> None:
    """One relay may stand behind another."""
    path, body = asked(dialect)
    _, call = read_call(path, body)
    tap = DIALECT_OF_OPERATION[call.operation].tap(call)
    tap.feed(sign_of(dialect, path, body))
    assert (tap.has_content, tap.fault, tap.take_text()) == (False, None, "")
