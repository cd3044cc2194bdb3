"""The tap on a stream of this dialect: forwards whole events untouched and learns what has to be known.

There is no end marker: the end is the end of file. So nothing is held back, and ``ended`` never comes. Where
the client wants an array, each event's data becomes one of its elements.
"""

from typing import Literal

from msgspec import Raw

from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import CHOICES_MAX, FRAME_BYTES_MAX, TEXT_PIECES_MAX
from switchgear.kernel.usage import Usage, with_calls
from switchgear.wire.faults.upstream_error import UpstreamError, broken, counted, upstream_error_of
from switchgear.wire.framing.filler import is_filler, says_nothing
from switchgear.wire.framing.splice import any_of
from switchgear.wire.framing.sse import Frame, FrameTooLong, SseReader, parse_frame
from switchgear.wire.gemini_generate.errors import error_body
from switchgear.wire.gemini_generate.finish import is_finish
from switchgear.wire.gemini_generate.frames import (
    ABSENT,
    Candidate,
    Chunk,
    block_reason,
    error_of,
    is_document,
    is_given,
    is_response,
    read_chunk,
    says_something,
    shows_image,
    written,
)
from switchgear.wire.gemini_generate.hosted_calls import calls_of, sum_of
from switchgear.wire.gemini_generate.to_client.framing import Framing
from switchgear.wire.gemini_generate.usage import merge_reports, read_usage, with_images

_LF = 0x0A
_COUNTS = (b'"promptTokenCount"', b'"candidatesTokenCount"', b'"thoughtsTokenCount"')


