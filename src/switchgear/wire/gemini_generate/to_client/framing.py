"""Responses of a stream one after the other: as server-sent events, or as the elements of an array."""


class Framing:
    """Puts before and after each response what its place in the stream asks for."""

    __slots__ = ("_array", "_begun")

    def __init__(self, array: bool) -> None:
        self._array = array
        self._begun = False

    def frame(self, response: bytes) -> bytes:
        """``response`` has no line ends."""
        if not self._array:
            return b"data: " + response + b"\n\n"
        front, self._begun = (b",\n" if self._begun else b"["), True
        return front + response

    def end(self) -> bytes:
        """After the last one."""
        if not self._array:
            return b""
        return b"]" if self._begun else b"[]"
