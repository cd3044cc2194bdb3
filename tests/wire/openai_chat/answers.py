"""Answers of upstreams of this dialect as they come, and short ways to what is read of them."""

import json
from pathlib import Path
from typing import Any

import msgspec

from switchgear.kernel.usage import Usage
from switchgear.wire.neutral.events import (
    Event,
    Fault,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolDelta,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.openai_chat.from_upstream.reader import ChatReader

ANSWERS = Path(__file__).parent / "golden" / "answers"


def sample(name: str) -> bytes:
    return (ANSWERS / f"{name}.sse").read_bytes()


def read(chunks: list[bytes]) -> list[Event]:
    reader = ChatReader()
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return events + reader.finish()


def read_sample(name: str) -> list[Event]:
    return read([sample(name)])


def frame(found: Any) -> bytes:
    return b"data: " + json.dumps(found).encode() + b"\n\n"


def delta(**said: Any) -> bytes:
    return frame({"choices": [{"index": 0, "delta": said, "finish_reason": None}]})


def shown(events: list[Event]) -> str:
    lines = []
    for event in events:
        parts = (
            {"kind": event.error.kind, "error": str(event.error), "truncated": event.truncated}
            if isinstance(event, Fault)
            else json.loads(msgspec.json.encode(event))
        )
        lines.append(json.dumps({"event": type(event).__name__, **parts}, ensure_ascii=False))
    return "\n".join(lines) + "\n"


def calls_in(events: list[Event]) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of each call."""
    return [
        (
            start.id,
            start.name,
            "".join(e.text for e in events if isinstance(e, ToolDelta) and e.key == start.key),
        )
        for start in events
        if isinstance(start, ToolStart)
    ]


def said(events: list[Event], kind: type[TextDelta | ReasoningDelta | RefusalDelta]) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


def usage_in(events: list[Event]) -> Usage:
    return [event.usage for event in events if isinstance(event, UsageSeen)][-1]
