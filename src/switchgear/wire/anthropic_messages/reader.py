"""An upstream's answer in this dialect as events: a stream, or a whole reply."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import FRAME_BYTES_MAX, MESSAGES_BLOCKS_MAX
from switchgear.wire.anthropic_messages.frames import (
    Block,
    Delta,
    StreamEvent,
    any_of,
    is_given,
    read_block,
    read_event,
    read_message,
)
from switchgear.wire.anthropic_messages.hosted import HostedSteps, citation_of, is_hosted
from switchgear.wire.anthropic_messages.reply import error_of
from switchgear.wire.anthropic_messages.stop_reasons import read_stop_reason
from switchgear.wire.anthropic_messages.usage import UsageReader
from switchgear.wire.events import (
    Cite,
    End,
    Event,
    Fault,
    Finish,
    ReasoningDelta,
    Redacted,
    Signature,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.faults import UpstreamError, upstream_error_of
from switchgear.wire.ir import Citation, Opaque
from switchgear.wire.sse import FrameTooLong, SseReader, parse_frame

_DONE = b"[DONE]"


class Blocks:
    """The content of one answer, block by block: what both modes have in common."""

    __slots__ = (
        "_citations",
        "_count",
        "_has_arguments",
        "_hosted",
        "_input",
        "_key",
        "_kind",
        "_text_chars",
        "_text_start",
        "has_calls",
    )

    def __init__(self) -> None:
        self._kind = ""
        self._key = -1
        self._count = 0
        self._input: Raw | None = None
        self._has_arguments = False
        self._text_chars = 0
        self._text_start = 0
        self._citations: list[Citation] = []
        self._hosted = HostedSteps()
        self.has_calls = False

    def start(self, raw: Raw, out: list[Event]) -> None:
        """A block opens. One that is still open is closed first, whatever the upstream forgot."""
        if self._kind:
            self.stop(out)
        block = read_block(raw)
        self._count += 1
        self._kind = block.type or "text"
        if self._kind == "tool_use":
            self._start_call(block, out)
        elif is_hosted(self._kind):
            self._hosted.start(self._kind, raw, out)
        elif self._kind == "redacted_thinking":
            out.append(Redacted(Opaque("", "redacted", block.data or "")))
        else:
            self._text_start = self._text_chars
            if block.text:
                self._add_text(block.text, out)
            if block.thinking:
                out.append(ReasoningDelta(block.thinking))
            if block.signature:
                out.append(Signature(Opaque("", "signature", block.signature)))
            for citation in block.citations or ():
                self._cite(citation)

    def take(self, delta: Delta, out: list[Event]) -> None:
        """A piece of the open block."""
        if delta.text:
            self._add_text(delta.text, out)
        elif delta.partial_json:
            if self._kind == "tool_use":
                self._has_arguments = True
                out.append(ToolDelta(self._key, delta.partial_json))
            else:
                self._hosted.add_input(delta.partial_json)
        elif delta.thinking:
            out.append(ReasoningDelta(delta.thinking))
        elif delta.signature:
            out.append(Signature(Opaque("", "signature", delta.signature)))
        elif is_given(delta.citation):
            self._cite(delta.citation)

    def stop(self, out: list[Event]) -> None:
        """The open block is complete."""
        if self._kind == "tool_use":
            if not self._has_arguments:
                # Some send the arguments with the start, and none at all for a call without.
                given = bytes(self._input) if self._input is not None else b"{}"
                out.append(ToolDelta(self._key, given.decode("utf-8", "replace")))
            out.append(ToolEnd(self._key))
        elif is_hosted(self._kind):
            self._hosted.stop(out)
        for citation in self._citations:
            placed = msgspec.structs.replace(citation, start=self._text_start, end=self._text_chars)
            out.append(Cite(placed))
        self._citations = []
        self._kind = ""

    @property
    def is_open(self) -> bool:
        return bool(self._kind)

    @property
    def has_too_many(self) -> bool:
        return self._count > MESSAGES_BLOCKS_MAX

    def _start_call(self, block: Block, out: list[Event]) -> None:
        self._key += 1
        self.has_calls = True
        self._has_arguments = False
        self._input = block.input if is_given(block.input) else None
        out.append(ToolStart(self._key, block.id or "", block.name or ""))

    def _add_text(self, text: str, out: list[Event]) -> None:
        self._text_chars += len(text)
        out.append(TextDelta(text))

    def _cite(self, raw: Raw) -> None:
        citation = citation_of(any_of(raw))
        if citation is not None:
            self._citations.append(citation)


class Reader:
    """See ``wire.dialect.Reader``."""

    __slots__ = ("_blocks", "_over", "_reader", "_stop", "_usage")

    def __init__(self) -> None:
        self._reader = SseReader(FRAME_BYTES_MAX)
        self._blocks = Blocks()
        self._usage = UsageReader()
        self._stop: Finish | None = None
        self._over = False

    def feed(self, chunk: bytes) -> list[Event]:
        if self._over:
            return []
        out: list[Event] = []
        try:
            frames = self._reader.feed(chunk)
        except FrameTooLong as error:
            frames = error.frames
            for frame in frames:
                self._take(frame.event, frame.data, out)
            self._fail(_broken("an event is too long"), out)
            return out
        for frame in frames:
            self._take(frame.event, frame.data, out)
        return out

    def finish(self) -> list[Event]:
        out: list[Event] = []
        if self._over:
            return out
        rest = self._reader.peek_rest()
        torn = bool(rest.strip())
        if torn:
            frame = parse_frame(rest + b"\n\n")
            event = read_event(frame.data)
            if event is not None and event.type in ("message_stop", "error"):
                self._take(frame.event, frame.data, out)
        if not self._over:
            if self._stop is not None and not torn:
                self._end(out)
            else:
                self._over = True
                out.append(Fault(_broken("the stream ended before its end"), truncated=True))
        return out

    def _take(self, name: str, data: bytes, out: list[Event]) -> None:
        if self._over or not data:
            return
        event = read_event(data)
        if event is None:
            if data.strip() == _DONE:
                if self._stop is not None:
                    self._end(out)
                return
            self._fail(_broken("an event is not a JSON object"), out)
            return
        if event.type == "content_block_delta":
            if event.delta is not None:
                self._blocks.take(event.delta, out)
            return
        if name == "error" or event.type == "error" or is_given(event.error):
            self._fail(upstream_error_of(200, any_of(data)), out)
            return
        self._take_event(event, out)

    def _take_event(self, event: StreamEvent, out: list[Event]) -> None:
        match event.type:
            case "content_block_start":
                self._blocks.start(event.content_block, out)
                if self._blocks.has_too_many:
                    self._fail(_broken("an answer has too many blocks"), out)
            case "content_block_stop":
                self._blocks.stop(out)
            case "message_start":
                head = read_message(event.message)
                out.append(Start((head and head.id) or "", (head and head.model) or ""))
                if head is not None and is_given(head.usage):
                    self._see_usage(head.usage, out)
            case "message_delta":
                if is_given(event.usage):
                    self._see_usage(event.usage, out)
                if event.delta is not None and event.delta.stop_reason:
                    self._stop = _finish(
                        event.delta.stop_reason,
                        event.delta.stop_sequence,
                        event.delta.stop_details,
                        self._blocks,
                    )
            case "message_stop":
                self._end(out)

    def _see_usage(self, raw: Raw, out: list[Event]) -> None:
        self._usage.take(any_of(raw))
        if (usage := self._usage.usage) is not None:
            out.append(UsageSeen(usage))

    def _end(self, out: list[Event]) -> None:
        if self._blocks.is_open:
            self._blocks.stop(out)
        out.append(self._stop or _finish("end_turn", None, Raw(b""), self._blocks))
        out.append(End())
        self._over = True

    def _fail(self, error: UpstreamError, out: list[Event]) -> None:
        if not self._over:
            out.append(Fault(error))
            self._over = True


def read_events(body: bytes) -> list[Event]:
    """A whole reply as events, ``End`` or ``Fault`` last."""
    message = read_message(body)
    if message is None or message.content is None or message.type == "error" or is_given(message.error):
        return [Fault(error_of(body) or _broken("the answer has no content"))]
    out: list[Event] = [Start(message.id or "", message.model or "")]
    blocks = Blocks()
    for raw in message.content:
        blocks.start(raw, out)
        blocks.stop(out)
        if blocks.has_too_many:
            return [Fault(_broken("an answer has too many blocks"))]
    if is_given(message.usage):
        usage = UsageReader()
        usage.take(any_of(message.usage))
        if usage.usage is not None:
            out.append(UsageSeen(usage.usage))
    out.append(
        _finish(message.stop_reason or "end_turn", message.stop_sequence, message.stop_details, blocks)
    )
    out.append(End())
    return out


def _finish(reason: str, stop_sequence: str | None, details: Raw, blocks: Blocks) -> Finish:
    found: Any = any_of(details) if is_given(details) else None
    message = found.get("explanation") if isinstance(found, dict) else None
    return Finish(
        read_stop_reason(reason, blocks.has_calls),
        stop_sequence or "",
        message if isinstance(message, str) else "",
    )


def _broken(message: str) -> UpstreamError:
    return UpstreamError("transient", 200, message, "server_error")