class StreamTap:
    """Push chunks of the upstream; get the bytes that go to the client now."""

    feed_alike = None
    __slots__ = (
        "_array",
        "_blocked",
        "_finished",
        "_framing",
        "_grounding",
        "_images",
        "_last",
        "_reader",
        "_texts",
        "_usages",
        "_version",
        "ended",
        "fault",
        "has_content",
        "text_bytes",
    )

    def __init__(self, array: bool = False) -> None:
        self._array = array
        self._framing = Framing(array)
        self._reader = SseReader(FRAME_BYTES_MAX)
        self._finished: dict[int, bool] = {}
        self._blocked = False
        self._grounding: dict[int, Raw] = {}
        self._images = 0
        self._last = b""
        self._version = ""
        self._texts: list[str] = []
        self._usages: dict[tuple[bool, ...], bytes] = {}
        """Which counts a report has → the last such one."""
        self.ended = False
        self.fault: UpstreamError | None = None
        self.has_content = False
        self.text_bytes = 0

    @property
    def usage(self) -> Usage | None:
        """What the reports say together."""
        usage: Usage | None = None
        for raw in self._usages.values():
            if (found := read_usage(raw)) is not None:
                usage = merge_reports(usage, found)
        usage = with_images(usage, self._images)
        return with_calls(usage, self.calls()) if usage is not None else None

    @property
    def is_told(self) -> bool:
        """See ``wire.dialect.Tap.is_told``."""
        return bool(self._usages) and bool(self._finished) and all(self._finished.values())

    def made_ids(self) -> tuple[str, ...]:
        return ()

    def calls(self) -> dict[str, int]:
        """Of hosted tools so far, by unit."""
        return sum_of([calls_of(found, self._version) for found in self._grounding.values()])

    def feed(self, chunk: bytes) -> bytes:
        """The complete events to forward; ``chunk`` itself where it is nothing else than such events."""
        if self.fault is not None:
            return b""
        if (
            not self._array
            and not self._reader.rest
            and chunk.startswith(b"data: {")
            and chunk.find(b"\n") == len(chunk) - 2
            and chunk[-1] == _LF
            and b"\r" not in chunk
            and len(chunk) <= FRAME_BYTES_MAX
        ):
            return chunk if self._take_data(chunk[6:-2]) else b""
        return self._feed_frames(chunk)

    def finish(self) -> Literal["complete", "cut"]:
        """To be asked once at the upstream's end of file."""
        rest = self._reader.peek_rest()
        if self.fault is None and rest.strip() and not self._take_last(rest):
            return "cut"
        if self.fault is not None:
            return "cut"
        answered = bool(self._finished) and all(self._finished.values())
        return "complete" if answered or (self._blocked and not self._finished) else "cut"

    def take_text(self) -> str:
        text = "".join(self._texts)
        self._texts.clear()
        self.text_bytes = 0
        return text

    def closing(self) -> bytes:
        """What only the end of file brought, and the end of the array, if it is one."""
        return self._last + self._framing.end()

    def error_frame(self, err: ApiError, request_id: str) -> bytes:
        return self._framing.frame(error_body(err, request_id)) + self._framing.end()

    def _feed_frames(self, chunk: bytes) -> bytes:
        too_long = False
        try:
            frames = self._reader.feed(chunk)
        except FrameTooLong as error:
            frames, too_long = error.frames, True
        out: list[bytes] = []
        for frame in frames:
            out.append(self._take_frame(frame))
            if self.fault is not None:
                return b"".join(out)
        if too_long:
            self.fault = broken("an event is too long")
        return b"".join(out)

    def _take_frame(self, frame: Frame) -> bytes:
        """What to forward of it. What SDKs of this dialect can't read (comments, names) is left out."""
        if not frame.data:
            if is_document(frame.raw):
                self.fault = error_of(frame.raw)
            return b""
        if frame.data.strip() == b"[DONE]" or is_filler(frame.data) or not self._take_data(frame.data):
            return b""
        if self._array or frame.event or not frame.raw.startswith(b"data: "):
            return self._framing.frame(frame.data.replace(b"\n", b" "))
        return frame.raw

    def _take_data(self, data: bytes) -> bool:
        """Whether it is forwarded."""
        chunk = read_chunk(data)
        if chunk is None or (not self._finished and not is_response(chunk) and not is_given(chunk.error)):
            self.fault = error_of(data)
            return False
        if is_given(chunk.error):
            self._see_usage(chunk)
            self.fault = counted(upstream_error_of(200, any_of(data)), self.usage)
            return False
        self._version = self._version or chunk.model_version or ""
        for candidate in chunk.candidates or ():
            self._take_candidate(candidate)
        if len(self._texts) > TEXT_PIECES_MAX:
            self._texts = ["".join(self._texts)]
        self._see_usage(chunk)
        if not chunk.candidates and block_reason(chunk):
            self._blocked = self.has_content = True
        return self.fault is None

    def _see_usage(self, chunk: Chunk) -> None:
        if chunk.usage_metadata is not ABSENT:
            report = bytes(chunk.usage_metadata)
            self._usages[tuple(count in report for count in _COUNTS)] = report

    def _take_candidate(self, candidate: Candidate) -> None:
        for part in (candidate.content.parts if candidate.content is not None else None) or ():
            if text := written(part):
                self._texts.append(text)
                self.text_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
            if shows_image(part):
                self._images += 1
            self.has_content = self.has_content or says_something(part)
        if is_given(candidate.grounding_metadata):
            self._grounding[candidate.index] = candidate.grounding_metadata
        finished = is_finish(candidate.finish_reason)
        self.has_content = self.has_content or finished
        self._finished[candidate.index] = finished or self._finished.get(candidate.index, False)
        if len(self._finished) > CHOICES_MAX:
            self.fault = broken("too many candidates")

    def _take_last(self, rest: bytes) -> bool:
        """Bytes without a blank line at the end of the stream: the last event, an error, or a cut."""
        if says_nothing(rest):
            return True
        frame = parse_frame(rest + b"\n\n")
        if frame.data and read_chunk(frame.data) is not None:
            self._last = self._take_frame(frame)
            return True
        if not frame.data and is_document(rest):
            self.fault = error_of(rest)
        return False
