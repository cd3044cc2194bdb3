"""The tap on a stream of the Messages dialect: forwards whole events untouched and learns what has to be
known.

``message_stop`` is held back, as a reply may only end once its record is written. Nothing is forwarded after
it or after a fault.
"""

from typing import Any, Literal

from msgspec import Raw

from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import FRAME_BYTES_MAX, TEXT_PIECES_MAX
from switchgear.kernel.usage import Usage
from switchgear.wire.anthropic_messages.account_ids import made_ids
from switchgear.wire.anthropic_messages.errors import render_stream_error
from switchgear.wire.anthropic_messages.frames import (
    Delta,
    StreamEvent,
    decode_event,
    is_given,
    read_block,
    read_event,
    read_message,
)
from switchgear.wire.anthropic_messages.usage import UsageReader
from switchgear.wire.faults.failed_finishes import failure_of, is_failed
from switchgear.wire.faults.upstream_error import UpstreamError, broken, counted, upstream_error_of
from switchgear.wire.framing.filler import is_blank, is_filler, says_nothing
from switchgear.wire.framing.repeated_frames import AlikeFrames
from switchgear.wire.framing.splice import any_of
from switchgear.wire.framing.sse import Frame, FrameTooLong, SseReader, is_silent, parse_frame

STOP_FRAME = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

_DELTA_HEAD = b"event: content_block_delta\ndata: {"
_DATA_AT = _DELTA_HEAD.index(b"{")
_DONE = b"[DONE]"
_QUIET_BLOCKS = frozenset({"text", "thinking"})
"""Their start says nothing yet."""


