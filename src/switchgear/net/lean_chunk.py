"""The short way of a body in chunks: a read that is one whole chunk and nothing else needs no parser."""

import re
from collections import defaultdict

from switchgear.kernel.limits import SIZE_LINES_KEPT, UPSTREAM_READ_BYTES

_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}\r")
_sizes: dict[bytes, int] = {}
"""Size lines without their LF that were seen, and what they say: short ones come again and again."""


class ReadBuffer:
    """What all connections of a transport read into, one after the other: it is used up before the next read.

    ``lend`` is their ``get_buffer``: it gives the same view for every hint, without a Python frame.
    """

    __slots__ = ("lend", "view")

    def __init__(self, size: int = UPSTREAM_READ_BYTES) -> None:
        view = memoryview(bytearray(size))
        self.view = view
        self.lend = defaultdict[int, memoryview](lambda: view).__getitem__


def only_chunk(read: bytes) -> bytes:
    """The data of the one chunk that ``read`` is, from its size line to its last CRLF; b"" if it is not just
    that."""
    line, _, rest = read.partition(b"\n")
    data = rest.removesuffix(b"\r\n")
    size = _sizes.get(line)
    if size is None:
        size = _read_size(line)
    return data if size == len(data) == len(rest) - 2 else b""


def _read_size(line: bytes) -> int:
    """-1 for what is no plain size line; the parser has the word on it."""
    if _SIZE.fullmatch(line) is None:
        return -1
    size = int(line, 16)
    if len(_sizes) < SIZE_LINES_KEPT:
        _sizes[line] = size
    return size


def ends_between_chunks(piece: bytes, read_end: bytes) -> bool:
    """Whether the parser of a chunked body stands between two chunks, and has seen nothing of the next one.

    ``piece`` is the last piece of the body that it gave, ``read_end`` the last four bytes that it was fed. A
    chunk that went on would have its CRLF in the piece; a size line or trailer has no LF but in its CRLF. Says
    no where it can't tell: chunks of an event stream, which end in an empty line, are what it is for.
    """
    return read_end == b"\n\n\r\n" and piece.endswith(b"\n\n")
