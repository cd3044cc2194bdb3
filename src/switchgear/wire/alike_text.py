"""Frames of a stream that differ in one text alone, as most of them do: of those only the texts are read.

Once a frame was read whole and said nothing but a text, what stands around it is kept. A frame with the same
bytes around a JSON string says another text, and the same as before otherwise. For readers of streams that
are converted; a stream that passes through has its own way in ``wire.openai_chat.alike``.
"""

import re

import msgspec

from switchgear.kernel.limits import ALIKE_TRIES_MAX, FRAME_BYTES_MAX

_STRING = re.compile(rb'\s*:\s*("(?:[^"\\]++|\\.)*+")')
_decode_text = msgspec.json.Decoder(str).decode
_decode_texts = msgspec.json.Decoder(list[str]).decode


class AlikeTexts:
    """Tell of each frame that was read whole by ``learn`` or ``forget``; ``split`` what comes while
    something is ``known``, and use its texts only if the same is known once what came before is read."""

    __slots__ = ("_around", "_head", "_key", "_tail", "_tries_left", "known")

    def __init__(self, key: bytes) -> None:
        """``key``: of the text in its frame, with its quotes."""
        self._key = key
        self._head = self._tail = b""
        self._around = 0
        self._tries_left = ALIKE_TRIES_MAX
        self.known: tuple[bytes, bytes] | None = None
        """What stands before and after the text of the frames that may be split off now."""

    def learn(self, raw: bytes, text: str) -> None:
        """A frame said this text and nothing else, and the next one like it would, too.

        After ALIKE_TRIES_MAX different ones it gives up: then looking would be in vain.
        """
        if self.known and len(raw) > self._around and raw.startswith(self._head) and raw.endswith(self._tail):
            return
        parts = self._around_text(raw, text) if self._tries_left else None
        self.known = parts
        if parts is not None and parts != (self._head, self._tail):
            self._tries_left -= 1
            self._head, self._tail = parts
            self._around = len(self._head) + len(self._tail)

    def forget(self) -> None:
        """Something else came: what follows may mean something else than before."""
        self.known = None

    def split(self, chunk: bytes) -> tuple[bytes, list[str], bytes]:
        """(what comes before a run of alike frames, their texts, what comes after); without texts nothing is
        told of the chunk.

        Texts are read as one array. No string may have a line feed in it, so with one between any two of
        them, and as many strings as frames, each of them is one string.
        """
        start = chunk.find(self._head)
        end = chunk.rfind(self._tail) + len(self._tail)
        size = end - start
        if start < 0 or size <= self._around or size > FRAME_BYTES_MAX:
            return b"", [], b""
        middles = chunk[start + len(self._head) : end - len(self._tail)].split(self._tail + self._head)
        try:
            texts = _decode_texts(b"[%b]" % b",\n".join(middles))
        except (ValueError, RecursionError):
            return b"", [], b""
        return (chunk[:start], texts, chunk[end:]) if len(texts) == len(middles) else (b"", [], b"")

    def _around_text(self, raw: bytes, text: str) -> tuple[bytes, bytes] | None:
        """None where it can't be told for certain which string is the text."""
        if raw.count(self._key) != 1 or b"\r" in raw:
            return None
        found = _STRING.match(raw, raw.index(self._key) + len(self._key))
        try:
            if found is None or _decode_text(found[1]) != text:
                return None
        except ValueError:
            return None
        return raw[: found.start(1)], raw[found.end(1) :]
