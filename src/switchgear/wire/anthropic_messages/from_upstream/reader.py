"""An upstream's answer in this dialect as events: a stream, or a whole reply."""

from typing import Any

from msgspec import Raw

from switchgear.kernel.limits import FRAME_BYTES_MAX
from switchgear.wire.anthropic_messages.finish import read_stop_reason
from switchgear.wire.anthropic_messages.frames import StreamEvent, is_given, read_event, read_message
from switchgear.wire.anthropic_messages.from_upstream.parts import Blocks
from switchgear.wire.anthropic_messages.passing.reply import error_of, failed
from switchgear.wire.anthropic_messages.usage import UsageReader, read_usage
from switchgear.wire.faults.failed_finishes import failure_of, is_failed
from switchgear.wire.faults.upstream_error import UpstreamError, broken, counted, upstream_error_of
from switchgear.wire.framing.filler import is_filler, says_nothing
from switchgear.wire.framing.repeated_frames import AlikeTexts
from switchgear.wire.framing.splice import any_of
from switchgear.wire.framing.sse import FrameTooLong, SseReader, parse_frame
from switchgear.wire.neutral.events import (
    End,
    Event,
    Fault,
    Finish,
    Start,
    TextDelta,
    UsageSeen,
)

_DONE = b"[DONE]"


class Reader:
    """See ``wire.dialect.Reader``."""

    __slots__ = ("_alike", "_blocks", "_over", "_reader", "_stop", "_usage")

    def __init__(self) -> None:
        self._reader = SseReader(FRAME_BYTES_MAX)
        self._alike = AlikeTexts(b'"text"')
        self._blocks = Blocks()
        self._usage = UsageReader()
        self._stop: Finish | None = None
        self._over = False

    @property
    def is_told(self) -> bool:
        """See ``wire.dialect.Tap.is_told``."""
        return self._over or (self._stop is not None and self._usage.counted is not None)

    def feed(self, chunk: bytes) -> list[Event]:
        if self._over:
            return []
        out: list[Event] = []
        if (known := self._alike.known) is not None:
            start, end, texts, _ = self._alike.split(chunk)
            if texts:
                if start:
                    self._feed_any(chunk[:start], out)
                if self._reader.rest or self._over or self._alike.known != known:
                    end = start
                else:
                    self._blocks.add_texts(texts, out)
                if end == len(chunk):
                    return out
                chunk = chunk[end:]
        self._feed_any(chunk, out)
        return out

    def _feed_any(self, chunk: bytes, out: list[Event]) -> None:
        too_long = False
        try:
            frames = self._reader.feed(chunk)
        except FrameTooLong as error:
            frames, too_long = error.frames, True
        for frame in frames:
            begun = len(out)
            self._take(frame.event, frame.data, out)
            last = out[-1] if len(out) == begun + 1 else None
            if type(last) is TextDelta and b'"text_delta"' in frame.data:
                self._alike.learn(frame.raw, last.text)
            else:
                self._alike.forget()
        if too_long:
            self._fail(broken("an event is too long"), out)

    def finish(self) -> list[Event]:
        out: list[Event] = []
        if self._over:
            return out
        rest = self._reader.peek_rest()
        torn = not says_nothing(rest)
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
                out.append(Fault(broken("the stream ended before its end"), truncated=True))
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
            if is_filler(data) and name != "error":
                return
            self._fail(broken("an event is not a JSON object"), out)
            return
        if event.type == "content_block_delta":
            if event.delta is not None:
                self._blocks.take(event.delta, out, event.index)
            return
        if name == "error" or event.type == "error" or is_given(event.error):
            found = any_of(data)
            self._fail(self._usage.fail(upstream_error_of(200, found), found), out)
            return
        self._take_event(event, out)

    def _take_event(self, event: StreamEvent, out: list[Event]) -> None:
        match event.type:
            case "content_block_start":
                self._blocks.start(event.content_block, out, event.index)
                self._usage.see_block(event.content_block)
                if self._blocks.has_too_many:
                    self._fail(broken("an answer has too many blocks"), out)
            case "content_block_stop":
                self._blocks.stop(out, event.index)
            case "message_start":
                head = read_message(event.message)
                out.append(Start((head and head.id) or "", (head and head.model) or ""))
                if head is not None and is_given(head.usage):
                    self._usage.take_start(any_of(head.usage))
                    self._tell_usage(out)
                for raw in (head and head.content) or ():  # of hosts that have all of it at once
                    self._blocks.start(raw, out)
                    self._blocks.stop(out)
            case "message_delta":
                if is_given(event.usage):
                    self._usage.take(any_of(event.usage))
                    self._tell_usage(out)
                if event.delta is not None and event.delta.stop_reason:
                    if is_failed(event.delta.stop_reason):
                        failure = failure_of(event.delta.stop_reason)
                        self._fail(counted(failure, self._usage.counted), out)
                        return
                    self._stop = _finish(
                        event.delta.stop_reason,
                        event.delta.stop_sequence,
                        event.delta.stop_details,
                        self._blocks,
                    )
            case "message_stop":
                self._end(out)

    def _tell_usage(self, out: list[Event]) -> None:
        if (usage := self._usage.usage) is not None:
            out.append(UsageSeen(usage))

    def _end(self, out: list[Event]) -> None:
        self._blocks.stop_all(out)
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
        return [Fault(failed(error_of(body) or broken("the answer has no content"), body))]
    out: list[Event] = [Start(message.id or "", message.model or "")]
    blocks = Blocks()
    for raw in message.content:
        blocks.start(raw, out)
        blocks.stop(out)
        if blocks.has_too_many:
            return [Fault(broken("an answer has too many blocks"))]
    if is_given(message.usage):
        usage = read_usage(message.usage, message.content)
        if usage is not None:
            out.append(UsageSeen(usage))
    if message.stop_reason and is_failed(message.stop_reason):
        out.append(Fault(failure_of(message.stop_reason)))
        return out
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
