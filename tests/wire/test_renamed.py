"""Without this a client would see what an operator has put in the place of the model that it asked for, or
another text than the model wrote."""

import json
from typing import Any

import pytest
from tests.wire.pairs.relay import Target, candidate_of, prepare_for, read_call

from switchgear.wire.convert.renamed import RenamedTap, Renamer, bare_tap
from switchgear.wire.dialects import DIALECT_OF

CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "up-2026-01-01"}


def chunk(text: str, **more: Any) -> bytes:
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return b"data: " + json.dumps({**CHUNK, "choices": [delta], **more}).encode() + b"\n\n"


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"id": "a", "model": "up", "choices": [1]}, {"id": "a", "model": "mine", "choices": [1]}),
        ({"model": "up", "data": []}, {"model": "mine", "data": []}),
        ({"candidates": [], "modelVersion": "up-001"}, {"candidates": [], "modelVersion": "mine"}),
        ({"type": "message", "model": "up"}, {"type": "message", "model": "mine"}),
        (
            {"tools": [{"type": "image_generation", "model": "picture"}], "model": "up"},
            {"tools": [{"type": "image_generation", "model": "picture"}], "model": "mine"},
        ),
        ({"text": 'says "model":"up" and "model": "up"', "model": "up"}, None),
        ({"id": "a"}, {"id": "a"}),
        ({"model": None}, {"model": None}),
        ({"error": {"message": "no"}, "message": "text"}, {"error": {"message": "no"}, "message": "text"}),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_whole_answer_shows_the_clients_name(body: Any, shown: Any, indent: int | None) -> None:
    found = json.loads(Renamer("mine")(json.dumps(body, indent=indent).encode()))
    assert found == (shown or {**body, "model": "mine"})


def test_what_is_no_json_stays() -> None:
    for body in (b"", b"x", b'{"model":', b'"model"', b"[" * 10_000 + b'"model"', b'data: {"model":}\n\n'):
        assert Renamer("mine")(body) == body


def test_a_stream_of_chat_shows_it_in_each_chunk() -> None:
    _, call = read_call("/v1/chat/completions", b'{"model":"mine","messages":[1],"stream":true}')
    tap = RenamedTap(DIALECT_OF["openai_chat"].tap(call), Renamer("mine"))
    first = b"data: " + json.dumps({**CHUNK, "model": "", "choices": []}).encode() + b"\n\n"
    out = tap.feed(first)
    sent = [chunk(text) for text in ("a", 'b "model": "up-2026-01-01"', "c", "d", "e")]
    for piece in sent[:2]:
        out += tap.feed(piece)
    assert tap.feed_alike is not None
    out += b"".join((tap.feed_alike(piece) or tap.feed(piece)) for piece in sent[2:4])
    out += tap.feed(sent[4] + chunk("", choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    out += tap.feed(b"data: [DONE]\n\n") + tap.closing()
    frames = [json.loads(line[6:]) for line in out.decode().splitlines() if line.startswith("data: {")]
    assert {frame["model"] for frame in frames} == {"mine"}
    texts = [frame["choices"][0]["delta"].get("content", "") for frame in frames if frame["choices"]]
    assert texts == ["a", 'b "model": "up-2026-01-01"', "c", "d", "e", ""]
    assert tap.finish() == "complete"


def test_streams_of_the_others_show_it_where_they_name_it() -> None:
    message = {"id": "m", "model": "up", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}
    response = {"id": "resp_1", "model": "up", "status": "in_progress", "output": []}
    google = {
        "candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}],
        "modelVersion": "up",
    }
    for dialect, sent in (
        ("anthropic_messages", [event("message_start", message=message)]),
        (
            "openai_responses",
            [
                event("response.created", sequence_number=0, response=response),
                event("response.completed", sequence_number=1, response={**response, "status": "completed"}),
            ],
        ),
        ("gemini_generate", [b"data: " + json.dumps(google).encode() + b"\r\n\r\n"]),
    ):
        path = {
            "anthropic_messages": "/v1/messages",
            "openai_responses": "/v1/responses",
            "gemini_generate": "/v1beta/models/mine:streamGenerateContent?alt=sse",
        }[dialect]
        asked = b'{"model":"mine","max_tokens":1,"messages":[1],"input":"a","contents":[1]}'
        _, call = read_call(path, asked)
        tap = RenamedTap(DIALECT_OF[dialect].tap(call), Renamer("mine"))  # type: ignore[index]
        out = b"".join(map(tap.feed, sent)) + tap.closing()
        assert b"mine" in out
        assert b'"up"' not in out


def test_an_array_of_google_s_shows_it() -> None:
    google = {
        "candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}],
        "modelVersion": "up",
    }
    _, call = read_call("/v1beta/models/mine:streamGenerateContent", b'{"contents":[1]}')
    tap = RenamedTap(DIALECT_OF["gemini_generate"].tap(call), Renamer("mine"))
    out = tap.feed(b"data: " + json.dumps(google).encode() + b"\n\n") * 1 + tap.closing()
    assert json.loads(out)[0]["modelVersion"] == "mine"


def test_only_a_renamed_model_is_touched() -> None:
    for model, shown in (("up", "m1"), ("m1", "")):
        target = Target("openai_chat", "compatible", model)
        dialect, call = read_call(
            "/v1/chat/completions", b'{"model":"m1","messages":[{"role":"user","content":"a"}]}'
        )
        assert candidate_of(target, call).upstream_model == model
        assert prepare_for(target, dialect, call).shown_model == shown


def test_the_tap_below_is_found() -> None:
    _, call = read_call("/v1/responses", b'{"model":"mine","input":"a"}')
    tap = DIALECT_OF["openai_responses"].tap(call)
    assert bare_tap(RenamedTap(tap, Renamer("mine"))) is tap
    assert bare_tap(tap) is tap
