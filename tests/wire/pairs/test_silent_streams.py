"""Streams without a word in them, as a client of each dialect reads them with its own SDK.

Without this an answer that was cut while its model still reasoned, or refused before its first word, would
reach the client without its beginning, on which SDKs crash.
"""

import json
from functools import cache
from typing import Any

import pytest
from tests.wire.pairs.asks import ASKERS, Ask
from tests.wire.pairs.relay import Outcome, run
from tests.wire.pairs.scenarios import HEADERS, TARGETS
from tests.wire.pairs.sdk import Json, Sdks
from tests.wire.pairs.test_odd_hosts import CHAT, COUNTED, GEMINI, MESSAGES, RESPONSES, OneAnswer

from switchgear.kernel.dialects import DIALECTS, DialectName


def sse(*frames: Any, end: bytes = b"") -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(frame).encode() for frame in frames) + end


def chat(*choices: Json, end: bytes = b"") -> bytes:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [{**head, "choices": [{"index": 0, **choice}]} for choice in choices]
    return sse(*chunks, {**head, "choices": [], "usage": COUNTED}, end=end)


def messages(reason: str, *, end: bool) -> bytes:
    counts = {"input_tokens": 10, "output_tokens": 1}
    head = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": counts}
    delta = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5}}
    frames = [{"type": "message_start", "message": head}, delta, *([{"type": "message_stop"}] if end else [])]
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (frame["type"].encode(), json.dumps(frame).encode())  # type: ignore[attr-defined]
        for frame in frames
    )


def gemini(counts: Json | None = None, **fields: Any) -> bytes:
    found = {"promptTokenCount": 10, "candidatesTokenCount": 0, "thoughtsTokenCount": 5, **(counts or {})}
    return sse({**fields, "usageMetadata": found, "modelVersion": "m", "responseId": "r"})


def responses(status: str, reason: str = "") -> bytes:
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "m",
        "status": "in_progress",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    last = {**response, "status": status, "usage": {**usage, **DETAILS}}
    if reason:
        last["incomplete_details"] = {"reason": reason}
    return sse(
        {"type": "response.created", "sequence_number": 0, "response": response},
        {"type": f"response.{status}", "sequence_number": 1, "response": last},
    )


DETAILS = {
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 5},
}
ROLE = {"delta": {"role": "assistant", "content": ""}}
DONE = b"data: [DONE]\n\n"

ENDS: dict[str, tuple[str, str, str, str]] = {
    "stop": ("stop", "completed", "end_turn", "STOP"),
    "length": ("length", "incomplete", "max_tokens", "MAX_TOKENS"),
    "filter": ("content_filter", "incomplete", "refusal", "SAFETY"),
}
"""How each client is told of an end."""
SILENT: dict[str, tuple[DialectName, bytes, str]] = {
    "gemini, all of it spent on thoughts": (
        GEMINI,
        gemini({"thoughtsTokenCount": 99}, candidates=[{"index": 0, "finishReason": "MAX_TOKENS"}]),
        "length",
    ),
    "gemini, a blocked prompt": (GEMINI, gemini(promptFeedback={"blockReason": "SAFETY"}), "filter"),
    "gemini, a blocked answer": (GEMINI, gemini(candidates=[{"finishReason": "SAFETY"}]), "filter"),
    "gemini, nothing to say": (
        GEMINI,
        gemini(candidates=[{"content": {"role": "model"}, "finishReason": "STOP"}]),
        "stop",
    ),
    "chat, nothing to say": (CHAT, chat(ROLE, {"delta": {}, "finish_reason": "stop"}, end=DONE), "stop"),
    "chat, an end without its marker": (CHAT, chat(ROLE, {"delta": {}, "finish_reason": "length"}), "length"),
    "chat, the end alone": (CHAT, chat({"delta": {}, "finish_reason": "content_filter"}, end=DONE), "filter"),
    "messages, nothing to say": (MESSAGES, messages("end_turn", end=True), "stop"),
    "messages, an end without its marker": (MESSAGES, messages("max_tokens", end=False), "length"),
    "messages, a refusal": (MESSAGES, messages("refusal", end=True), "filter"),
    "responses, all of it spent on thoughts": (
        RESPONSES,
        responses("incomplete", "max_output_tokens"),
        "length",
    ),
    "responses, a blocked answer": (RESPONSES, responses("incomplete", "content_filter"), "filter"),
}


@cache
def sdks() -> Sdks:
    return Sdks()


def played(client: DialectName, upstream: DialectName, body: bytes) -> Outcome:
    asker = ASKERS[client](Ask("Hi", stream=True))
    return run(
        asker.path, json.dumps(asker.body).encode(), TARGETS[upstream], OneAnswer(body), HEADERS.get(client)
    )


def heard(client: DialectName, outcome: Outcome) -> Json:
    sdks().reply = outcome.status, outcome.headers, outcome.frames
    return sdks().hear(client, True)


def end_of(client: DialectName, reply: Json, shown: bytes) -> str:
    if client == CHAT:
        return str(reply["choices"][0]["finish_reason"])
    if client == GEMINI:
        last = json.loads(shown.rstrip().rpartition(b"\ndata: ")[2].removeprefix(b"data: "))
        return str(last["candidates"][0]["finishReason"]) if "candidates" in last else "SAFETY"
    return str(reply["status" if client == RESPONSES else "stop_reason"])


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("name", SILENT)
def test_a_stream_without_a_word_has_a_beginning_and_an_end(name: str, client: DialectName) -> None:
    upstream, body, end = SILENT[name]
    outcome = played(client, upstream, body)
    assert outcome.state == "complete"
    assert outcome.usage.input_total == 10
    if client == upstream and name == "chat, the end alone":
        assert body.split(b"\n\n")[0] in outcome.body, "what a host leaves out of its own dialect stays out"
        return
    reply = heard(client, outcome)
    assert end_of(client, reply, outcome.body) == ENDS[end][DIALECTS.index(client)]
    if client == CHAT:
        assert reply["choices"][0]["message"]["role"] == "assistant"