class StreamTap:
    """Push chunks of the upstream; get the bytes that go to the client now."""

    __slots__ = (
        "_alike",
        "_counts",
        "_finished",
        "_made",
        "_reader",
        "_stop",
        "_text_bytes",
        "_texts",
        "ended",
        "fault",
        "feed_alike",
        "has_content",
        "usage",
    )

    def __init__(self) -> None:
        self._reader = SseReader(FRAME_BYTES_MAX)
        self._counts = UsageReader()
        self._stop = STOP_FRAME
        self._finished = False
        self._texts: list[str] = []
        self._text_bytes = 0
        """Of ``_texts``."""
        self._alike = AlikeFrames()
        self.feed_alike = self._alike.take
        """See ``wire.dialect.Tap``."""
        self._made: tuple[str, ...] = ()
        self.ended = False
        self.fault: UpstreamError | None = None
        self.has_content = False
        self.usage: Usage | None = None

    @property
    def text_bytes(self) -> int:
        """Of the text that waits for ``take_text``."""
        self._gather_alike()
        return self._text_bytes

    @property
    def is_told(self) -> bool:
        """See ``wire.dialect.Tap.is_told``."""
        return self._finished and self._counts.counted is not None

    def feed(self, chunk: bytes) -> bytes:
        """The complete events to forward; ``chunk`` itself where it is nothing else than such events."""
        alike = self._alike
        if alike.texts:
            self._gather_alike()
        if alike.around_bytes:
            sent = alike.feed(chunk, self._feed_on, self._is_open)
            if alike.texts:
                self._gather_alike()
            return sent
        sent = self._feed_any(chunk)
        if self._alike.around_bytes:
            alike.open(self._is_open())
        return sent

    def _feed_on(self, chunk: bytes) -> bytes:
        """A part of a chunk, behind texts that were taken on the short way."""
        self._gather_alike()
        return self._feed_any(chunk)

    def _feed_any(self, chunk: bytes) -> bytes:
        if (
            chunk.startswith(_DELTA_HEAD)
            and not self._reader.rest
            and chunk.find(b"\n\n") == len(chunk) - 2
            and chunk.count(b"\n", _DATA_AT) == 2
            and b"\r" not in chunk
            and len(chunk) <= FRAME_BYTES_MAX
        ):
            if self.ended or self.fault is not None:
                return b""
            return chunk if self._take_data(chunk, chunk[_DATA_AT:-2]) else b""
        return self._feed_frames(chunk)

    def finish(self) -> Literal["complete", "cut"]:
        """To be asked once at the upstream's end of file."""
        if self.fault is not None:
            return "cut"
        rest = self._reader.peek_rest()
        if not self.ended and rest.strip():
            self._take_last(rest)
        if self.ended or (self._finished and self.fault is None and says_nothing(rest)):
            return "complete"
        return "cut"

    def take_text(self) -> str:
        self._gather_alike()
        text = "".join(self._texts)
        self._texts.clear()
        self._text_bytes = 0
        return text

    def closing(self) -> bytes:
        """The event that ends the message, as it came."""
        return self._stop

    def error_frame(self, err: ApiError, request_id: str) -> bytes:
        return render_stream_error(err, request_id)

    def _feed_frames(self, chunk: bytes) -> bytes:
        if self._is_over():
            return b""
        whole = not self._reader.rest
        too_long = False
        try:
            frames = self._reader.feed(chunk)
        except FrameTooLong as error:
            frames, too_long = error.frames, True
        out: list[bytes] = []
        for frame in frames:
            if self._take_frame(frame):
                out.append(frame.raw)
            else:
                whole = False
            if self._is_over():
                return b"".join(out)
        if too_long:
            self.fault = broken("an event is too long")
        elif whole and not self._reader.rest:
            return chunk
        return b"".join(out)

    def _is_open(self) -> bool:
        """The next byte begins an event that may be forwarded."""
        return not self._reader.rest and not self._is_over()

    def _is_over(self) -> bool:
        return self.ended or self.fault is not None

    def _take_frame(self, frame: Frame) -> bool:
        """Whether it is forwarded."""
        if frame.data.strip() == _DONE:
            # Of hosts that end every dialect alike.
            self.ended = self._finished
            return False
        if frame.event == "error":
            self._fail(any_of(frame.data))
            return False
        if not frame.data:
            if is_silent(frame.raw):
                return not is_blank(frame.raw)
            self.fault = _fault_of(frame.raw)
            return False
        if is_filler(frame.data):
            return False
        if not self._take_data(frame.raw, frame.data):
            if self.ended:
                self._stop = frame.raw
            return False
        return True

    def _take_data(self, raw: bytes, data: bytes) -> bool:
        try:
            event: StreamEvent | None = decode_event(data)
        except (ValueError, RecursionError):
            event = read_event(data)
        if event is None:
            self.fault = broken("an event is not a JSON object")
            return False
        delta = event.delta
        if delta is not None and event.type == "content_block_delta":
            self.has_content = True
            if text := delta.text or delta.thinking or delta.partial_json:
                self._say(text)
                if self._alike.tries_left and (key := _only_key(delta)):
                    self._alike.learn(raw, key, text)
            return True
        return self._take_event(event, data)

    def _take_event(self, event: StreamEvent, data: bytes) -> bool:
        match event.type:
            case "message_stop":
                self.ended = True
                return False
            case "message_start":
                self._made += made_ids(data)
                head = read_message(event.message)
                if head is not None and is_given(head.usage):
                    self._counts.take_start(any_of(head.usage))
                    self.usage = self._counts.usage
            case "content_block_start":
                self._take_block(event)
            case "message_delta":
                self._made += made_ids(data)
                self._finished = self._finished or bool(event.delta and event.delta.stop_reason)
                self.has_content = self.has_content or self._finished
                self._take_usage(event.usage)
                if event.delta and event.delta.stop_reason and is_failed(event.delta.stop_reason):
                    self.fault = counted(failure_of(event.delta.stop_reason), self._counts.counted)
                    return False
            case "ping":
                pass
            case _ if event.type == "error" or is_given(event.error):
                self._fail(any_of(data))
                return False
        return True

    def _fail(self, found: Any) -> None:
        self.fault = self._counts.fail(upstream_error_of(200, found), found)
        self.usage = self._counts.usage

    def _take_usage(self, raw: Raw) -> None:
        if is_given(raw):
            self._counts.take(any_of(raw))
            self.usage = self._counts.usage

    def made_ids(self) -> tuple[str, ...]:
        return self._made

    def calls(self) -> dict[str, int]:
        """Of hosted tools so far, by unit."""
        return self._counts.calls

    def _take_block(self, event: StreamEvent) -> None:
        self._counts.see_block(event.content_block)
        self.usage = self._counts.usage
        block = read_block(event.content_block)
        text = block.text or block.thinking or block.name
        if text:
            self._say(text)
        if text or block.type not in _QUIET_BLOCKS:
            self.has_content = True

    def _gather_alike(self) -> None:
        if self._alike.texts:
            self._say("".join(self._alike.texts))
            self._alike.texts.clear()

    def _say(self, text: str) -> None:
        self._texts.append(text)
        self._text_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if len(self._texts) > TEXT_PIECES_MAX:
            self._texts = ["".join(self._texts)]

    def _take_last(self, rest: bytes) -> None:
        """Bytes without a blank line at the end of the stream: the last event, an error, or a cut."""
        frame = parse_frame(rest + b"\n\n")
        if frame.data or frame.event:
            event = read_event(frame.data)
            if event is not None and event.type == "message_stop":
                self.ended = True
            elif event is not None and event.type == "error":
                self._fail(any_of(frame.data))
        elif not is_silent(frame.raw):
            self.fault = _fault_of(rest)


def _only_key(delta: Delta) -> bytes:
    """Of the text of a delta, with its quotes; b"" where more than one kind of text is in it."""
    if delta.text:
        return b"" if delta.thinking or delta.partial_json else b'"text"'
    if delta.thinking:
        return b"" if delta.partial_json else b'"thinking"'
    return b'"partial_json"'


def _fault_of(raw: bytes) -> UpstreamError:
    found: Any = any_of(raw)
    if isinstance(found, dict) and (found.get("error") or found.get("message")):
        return upstream_error_of(200, found)
    return broken("the answer is not an event stream")
