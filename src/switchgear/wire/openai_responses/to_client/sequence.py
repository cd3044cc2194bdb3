"""The events of a stream as frames, numbered without a gap."""


class Sequence:
    """Collects frames. While ``muted`` nothing is written and no number is used."""

    __slots__ = ("_frames", "_number", "muted")

    def __init__(self, muted: bool = False) -> None:
        self._frames: list[bytes] = []
        self._number = 0
        self.muted = muted

    def add(self, type: bytes, fields: bytes) -> None:
        """``fields``: members of a JSON object in one line, each with a comma before it."""
        if self.muted:
            return
        self._frames.append(
            b'event: %b\ndata: {"type":"%b","sequence_number":%d%b}\n\n' % (type, type, self._number, fields)
        )
        self._number += 1

    def take(self) -> bytes:
        """The frames since the last call."""
        frames = b"".join(self._frames)
        self._frames.clear()
        return frames

    def take_list(self) -> list[bytes]:
        """The same, frame by frame."""
        frames, self._frames = self._frames, []
        return frames
