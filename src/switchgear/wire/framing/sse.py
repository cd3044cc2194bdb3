"""Server-sent events: bytes in, frames out, in linear time and bounded memory.

A frame ends at a blank line. Line ends may be LF, CRLF or CR, also mixed: after CR CR a frame is over at
once; after LF CR the reader waits for one more byte, as an LF would still belong to the blank line. Frames
are the same wherever the bytes were split.
"""

import re

import msgspec

from switchgear.kernel.limits import FRAME_BYTES_MAX

_BLANK_LINE = re.compile(rb"\n(?:\n|\r\n?)|\r\r")
_BLANK_LINE_BYTES_MAX = 3
_FIELD_NAMES = frozenset({b"data", b"event", b"id", b"retry"})
_BOM = b"\xef\xbb\xbf"


class Frame(msgspec.Struct, gc=False):
    """One event. ``raw`` is exactly what came, blank line included; ``event`` is empty when unnamed; ``data``
    joins its data lines by LF and is empty when there is none."""

    raw: bytes
    event: str
    data: bytes


class FrameTooLong(Exception):
    """A frame over FRAME_BYTES_MAX. ``frames`` came before it in the same chunk."""

    def __init__(self, frames: list[Frame]) -> None:
        super().__init__(f"an event is longer than {FRAME_BYTES_MAX} bytes")
        self.frames = frames


class SseReader:
    """Push chunks of any size; get the frames they complete."""

    __slots__ = ("_buffer", "_has_cr", "_scanned", "frame_bytes_max", "rest")

    def __init__(self, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self.frame_bytes_max = frame_bytes_max
        self._buffer = bytearray()
        self._scanned = 0
        self._has_cr = False
        self.rest = 0
        """Bytes of a frame that is not complete yet."""

    def peek_rest(self) -> bytes:
        """Those bytes; at the end of a stream they are what was cut off."""
        return bytes(self._buffer)

    def feed(self, chunk: bytes) -> list[Frame]:
        """Frames completed by ``chunk``. Raises FrameTooLong; after that the reader is of no more use."""
        # A chunk that begins at a frame's start is cut up where it lies; only what is left is kept.
        source: bytes | bytearray = chunk
        if self._buffer:
            self._buffer += chunk
            source = self._buffer
        if not self._has_cr and b"\r" in chunk:
            self._has_cr = True
        frames: list[Frame] = []
        start = 0
        while (end := self._frame_end(source)) >= 0:
            if end - start > self.frame_bytes_max:
                raise FrameTooLong(frames)
            frames.append(parse_frame(bytes(source[start:end])))
            start = self._scanned = end
        if source is chunk:
            self._buffer += chunk[start:]
        else:
            del self._buffer[:start]
        self.rest = len(self._buffer)
        if self.rest > self.frame_bytes_max:
            raise FrameTooLong(frames)
        # What was looked at is not looked at again, but for the start of a blank line at its very end.
        self._scanned = max(0, self.rest - _BLANK_LINE_BYTES_MAX + 1)
        return frames

    def _frame_end(self, source: bytes | bytearray) -> int:
        """Where the next frame ends; -1 when more bytes are needed."""
        if not self._has_cr:
            found = source.find(b"\n\n", self._scanned)
            return found + 2 if found >= 0 else -1
        match = _BLANK_LINE.search(source, self._scanned)
        if match is None:
            return -1
        end = match.end()
        if end == len(source) and match.group() == b"\n\r":
            return -1
        return end


def parse_frame(raw: bytes) -> Frame:
    """A whole frame. Comments, ``id`` and ``retry`` say nothing to us; a byte order mark is skipped."""
    if raw.startswith(b"data:") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
        return Frame(raw, "", raw[6:-2] if raw[5] == 0x20 else raw[5:-2])
    event = ""
    data: list[bytes] = []
    for line in raw.removeprefix(_BOM).splitlines():
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif name == b"event":
            event = value.removeprefix(b" ").decode("utf-8", "replace")
    return Frame(raw, event, b"\n".join(data))


def is_silent(raw: bytes) -> bool:
    """Whether a frame without data is comments and fields of server-sent events, and not HTML, say."""
    return all(
        not line or line.startswith(b":") or line.partition(b":")[0] in _FIELD_NAMES
        for line in raw.removeprefix(_BOM).splitlines()
    )
