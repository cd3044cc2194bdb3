"""The journal's framing: length, checksum, payload; and how its segments are named.

A worker only appends. Whoever reads gets whole frames, the offset after the last of them, and one word on the rest:
``clean`` (nothing), ``torn`` (a frame that is not complete: still being written, or cut by a crash) or ``corrupt``
(a length or checksum that no writer made). After a crash both are cut off; on a live journal ``torn`` means wait.
"""

import re
import zlib
from typing import Literal

import msgspec

from switchgear.kernel.limits import RECORD_BYTES_MAX

HEADER_BYTES = 8
"""u32 length of the payload, u32 CRC-32 over length and payload; both big-endian."""

ScanState = Literal["clean", "torn", "corrupt"]
_SEGMENT = re.compile(r"[0-9a-f]{16}\.seg")


class RecordTooLarge(ValueError):
    """A payload that is empty or above ``RECORD_BYTES_MAX``."""


class Scan(msgspec.Struct, frozen=True):
    """Whole payloads in order, the offset after the last of them, and what the bytes after it are."""

    payloads: tuple[bytes, ...]
    consumed: int
    state: ScanState


def frame(payload: bytes) -> bytes:
    """The bytes to append for one record. Raises RecordTooLarge."""
    if not 0 < len(payload) <= RECORD_BYTES_MAX:
        raise RecordTooLarge(f"a record has 1 to {RECORD_BYTES_MAX} bytes, not {len(payload)}")
    length = len(payload).to_bytes(4, "big")
    return length + zlib.crc32(payload, zlib.crc32(length)).to_bytes(4, "big") + payload


def scan(data: bytes, start: int = 0, records_max: int | None = None) -> Scan:
    """Reads frames from ``start`` to the first that is not whole and sound, or to ``records_max`` of them.

    A ``start`` past the end (the tail was lost after it had been ingested) reads as clean and empty. When it stops
    at ``records_max`` the state is clean and ``consumed`` is where to go on.
    """
    payloads: list[bytes] = []
    view = memoryview(data)
    end = len(data)
    at = start
    state: ScanState = "clean"
    while at < end and len(payloads) != records_max:
        if end - at < HEADER_BYTES:
            state = "torn"
            break
        length = int.from_bytes(view[at : at + 4], "big")
        if not 0 < length <= RECORD_BYTES_MAX:
            state = "corrupt"
            break
        after = at + HEADER_BYTES + length
        if after > end:
            state = "torn"
            break
        payload = bytes(view[at + HEADER_BYTES : after])
        if zlib.crc32(payload, zlib.crc32(view[at : at + 4])) != int.from_bytes(view[at + 4 : at + 8], "big"):
            state = "corrupt"
            break
        payloads.append(payload)
        at = after
    return Scan(tuple(payloads), at, state)


def segment_name(offset: int) -> str:
    """The file that starts at this offset of the journal; names sort as offsets do."""
    return f"{offset:016x}.seg"


def segment_offset(name: str) -> int:
    """The inverse of ``segment_name``. Raises ValueError on any other name."""
    if not _SEGMENT.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a journal segment")
    return int(name[:16], 16)
