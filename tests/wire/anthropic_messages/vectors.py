"""What the tests of this dialect share: one answer as its stream and as events, a head for writers, seals,
and a strict reader of streams that knows the grammar from the dialect's documents."""

import json
from typing import Any

from msgspec import Raw
from msgspec.structs import replace

from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.usage import Usage
from switchgear.wire.anthropic_messages.peek import read_call, read_model
from switchgear.wire.anthropic_messages.to_client.whole import write_reply
from switchgear.wire.anthropic_messages.to_client.writer import Writer
from switchgear.wire.anthropic_messages.to_upstream.request import write_request
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
from switchgear.wire.neutral.request import FunctionTool, Opaque, Request, Text, Turn, Upstream, Written

USER = Turn("user", (Text("go"),))
TOOL = FunctionTool("f", "", Raw(b'{"type":"object","properties":{}}'))
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


CLAUDE = Upstream("claude-opus-4-5", "anthropic", "anthropic", ModelFacts(64_000, thinking="manual"))
ADAPTIVE = Upstream(
    "claude-opus-4-7",
    "anthropic",
    "anthropic",
    ModelFacts(
        128_000, thinking="adaptive", efforts=("low", "medium", "high", "xhigh", "max"), no_sampling=True
    ),
)
FOREIGN = Upstream("deepseek-chat", "deepseek", "deepseek")

UPSTREAMS = {
    "manual": CLAUDE,
    "adaptive": ADAPTIVE,
    "foreign": FOREIGN,
    "no_schema": replace(CLAUDE, facts=ModelFacts(8192, thinking="manual", json_schema=False)),
}
REQUEST = Request((Turn("user", (Text("Weather in Rome?"),)),))
USAGE = Usage(input_uncached=30, cache_read=100, output_text=24)

ANSWER: list[Event] = [
    Start("7", "m1"),
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
"""Thinking, a text and one call: the same answer as in ``golden/streams/example.sse``."""


def head(request: Request = REQUEST, **fields: Any) -> Head:
    given = {"id": "7", "model": "m1", "created_s": 1_700_000_000, "input_tokens": 130, **fields}
    return Head(request=request, seals=PlainSeals(), **given)


def call_of(found: dict[str, Any], operation: Operation = "anthropic_messages") -> Call:
    """Raises ApiError as the relay's steps do."""
    fields = read_fields(json.dumps(found).encode())
    return read_call(operation, fields, read_model(fields))


def frame(found: dict[str, Any]) -> bytes:
    return f"event: {found['type']}\ndata: {json.dumps(found)}\n\n".encode()


def read_strictly(stream: bytes) -> dict[str, Any]:
    """The message that a stream makes. AssertionError for anything that the grammar forbids."""
    message: dict[str, Any] | None = None
    open_at = -1
    closed = 0
    finished = stopped = False
    pieces: list[str] = []
    assert stream.endswith(b"\n\n")
    for raw in stream[:-2].split(b"\n\n"):
        assert not stopped, "nothing follows message_stop"
        first, second = raw.split(b"\n")
        event = json.loads(second.removeprefix(b"data: "))
        assert first == b"event: " + event["type"].encode()
        kind = event["type"]
        if kind == "ping":
            continue
        if kind == "message_start":
            assert message is None
            message = event["message"]
            assert message["content"] == []
            assert message["stop_reason"] is None
            continue
        assert message is not None, "message_start comes first"
        content = message["content"]
        if kind == "content_block_start":
            assert not finished
            assert open_at == -1, "one block at a time"
            assert event["index"] == closed == len(content)
            open_at, pieces = event["index"], []
            content.append(event["content_block"])
        elif kind == "content_block_delta":
            assert event["index"] == open_at
            _add(content[-1], event["delta"], pieces)
        elif kind == "content_block_stop":
            assert event["index"] == open_at
            if content[-1]["type"] == "tool_use":
                content[-1]["input"] = json.loads("".join(pieces).strip() or "{}")
            open_at, closed = -1, closed + 1
        elif kind == "message_delta":
            assert open_at == -1
            finished = True
            message.update(event["delta"])
            message["usage"] = event["usage"]
        else:
            assert kind == "message_stop"
            assert finished
            stopped = True
    assert stopped
    assert message is not None
    assert message["stop_reason"]
    return message


def _add(block: dict[str, Any], delta: dict[str, Any], pieces: list[str]) -> None:
    match block["type"], delta["type"]:
        case "text", "text_delta":
            assert delta["text"]
            block["text"] += delta["text"]
        case "text", "citations_delta":
            block.setdefault("citations", []).append(delta["citation"])
        case "thinking", "thinking_delta":
            assert not block["signature"], "the signature is the last"
            block["thinking"] += delta["thinking"]
        case "thinking", "signature_delta":
            block["signature"] += delta["signature"]
        case "tool_use", "input_json_delta":
            pieces.append(delta["partial_json"])
        case kinds:
            raise AssertionError(f"a delta that does not fit its block: {kinds}")


def body_of(written: Written) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        b"{%s}"
        % b",".join(json.dumps(key).encode() + b":" + bytes(value) for key, value in written.body.items())
    )
    return found


def write(request: Request, upstream: Upstream = CLAUDE) -> dict[str, Any]:
    return body_of(write_request(request, upstream))


def stream_of(events: list[Event], a_head: Head | None = None) -> bytes:
    writer = Writer(a_head or head())
    return b"".join([writer.feed([event]) for event in events]) + writer.closing()


def message_of(events: list[Event], a_head: Head | None = None) -> dict[str, Any]:
    """Read from the stream by the strict reader; the whole reply has to say the same."""
    found = read_strictly(stream_of(events, a_head))
    whole: dict[str, Any] = json.loads(write_reply(events, a_head or head()))
    assert whole == found
    return found


def content_of(events: list[Event], a_head: Head | None = None) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = message_of(events, a_head)["content"]
    return content
