"""Content decoding in bounded steps: a small compressed body can't become a large one in memory. Pure."""

import zlib

from switchgear.kernel.limits import DECODED_STEP_BYTES_MAX

_GZIP, _ZLIB, _RAW = 31, 15, -15
_WINDOW = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}


class BadEncoding(Exception):
    """The body is not what its content-encoding says."""


class Inflater:
    """gzip (several members too) or deflate (with or without its zlib header).

    ``feed`` raw bytes, then ``step`` until it returns ``b""``; at the end of the body ``finish``.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._window = _WINDOW.get(coding, 0)
        self._inflate = zlib.decompressobj(self._window or _ZLIB)
        self._pending = b""
        self._started = False

    def feed(self, raw: bytes) -> None:
        self._pending = self._pending + raw if self._pending else raw

    def step(self) -> bytes:
        """At most DECODED_STEP_BYTES_MAX decoded bytes; ``b""`` when more raw bytes are needed.

        BadEncoding for a broken body or a coding that is not known here.
        """
        if not self._window:
            raise BadEncoding(f"unknown content-encoding {self._coding[:32]!r}")
        while self._pending:
            raw, self._pending = self._pending, b""
            if self._inflate.eof:
                if self._window != _GZIP:
                    raise BadEncoding("bytes after the end of the compressed body")
                self._inflate = zlib.decompressobj(self._window)
            decoded = self._inflated(raw)
            self._pending = self._inflate.unconsumed_tail or self._inflate.unused_data
            if decoded:
                return decoded
            if self._pending and not self._inflate.eof and len(self._pending) == len(raw):
                raise BadEncoding("the compressed body does not go on")
        return b""

    def finish(self) -> None:
        """BadEncoding if the compressed body was cut. An empty body is whole."""
        if self._started and not self._inflate.eof:
            raise BadEncoding("the compressed body is cut")

    def _inflated(self, raw: bytes) -> bytes:
        try:
            decoded = self._inflate.decompress(raw, DECODED_STEP_BYTES_MAX)
        except zlib.error as fault:
            if self._started or self._window != _ZLIB:
                raise BadEncoding(f"the compressed body is broken: {fault}") from None
            # Some servers send deflate without the zlib header that the standard asks for.
            self._window = _RAW
            self._inflate = zlib.decompressobj(_RAW)
            self._started = True
            return self._inflated(raw)
        self._started = True
        return decoded
