"""A stream that passes through: forwarded untouched, with what has to be known learned on the way.

A stream is open until its last event (``response.completed`` and the like) came or a fault; that event is
held back, as a reply may only end once its record is written.
"""

from typing import Literal

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import FRAME_BYTES_MAX, TEXT_PIECES_MAX
from switchgear.kernel.usage import Usage
from switchgear.wire.faults.upstream_error import UpstreamError, broken, counted, has_error, upstream_error_of
from switchgear.wire.framing.filler import is_blank, is_filler
from switchgear.wire.framing.splice import NULL, BadJson, any_of, read_object, write_object
from switchgear.wire.framing.sse import Frame, FrameTooLong, SseReader, is_silent, parse_frame
from switchgear.wire.openai_responses.account_ids import made_ids
from switchgear.wire.openai_responses.errors import failure, render_stream_error
from switchgear.wire.openai_responses.frames import TERMINAL, error_of, read_response
from switchgear.wire.openai_responses.from_upstream.reader import error_in
from switchgear.wire.openai_responses.hosted_calls import CallCounter
from switchgear.wire.openai_responses.usage import usage_in

_DONE = b"[DONE]"
# What servers send before the model has said anything.
_PREFACE = frozenset(
    {
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.reasoning_summary_part.added",
    }
)


class _Peek(msgspec.Struct, gc=False):
    type: str = ""
    delta: str | None = None
    sequence_number: int | None = None


class _Ending(msgspec.Struct, gc=False):
    response: Raw = NULL
    item: Raw = NULL


_decode_peek = msgspec.json.Decoder(_Peek).decode
_decode_ending = msgspec.json.Decoder(_Ending).decode


