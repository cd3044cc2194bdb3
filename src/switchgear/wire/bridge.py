"""Answers on their way from one dialect to another: a reader on the upstream's side, a writer on the
client's.

To the relay a bridge looks like a tap, so both kinds of answer take the same way through it.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from switchgear.kernel.errors import ApiError
from switchgear.kernel.usage import Usage
from switchgear.wire.dialect import Dialect, Head, Reader, Writer
from switchgear.wire.events import (
    AudioOut,
    End,
    Event,
    Fault,
    Finish,
    Hosted,
    ImageOut,
    ReasoningDelta,
    Redacted,
    RefusalDelta,
    Signature,
    TextDelta,
    ToolDelta,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.faults import UpstreamError

_SAYS = (TextDelta, ReasoningDelta, ToolStart, RefusalDelta, Redacted, ImageOut, AudioOut, Hosted, Finish)

Notice = Callable[[Event], None]
"""Called with each event that carries an opaque token, so that it can be kept for clients that lose it."""


class Bridge:
    """A converted stream, as a ``Tap``."""

    __slots__ = (
        "_notice",
        "_origin",
        "_reader",
        "_tail",
        "_texts",
        "_writer",
        "ended",
        "fault",
        "has_content",
        "text_bytes",
        "usage",
    )

    def __init__(self, reader: Reader, writer: Writer, origin: str, notice: Notice | None = None) -> None:
        """``origin``: whose opaque tokens the upstream's answer brings; see ``wire.origin``."""
        self._origin = origin
        self._reader = reader
        self._writer = writer
        self._notice = notice
        self._texts: list[str] = []
        self._tail = b""
        self.ended = False
        self.fault: UpstreamError | None = None
        self.has_content = False
        self.usage: Usage | None = None
        self.text_bytes = 0

    def feed(self, chunk: bytes) -> bytes:
        if self.ended or self.fault is not None:
            return b""
        return self._take(self._reader.feed(chunk))

    def finish(self) -> Literal["complete", "cut"]:
        if not self.ended and self.fault is None:
            # Nothing is pushed after the end of file, so what only that brings goes out with the closing.
            self._tail = self._take(self._reader.finish())
        return "complete" if self.ended else "cut"

    def take_text(self) -> str:
        text = "".join(self._texts)
        self._texts.clear()
        self.text_bytes = 0
        return text

    def closing(self) -> bytes:
        return self._tail + self._writer.closing()

    def error_frame(self, err: ApiError, request_id: str) -> bytes:
        return self._writer.error_frame(err, request_id)

    def _take(self, events: list[Event]) -> bytes:
        for at, event in enumerate(events):
            self._look(event)
            if self.fault is not None:
                events = events[:at]
                break
        return self._writer.feed(events) if events else b""

    def _look(self, event: Event) -> None:
        if isinstance(event, TextDelta | ReasoningDelta | RefusalDelta | ToolDelta):
            self._texts.append(event.text)
            self.text_bytes += len(event.text)
        elif isinstance(event, UsageSeen):
            self.usage = event.usage
        elif isinstance(event, End):
            self.ended = True
        elif isinstance(event, Fault):
            if not event.truncated:
                self.fault = event.error
        elif isinstance(event, Signature | Redacted | ToolStart):
            sign(event, self._origin)
            if self._notice is not None:
                self._notice(event)
        if not self.has_content and isinstance(event, _SAYS):
            self.has_content = True


class BridgedReply(msgspec.Struct, frozen=True):
    """A converted whole reply, as a ``Reply``."""

    body: bytes
    usage: Usage | None = None
    error: UpstreamError | None = None
    empty: bool = False
    events: list[Event] = []

    def text(self) -> str:
        said = (TextDelta, ReasoningDelta, RefusalDelta, ToolDelta)
        return "".join(event.text for event in self.events if isinstance(event, said))


def sign(event: Signature | Redacted | ToolStart, origin: str) -> None:
    """Says whose token an event carries, which its reader can't know."""
    if event.opaque is not None and not event.opaque.origin:
        event.opaque = msgspec.structs.replace(event.opaque, origin=origin)


def convert_reply(upstream: Dialect, client: Dialect, body: bytes, head: Head, origin: str) -> BridgedReply:
    """A whole reply of one dialect in another. Never raises."""
    events = upstream.read_events(body)
    for event in events:
        if isinstance(event, Signature | Redacted | ToolStart):
            sign(event, origin)
    last = events[-1] if events else None
    if isinstance(last, Fault):
        return BridgedReply(body, error=last.error, events=events)
    usage = next((event.usage for event in reversed(events) if isinstance(event, UsageSeen)), None)
    if not any(isinstance(event, _SAYS) for event in events):
        return BridgedReply(body, usage, empty=True, events=events)
    return BridgedReply(client.write_reply(events, head), usage, events=events)
