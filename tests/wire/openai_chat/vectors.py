"""What the tests of this dialect's converting half share: one answer as events, a head for writers, seals
that can be read, and a reader of streams that knows the grammar from the dialect's documents."""

import json
from typing import Any

from switchgear.kernel.usage import Usage
from switchgear.wire.call import Call, Operation
from switchgear.wire.dialect import Head
from switchgear.wire.framing.fields import read_fields
from switchgear.wire.neutral.events import (
    End,
    Event,
    Finish,
    ReasoningDelta,
    Signature,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.neutral.request import Opaque, Request, Text, Turn
from switchgear.wire.openai_chat.from_client.request import read_request
from switchgear.wire.openai_chat.peek import read_call, read_model

SEALED = "relay1."


class PlainSeals:
    """Seals that can be read, so that tests see what was sealed."""

    def seal(self, opaque: Opaque) -> str:
        return f"{SEALED}{opaque.origin}.{opaque.kind}.{opaque.payload}"

    def open(self, text: str) -> Opaque | None:
        parts = text.removeprefix(SEALED).split(".", 2)
        if not text.startswith(SEALED) or len(parts) != 3:
            return None
        origin, kind, payload = parts
        return Opaque(origin, kind, payload)  # type: ignore[arg-type]


SEALS = PlainSeals()
USAGE = Usage(input_uncached=30, cache_read=100, output_text=24)
REQUEST = Request((Turn("user", (Text("Weather in Rome?"),)),))
ANSWER: list[Event] = [
    Start("chatcmpl-7", "m1"),
    ReasoningDelta("Need weather."),
    Signature(Opaque("anthropic", "signature", "SIG")),
    TextDelta("Looking."),
    ToolStart(0, "toolu_9", "get_weather"),
    ToolDelta(0, '{"city":'),
    ToolDelta(0, '"Rome"}'),
    ToolEnd(0),
    UsageSeen(USAGE),
    Finish("tool_calls"),
    End(),
]
"""Thinking, a text and one call: the same answer as in ``golden/answers/example.sse``."""


def head(request: Request = REQUEST, **fields: Any) -> Head:
    return Head(
        **{"id": "7", "model": "m1", "created_s": 1_700_000_000, **fields}, request=request, seals=SEALS
    )


def call_of(found: dict[str, Any], operation: Operation = "openai_chat") -> Call:
    """Raises ApiError as the relay's steps do."""
    fields = read_fields(json.dumps({"model": "m1", **found}).encode())
    return read_call(operation, fields, read_model(fields))


def request_of(found: dict[str, Any], operation: Operation = "openai_chat") -> Request:
    """Raises ApiError."""
    return read_request(call_of(found, operation), SEALS)


def turns_of(*messages: dict[str, Any], **fields: Any) -> tuple[Turn, ...]:
    return request_of({"messages": list(messages), **fields}).turns


def chunks_of(stream: bytes) -> list[dict[str, Any]]:
    """The chunks of a stream that has to end with the end marker."""
    *frames, last, nothing = stream.decode().split("\n\n")
    assert nothing == ""
    assert last == "data: [DONE]"
    assert all(frame.startswith("data: {") for frame in frames)
    return [json.loads(frame[6:]) for frame in frames]


def read_strictly(stream: bytes) -> dict[str, Any]:
    """The reply that a stream makes. AssertionError for anything that the grammar forbids."""
    heads: set[tuple[Any, ...]] = set()
    answers: dict[int, dict[str, Any]] = {}
    usage: dict[str, Any] | None = None
    for chunk in chunks_of(stream):
        heads.add(tuple(chunk[key] for key in ("id", "object", "created", "model")))
        assert usage is None, "nothing comes after the usage"
        if not chunk["choices"]:
            usage = chunk["usage"]
        for choice in chunk["choices"]:
            assert choice.keys() == {"index", "delta", "logprobs", "finish_reason"}
            _add(answers, choice)
    assert len(heads) == 1
    assert all(answer["finish_reason"] for answer in answers.values())
    choices = [answers[index] for index in sorted(answers)]
    return {"choices": choices, **({"usage": usage} if usage is not None else {})}


def _add(answers: dict[int, dict[str, Any]], choice: dict[str, Any]) -> None:
    delta = dict(choice["delta"])
    if choice["index"] not in answers:
        assert delta.pop("role") == "assistant"
        answers[choice["index"]] = {"index": choice["index"], "message": {}, "finish_reason": None}
    assert "role" not in delta, "the role comes once"
    answer = answers[choice["index"]]
    assert answer["finish_reason"] is None, "nothing comes after the finish"
    if choice["finish_reason"] is not None:
        assert delta == {}
        answer["finish_reason"] = choice["finish_reason"]
    for key, value in delta.items():
        _put(answer["message"], key, value)


def _put(message: dict[str, Any], key: str, value: Any) -> None:
    if key == "tool_calls":
        (piece,) = value
        piece = dict(piece)
        calls = message.setdefault("tool_calls", [])
        index = piece.pop("index")
        if "id" in piece:
            assert index == len(calls), "calls are counted"
            calls.append(piece)
            return
        kind, field = ("function", "arguments") if "function" in piece else ("custom", "input")
        assert piece == {kind: {field: piece[kind][field]}}
        calls[index][kind][field] += piece[kind][field]
    elif key == "function_call":
        called = message.setdefault(key, {"name": "", "arguments": ""})
        called["name"] += value.get("name", "")
        called["arguments"] += value["arguments"]
    elif isinstance(value, list):
        entries = message.setdefault(key, [])
        for entry in value:
            assert entry["index"] == len(entries), "entries of lists are counted"
            # A whole reply numbers only its reasoning.
            kept = key == "reasoning_details"
            entries.append({name: entry[name] for name in entry if kept or name != "index"})
    elif isinstance(value, str):
        message[key] = message.get(key, "") + value
    elif value is not None:
        message[key] = value