class StreamTap:
    """See ``wire.dialect.Tap``."""

    feed_alike = None
    __slots__ = (
        "_begin",
        "_closing",
        "_counter",
        "_number",
        "_reader",
        "_texts",
        "ended",
        "fault",
        "has_content",
        "response",
        "response_id",
        "text_bytes",
        "usage",
    )

    def __init__(self) -> None:
        self._reader = SseReader()
        self._texts: list[str] = []
        self._begin = NULL
        """The response as the first event showed it."""
        self._counter = CallCounter()
        self._number = -1
        """Of the last event."""
        self._closing = b""
        self.ended = False
        self.fault: UpstreamError | None = None
        self.has_content = False
        self.usage: Usage | None = None
        self.text_bytes = 0
        self.response = b""
        """The whole of it, once it ended."""
        self.response_id = ""
        """By which later calls name this answer; they have to go to the same upstream."""

    @property
    def is_told(self) -> bool:
        """See ``wire.dialect.Tap.is_told``."""
        return self._is_over()

    def feed(self, chunk: bytes) -> bytes:
        if self._is_over():
            return b""
        if not self._reader.rest and (frame := _only_frame(chunk)) is not None:
            return chunk if self._take(frame) else b""
        had_rest = self._reader.rest
        too_long = False
        try:
            frames = self._reader.feed(chunk)
        except FrameTooLong as error:
            frames, too_long = error.frames, True
        out: list[bytes] = []
        whole = not had_rest
        for frame in frames:
            if self._take(frame):
                out.append(frame.raw)
            else:
                whole = False
            if self._is_over():
                return b"".join(out)
        if too_long:
            self.fault = broken("an event is too long")
        if whole and not self._reader.rest and not too_long:
            return chunk
        return b"".join(out)

    def finish(self) -> Literal["complete", "cut"]:
        rest = self._reader.peek_rest()
        if not self._is_over() and rest.strip():
            self._take_rest(rest)
        return "complete" if self.ended and self.fault is None else "cut"

    def take_text(self) -> str:
        text = "".join(self._texts)
        self._texts.clear()
        self.text_bytes = 0
        return text

    def made_ids(self) -> tuple[str, ...]:
        return made_ids(self.response)

    def calls(self) -> dict[str, int]:
        return self._counter.calls

    def closing(self) -> bytes:
        """The event that ends the response, as the upstream sent it."""
        return self._closing

    def error_frame(self, err: ApiError, request_id: str) -> bytes:
        """``response.failed`` with the next number and what is known of the response."""
        if self._begin == NULL:
            return render_stream_error(err, request_id)
        try:
            response = read_object(bytes(self._begin))
        except BadJson:
            return render_stream_error(err, request_id)
        response["status"] = Raw(b'"failed"')
        response["error"] = Raw(failure(err, request_id))
        data = b'{"type":"response.failed","sequence_number":%d,"response":%b}' % (
            self._number + 1,
            write_object(response).replace(b"\n", b" "),
        )
        return b"event: response.failed\ndata: " + data + b"\n\n"

    def _is_over(self) -> bool:
        return self.ended or self.fault is not None

    def _take(self, frame: Frame) -> bool:
        """Whether to forward it now."""
        data = frame.data
        if not data:
            if is_silent(frame.raw):
                return not is_blank(frame.raw)
            found = any_of(frame.raw)
            is_error = isinstance(found, dict) and has_error(found)
            self.fault = (
                upstream_error_of(200, found) if is_error else broken("the answer is not an event stream")
            )
            return False
        try:
            peek = _decode_peek(data)
        except (ValueError, RecursionError):
            return self._take_odd(frame)
        kind = peek.type or frame.event
        if peek.sequence_number is not None:
            self._number = peek.sequence_number
        if peek.delta is not None:
            self._gather(peek.delta)
        elif kind in TERMINAL:
            self._take_ending(frame, kind)
            return False
        elif kind == "response.output_item.done":
            self._counter.take(_ending_in(data).item)
        elif kind == "error" or (not kind and has_error(any_of(data))):
            self.fault = error_in(data)
            self.usage = self.fault.usage
            return False
        elif kind == "response.created" or not self.response_id:
            self._take_begin(data)
        if not self.has_content and kind not in _PREFACE:
            self.has_content = True
        return True

    def _take_odd(self, frame: Frame) -> bool:
        """A frame whose type or delta has another shape: of a vendor's own, or no event at all."""
        if frame.data.strip() == _DONE:
            return False
        found = any_of(frame.data)
        if not isinstance(found, dict):
            if is_filler(frame.data) and frame.event != "error":
                return False
            self.fault = broken("a frame is not JSON") if found is None else upstream_error_of(200, found)
            return False
        self.has_content = True
        return True

    def _gather(self, text: str) -> None:
        if not text:
            return
        self._texts.append(text)
        self.text_bytes += len(text) if text.isascii() else len(text.encode())
        if len(self._texts) > TEXT_PIECES_MAX:
            self._texts[:] = ["".join(self._texts)]

    def _take_begin(self, data: bytes) -> None:
        raw = _ending_in(data).response
        response = None if raw == NULL else read_response(raw)
        if response is not None and response.id:
            self.response_id = response.id
            self._begin = raw

    def _take_ending(self, frame: Frame, kind: str) -> None:
        raw = _ending_in(frame.data).response
        response = read_response(raw)
        if response is not None:
            self.response = bytes(raw)
            self.response_id = response.id or self.response_id
            self.usage = usage_in(response, self._counter)
        status = TERMINAL[kind] or (response.status if response is not None else "")
        if status in ("failed", "cancelled"):
            has_reason = response is not None and response.error != NULL
            error = (
                error_of(response.error)
                if response is not None and has_reason
                else broken(f"the response is {status}")
            )
            self.fault = counted(error, self.usage)
            return
        self.ended = True
        self.has_content = True
        self._closing = frame.raw

    def _take_rest(self, rest: bytes) -> None:
        """An event without its blank line at the end of the stream, or an error that is no stream."""
        frame = parse_frame(rest + b"\n\n")
        if isinstance(any_of(frame.data or rest), dict):
            self._take(frame)


def _only_frame(chunk: bytes) -> Frame | None:
    """The frame that a chunk is, as most upstreams send them; None for anything else."""
    if not chunk.startswith(b"event: ") or not chunk.endswith(b"\n\n") or len(chunk) > FRAME_BYTES_MAX:
        return None
    line_end = chunk.find(b"\n")
    if chunk.count(b"\n") != 3 or b"\r" in chunk or not chunk.startswith(b"data: ", line_end + 1):
        return None
    return Frame(chunk, chunk[7:line_end].decode("utf-8", "replace"), chunk[line_end + 7 : -2])


def _ending_in(data: bytes) -> _Ending:
    try:
        return _decode_ending(data)
    except (ValueError, RecursionError):
        return _Ending()
