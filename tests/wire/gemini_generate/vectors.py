"""What the tests of this dialect share: one answer as events, a head for writers, seals, upstreams, and a
strict reader of streams that knows the grammar from the dialect's documents."""

import contextlib
import json
from base64 import b64decode, b64encode
from typing import Any

from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.usage import Usage
from switchgear.wire.call import Call, InPath, Operation
from switchgear.wire.dialect import Head
from switchgear.wire.framing.fields import read_fields
from switchgear.wire.gemini_generate.peek import read_call
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
from switchgear.wire.neutral.request import Opaque, Request, Text, Thinking, Turn, Upstream, Written

SEALED = "relay1."


class PlainSeals:
    """Seals that can be read, so that tests see what was sealed."""

    def seal(self, opaque: Opaque) -> str:
        return f"{SEALED}{opaque.origin}.{opaque.kind}.{opaque.payload}"

    def open(self, text: str) -> Opaque | None:
        with contextlib.suppress(ValueError):
            text = b64decode(text, validate=True).decode()
        parts = text.removeprefix(SEALED).split(".", 2)
        if not text.startswith(SEALED) or len(parts) != 3:
            return None
        origin, kind, payload = parts
        return Opaque(origin, kind, payload)  # type: ignore[arg-type]


def sealed(opaque: Opaque) -> str:
    """As it stands in ``thoughtSignature``."""
    return b64encode(PlainSeals().seal(opaque).encode()).decode()


GEMINI_25 = Upstream(
    "gemini-2.5-pro",
    "gemini",
    "google",
    ModelFacts(65_536, thinking="budget", thinking_off=False, budget_min=128, budget_max=32_768),
)
GEMINI_3 = Upstream(
    "gemini-3-pro-preview",
    "gemini",
    "google",
    ModelFacts(65_536, thinking="level", thinking_off=False, efforts=("low", "high")),
)
PLAIN = Upstream("gemini-2.0-flash", "gemini", "google", ModelFacts(8192, thinking="none"))

CLAUDE_TOKEN = Opaque("anthropic", "signature", "SIG")
GOOGLE_TOKEN = Opaque("google", "signature", "Z29vZ2xl")
USAGE = Usage(input_uncached=30, cache_read=100, output_text=24)
ASKED = Request((Turn("user", (Text("Weather in Rome?"),)),), thinking=Thinking(show=True))

ANSWER: list[Event] = [
    Start("7", "m1"),
    ReasoningDelta("Need weather."),
    Signature(CLAUDE_TOKEN),
    TextDelta("Looking."),
    ToolStart(0, "toolu_9", "get_weather"),
    ToolDelta(0, '{"city":'),
    ToolDelta(0, '"Rome"}'),
    ToolEnd(0),
    UsageSeen(USAGE),
    Finish("tool_calls"),
    End(),
]
"""The golden example: Claude thinks, says something and calls a tool."""


def head(request: Request = ASKED, *, array: bool = False) -> Head:
    return Head("r7", "gemini-3-pro", 1_700_000_000, request, PlainSeals(), array=array)


def call_of(
    body: dict[str, Any] | bytes, operation: Operation = "gemini_generate", in_path: InPath | None = None
) -> Call:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    path = in_path or InPath("gemini-3-pro")
    return read_call(operation, read_fields(data), path.model, path)


def body_of(written: Written) -> dict[str, Any]:
    return {key: json.loads(bytes(raw)) for key, raw in written.body.items()}


def chunks_of(stream: bytes) -> list[dict[str, Any]]:
    """The responses of a stream, read as strictly as the official SDK does: nothing but ``data: `` lines."""
    chunks = []
    for block in stream.decode().split("\n\n"):
        if block:
            assert block.startswith("data: ")
            assert "\n" not in block
            chunks.append(json.loads(block.removeprefix("data: ")))
    return chunks


def chunk(
    parts: list[dict[str, Any]] | None = None, finish: str | None = None, index: int = 0, **more: Any
) -> bytes:
    candidate: dict[str, Any] = {"index": index}
    if parts is not None:
        candidate["content"] = {"role": "model", "parts": parts}
    if finish is not None:
        candidate["finishReason"] = finish
    return frame({"candidates": [candidate], "responseId": "r7", **more})


def frame(response: Any) -> bytes:
    return b"data: " + json.dumps(response, ensure_ascii=False).encode() + b"\n\n"
