"""Frames of a stream that differ in one text alone, as most of them do: of those only the texts are read.

Once a frame was read whole and said nothing but a text, what stands around it is kept. A frame with the same
bytes around a JSON string says another text, and the same as before otherwise. ``AlikeTexts`` is for readers,
whose frames mean something only after those before them; ``AlikeFrames`` for taps, which forward them.
"""

import re
from collections.abc import Callable

import msgspec

from switchgear.kernel.limits import (
    ALIKE_TEXT_BYTES_MAX,
    ALIKE_TRIES_MAX,
    FRAME_BYTES_MAX,
    TEXT_PIECES_MAX,
)

_STRING = re.compile(rb'\s*:\s*("(?:[^"\\]++|\\.)*+")')
_decode_text = msgspec.json.Decoder(str).decode
_decode_texts = msgspec.json.Decoder(list[str]).decode
_NO_RUN: tuple[int, int, list[str], list[bytes]] = (0, 0, [], [])


class _Alike:
    """What stands around the text of the frames that may be split off."""

    __slots__ = ("_head", "_tail", "around_bytes", "tries_left")

    def __init__(self) -> None:
        self._head = self._tail = b""
        self.around_bytes = 0
        """Of what stands around the text; 0: no frame is known that others could be like."""
        self.tries_left = ALIKE_TRIES_MAX
        """After so many more different ones it gives up: then looking would be in vain."""

    def split(self, chunk: bytes) -> tuple[int, int, list[str], list[bytes]]:
        """(where a run of alike frames begins in a chunk, where it ends, their texts, the same as they are
        written); without texts nothing is told of the chunk.

        Texts are read as one array. No string may have a line feed in it, so with one between any two of
        them, and as many strings as frames, each of them is one string.
        """
        head, tail = self._head, self._tail
        start = 0 if chunk.startswith(head) else chunk.find(head)
        end = len(chunk) if chunk.endswith(tail) else chunk.rfind(tail) + len(tail)
        size = end - start
        if start < 0 or size <= self.around_bytes or size > FRAME_BYTES_MAX:
            return _NO_RUN
        written = chunk[start + len(head) : end - len(tail)].split(tail + head)
        try:
            texts = _decode_texts(b"[%b]" % b",\n".join(written))
        except (ValueError, RecursionError):
            return _NO_RUN
        return (start, end, texts, written) if len(texts) == len(written) else _NO_RUN

    def _keep(self, parts: tuple[bytes, bytes]) -> None:
        self.tries_left -= 1
        self._head, self._tail = parts
        self.around_bytes = len(self._head) + len(self._tail)


class AlikeTexts(_Alike):
    """Tell of each frame that was read whole by ``learn`` or ``forget``; ``split`` what comes while
    something is ``known``, and use its texts only if the same is known once what came before is read."""

    __slots__ = ("_key", "known")

    def __init__(self, key: bytes) -> None:
        """``key``: of the text in its frame, with its quotes."""
        super().__init__()
        self._key = key
        self.known: tuple[bytes, bytes] | None = None
        """What stands before and after the text of the frames that may be split off now."""

    def learn(self, raw: bytes, text: str) -> None:
        """A frame said this text and nothing else, and the next one like it would, too."""
        if (
            self.known
            and len(raw) > self.around_bytes
            and raw.startswith(self._head)
            and raw.endswith(self._tail)
        ):
            return
        parts = _around(raw, self._key, text) if self.tries_left else None
        self.known = parts
        if parts is not None and parts != (self._head, self._tail):
            self._keep(parts)

    def forget(self) -> None:
        """Something else came: what follows may mean something else than before."""
        self.known = None


