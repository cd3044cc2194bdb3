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
from switchgear.wire.faults import UpstreamError, broken, upstream_error_of
from switchgear.wire.splice import any_of
from switchgear.wire.sse import Frame, FrameTooLong, SseReader, is_silent, parse_frame

STOP_FRAME = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

_DELTA_HEAD = b"event: content_block_delta\ndata: {"
_DATA_AT = _DELTA_HEAD.index(b"{")
_DONE = b"[DONE]"
_QUIET_BLOCKS = frozenset({"text", "thinking"})
"""Their start says nothing yet."""


class StreamTap:
    """Push chunks of the upstream; get the bytes that go to the client now."""

    feed_alike = None
    __slots__ = (
        "_counts",
        "_finished",
        "_reader",
        "_stop",
        "_texts",
        "ended",
        "fault",
        "has_content",
        "text_bytes",
        "usage",
    )

    def __init__(self) -> None:
        self._reader = SseReader(FRAME_BYTES_MAX)
        self._counts = UsageReader()
        self._stop = STOP_FRAME
        self._finished = False
        self._texts: list[str] = []
        self.ended = False
        self.fault: UpstreamError | None = None
        self.has_content = False
        self.usage: Usage | None = None
        self.text_bytes = 0

    def feed(self, chunk: bytes) -> bytes:
        """The complete events to forward; ``chunk`` itself where it is nothing else than such events."""
        if (
            chunk.startswith(_DELTA_HEAD)
            and not self._reader.rest
            and chunk.find(b"\n\n") == len(chunk) - 2
            and chunk.count(b"\n", _DATA_AT) == 2
            and b"\r" not in chunk
            and len(chunk) <= FRAME_BYTES_MAX
        ):
            if self._is_over():
                return b""
            return chunk if self._take_data(chunk[_DATA_AT:-2]) else b""
        return self._feed_frames(chunk)

    def finish(self) -> Literal["complete", "cut"]:
        """To be asked once at the upstream's end of file."""
        if self.fault is not None:
            return "cut"
        rest = self._reader.peek_rest()
        if not self.ended and rest.strip():
            self._take_last(rest)
        if self.ended or (self._finished and self.fault is None and not rest.strip()):
            return "complete"
        return "cut"

    def take_text(self) -> str:
        text = "".join(self._texts)
        self._texts.clear()
        self.text_bytes = 0
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

    def _is_over(self) -> bool:
        return self.ended or self.fault is not None

    def _take_frame(self, frame: Frame) -> bool:
        """Whether it is forwarded."""
        if frame.data.strip() == _DONE:
            # Of hosts that end every dialect alike.
            self.ended = self._finished
            return False
        if frame.event == "error":
            self.fault = upstream_error_of(200, any_of(frame.data))
            return False
        if not frame.data:
            if is_silent(frame.raw):
                return True
            self.fault = _fault_of(frame.raw)
            return False
        if not self._take_data(frame.data):
            if self.ended:
                self._stop = frame.raw
            return False
        return True

    def _take_data(self, data: bytes) -> bool:
        try:
            event: StreamEvent | None = decode_event(data)
        except (ValueError, RecursionError):
            event = read_event(data)
        if event is None:
            self.fault = broken("an event is not a JSON object")
            return False
        if event.delta is not None and event.type == "content_block_delta":
            self._take_delta(event.delta)
            return True
        return self._take_event(event, data)

    def _take_delta(self, delta: Delta) -> None:
        self.has_content = True
        text = delta.text or delta.thinking or delta.partial_json
        if text:
            self._say(text)

    def _take_event(self, event: StreamEvent, data: bytes) -> bool:
        match event.type:
            case "message_stop":
                self.ended = True
                return False
            case "message_start":
                head = read_message(event.message)
                if head is not None and is_given(head.usage):
                    self._counts.take_start(any_of(head.usage))
                    self.usage = self._counts.usage
            case "content_block_start":
                self._take_block(event)
            case "message_delta":
                self._finished = self._finished or bool(event.delta and event.delta.stop_reason)
                self.has_content = self.has_content or self._finished
                self._take_usage(event.usage)
            case "ping":
                pass
            case _ if event.type == "error" or is_given(event.error):
                self.fault = upstream_error_of(200, any_of(data))
                return False
        return True

    def _take_usage(self, raw: Raw) -> None:
        if is_given(raw):
            self._counts.take(any_of(raw))
            self.usage = self._counts.usage

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

    def _say(self, text: str) -> None:
        self._texts.append(text)
        self.text_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
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
                self.fault = upstream_error_of(200, any_of(frame.data))
        elif not is_silent(frame.raw):
            self.fault = _fault_of(rest)


def _fault_of(raw: bytes) -> UpstreamError:
    found: Any = any_of(raw)
    if isinstance(found, dict) and (found.get("error") or found.get("message")):
        return upstream_error_of(200, found)
    return broken("the answer is not an event stream")
