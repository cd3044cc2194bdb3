"""Frames that differ in their text alone, as most of a stream do: of those only the text is read.

Once a frame was read whole, what stands around its text is kept. A frame that has the same bytes around a
JSON string is the same frame with another text.
"""

import msgspec

from switchgear.kernel.limits import (
    ALIKE_TEXT_BYTES_MAX,
    ALIKE_TRIES_MAX,
    FRAME_BYTES_MAX,
    TEXT_PIECES_MAX,
)
from switchgear.wire.openai_chat.frames import Choice, around_text, decode_text

_NO_USAGE = b',"usage":null'
"""An unescaped quote stands in no string, so this is a field wherever it is found."""
_decode_texts = msgspec.json.Decoder(list[str]).decode


def without_usage(raw: bytes) -> bytes:
    """A frame, or a part of one, without the field that says that it has no usage."""
    return raw.replace(_NO_USAGE, b"")


class Alike:
    """What the frames of one stream have in common, and the texts of those that were taken for it."""

    __slots__ = (
        "_edited",
        "_head",
        "_sent_head",
        "_sent_tail",
        "_tail",
        "_tries_left",
        "around_bytes",
        "texts",
        "until_bytes",
    )

    def __init__(self) -> None:
        self._head = self._tail = b""
        self.around_bytes = 0
        """Of what stands around the text; 0: no frame is known that others could be like."""
        self._edited = False
        self._sent_head = self._sent_tail = b""
        """What is forwarded in place of head and tail, if they are edited."""
        self.until_bytes = 0
        """Size of the longest frame that ``take`` may take now; 0: it may take none."""
        self._tries_left = ALIKE_TRIES_MAX
        self.texts: list[str] = []
        """Of the frames that were taken, until somebody gathers them."""

    def open(self, is_open: bool) -> None:
        """Whether the next byte begins a frame that may be forwarded."""
        self.until_bytes = 0
        if is_open and self.around_bytes:
            self.until_bytes = min(self.around_bytes + ALIKE_TEXT_BYTES_MAX, FRAME_BYTES_MAX)

    def take(self, chunk: bytes) -> bytes:
        """What to forward of a chunk that is one frame and like the known one; b"" for any other.

        Every now and then none is taken, so that texts that have gathered are seen to.
        """
        if len(chunk) > self.until_bytes:
            return b""
        middle = chunk.removeprefix(self._head).removesuffix(self._tail)
        if len(middle) + self.around_bytes != len(chunk):
            return b""
        try:
            text = decode_text(middle)
        except (ValueError, RecursionError):
            return b""
        texts = self.texts
        texts.append(text)
        if len(texts) == TEXT_PIECES_MAX:
            self.until_bytes = 0
        if self._edited:
            return b"".join((self._sent_head, middle, self._sent_tail))
        return chunk

    def find_run(self, chunk: bytes) -> tuple[int, int]:
        """Where frames that may all be alike begin and end in a chunk; equal numbers if there are none."""
        start = chunk.find(self._head)
        end = chunk.rfind(self._tail) + len(self._tail)
        return (start, end) if 0 <= start < end - self.around_bytes else (0, 0)

    def take_run(self, run: bytes) -> bytes:
        """What to forward of frames that are all alike; b"" if they are not.

        Their texts are read as one array. No string may have a line feed in it, so with one between any two
        of them, and as many strings as frames, each of them is one string.
        """
        inside = run.removeprefix(self._head).removesuffix(self._tail)
        if len(inside) + self.around_bytes != len(run) or len(run) > FRAME_BYTES_MAX:
            return b""
        middles = inside.split(self._tail + self._head)
        try:
            texts = _decode_texts(b"[%b]" % b",\n".join(middles))
        except (ValueError, RecursionError):
            return b""
        if len(texts) != len(middles):
            return b""
        self.texts += texts
        if not self._edited:
            return run
        return self._sent_head + (self._sent_tail + self._sent_head).join(middles) + self._sent_tail

    def learn(self, raw: bytes, choice: Choice, hide_usage: bool) -> None:
        """Keeps what stands around the text of a frame that was read: it has this one choice.

        After ALIKE_TRIES_MAX different ones it gives up: then looking would be in vain.
        """
        if not self._tries_left:
            return
        parts = None if choice.finish_reason else around_text(raw, choice)
        if parts is None or parts == (self._head, self._tail):
            return
        self._tries_left -= 1
        self._head, self._tail = parts
        self.around_bytes = len(self._head) + len(self._tail) if self._tries_left else 0
        self._edited = hide_usage
        self._sent_head, self._sent_tail = without_usage(self._head), without_usage(self._tail)