class AlikeFrames(_Alike):
    """``take`` forwards a chunk that is one alike frame; ``feed`` any, while there are ``around_bytes``."""

    __slots__ = ("_edited", "_sent_head", "_sent_tail", "_until_bytes", "texts")

    def __init__(self) -> None:
        super().__init__()
        self._edited = False
        self._sent_head = self._sent_tail = b""
        """What is forwarded in place of head and tail, if they are edited."""
        self._until_bytes = 0
        """Size of the longest frame that ``take`` may take now; 0: it may take none."""
        self.texts: list[str] = []
        """Of the frames that were taken, until somebody gathers them."""

    def open(self, is_open: bool) -> None:
        """Whether the next byte begins a frame that may be forwarded."""
        self._until_bytes = 0
        if is_open and self.around_bytes:
            self._until_bytes = min(self.around_bytes + ALIKE_TEXT_BYTES_MAX, FRAME_BYTES_MAX)

    def take(self, chunk: bytes) -> bytes:
        """What to forward of a chunk that is one frame and like the known one; b"" for any other.

        Every now and then none is taken, so that texts that have gathered are seen to.
        """
        if len(chunk) > self._until_bytes:
            return b""
        middle = chunk.removeprefix(self._head).removesuffix(self._tail)
        if len(middle) + self.around_bytes != len(chunk):
            return b""
        try:
            text = _decode_text(middle)
        except (ValueError, RecursionError):
            return b""
        texts = self.texts
        texts.append(text)
        if len(texts) == TEXT_PIECES_MAX:
            self._until_bytes = 0
        if self._edited:
            return b"".join((self._sent_head, middle, self._sent_tail))
        return chunk

    def feed(self, chunk: bytes, read: Callable[[bytes], bytes], is_open: Callable[[], bool]) -> bytes:
        """What to forward of a chunk: a run of alike frames may be in it, behind the end of a torn one.

        ``read`` takes what has to be read whole and says what to forward of it; ``is_open`` says whether
        after that there begins a frame that may be forwarded.
        """
        start, end, texts, written = self.split(chunk)
        if not texts:
            return self._read_on(b"", chunk, read, is_open)
        if self._edited:
            between = self._sent_tail + self._sent_head
            run = b"".join((self._sent_head, between.join(written), self._sent_tail))
        else:
            run = chunk[start:end]
        sent = b""
        if start or not self._until_bytes:
            sent = read(chunk[:start]) if start else b""  # which may teach what the run is not like
            if not is_open():
                return self._read_on(sent, chunk[start:], read, is_open)
            self.open(True)
        self.texts += texts
        sent = sent + run if sent else run
        return sent if end == len(chunk) else self._read_on(sent, chunk[end:], read, is_open)

    def _read_on(
        self, sent: bytes, chunk: bytes, read: Callable[[bytes], bytes], is_open: Callable[[], bool]
    ) -> bytes:
        out = read(chunk)
        self.open(is_open())
        return sent + out if sent else out

    def learn(self, raw: bytes, key: bytes, text: str, edit: Callable[[bytes], bytes] | None = None) -> None:
        """Keeps what stands around the text of a frame that was read: it says this one under ``key``, which
        has its quotes, and nothing else. ``edit``: what is done to a frame, or a part of one, to forward
        it. To be called while there are ``tries_left``."""
        parts = _around(raw, key, text)
        if parts is None or parts == (self._head, self._tail):
            return
        self._keep(parts)
        if not self.tries_left:
            self.around_bytes = self._until_bytes = 0
        self._edited = edit is not None
        if edit is not None:
            self._sent_head, self._sent_tail = edit(self._head), edit(self._tail)


def _around(raw: bytes, key: bytes, text: str) -> tuple[bytes, bytes] | None:
    """None where it can't be told for certain which string is the text, or where the frame ends."""
    if raw.count(key) != 1 or raw.endswith(b"\r"):
        return None
    found = _STRING.match(raw, raw.index(key) + len(key))
    try:
        if found is None or _decode_text(found[1]) != text:
            return None
    except ValueError:
        return None
    return raw[: found.start(1)], raw[found.end(1) :]
