"""The short way of a body in chunks: a read that is one whole chunk and nothing else needs no parser."""

import re
from collections import defaultdict
from collections.abc import Callable
from io import BytesIO

from switchgear.kernel.limits import SIZE_LINES_KEPT, UPSTREAM_READ_BYTES

_SIZE_LINE = re.compile(rb"[0-9A-Fa-f]{1,8}\r\n")
_sizes: dict[bytes, int] = {}
"""Size lines that were seen, and what they say: short ones come again and again."""
_NEVER = 1 << 40


class ReadBuffer:
    """What all connections of a transport read into, one after the other: it is used up before the next read.

    ``view`` is the memory. ``lend`` is their ``get_buffer``: it gives the view for every hint, without a
    Python frame. ``only_chunk(n)`` is the data of the one chunk that the first ``n`` bytes are, from its size
    line to its last CRLF; b"" if they are not just that.
    """

    __slots__ = ("lend", "only_chunk", "view")

    def __init__(self, size: int = UPSTREAM_READ_BYTES) -> None:
        file = BytesIO(bytes(size))
        view = file.getbuffer()
        self.view = view
        self.lend = defaultdict[int, memoryview](lambda: view).__getitem__
        self.only_chunk = _chunk_reader(file)


def _chunk_reader(file: BytesIO) -> Callable[[int], bytes]:
    # As a file, the memory gives bytes without slices and copies of copies in between.
    seek, read_line, read = file.seek, file.readline, file.read
    sizes = _sizes

    def only_chunk(nbytes: int) -> bytes:
        seek(0)
        line = read_line(nbytes)
        size = sizes.get(line)
        if size is None:
            size = _read_size(line)
        if len(line) + size + 2 != nbytes:
            return b""
        data = read(size)
        return data if read(2) == b"\r\n" else b""

    return only_chunk


def _read_size(line: bytes) -> int:
    """More than any read has for what is no plain size line; the parser has the word on it."""
    if _SIZE_LINE.fullmatch(line) is None:
        return _NEVER
    size = int(line, 16)
    if len(_sizes) < SIZE_LINES_KEPT:
        _sizes[line] = size
    return size


def ends_between_chunks(piece: bytes, read_end: bytes) -> bool:
    """Whether the parser of a chunked body stands between two chunks, and has seen nothing of the next one.

    ``piece`` is the last piece of the body that it gave, ``read_end`` the last four bytes that it was fed. A
    chunk that went on would have its CRLF in the piece; a size line or trailer has no LF but in its CRLF.
    Says no where it can't tell: chunks of an event stream, which end in an empty line, are what it is for.
    """
    return read_end == b"\n\n\r\n" and piece.endswith(b"\n\n")
