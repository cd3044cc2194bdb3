"""What hosts put between the frames of a stream though it says nothing: no object, or no data at all.

Clients fail on it, so it is skipped and not forwarded. Half an object is not meant: that is a broken answer.
"""

from typing import Any

import msgspec

from switchgear.wire.faults.upstream_error import has_error
from switchgear.wire.framing.sse import parse_frame

_decode = msgspec.json.Decoder().decode
_WORDS = frozenset((b"None", b"NaN", b"undefined"))
"""``null`` of hosts that print a value of their own language."""


def is_filler(data: bytes) -> bool:
    """Whether an event's data is blank, or a JSON value other than an object. An array that holds an error is
    one."""
    said = data.strip()
    if not said or said in _WORDS:
        return True
    if said.startswith(b"{"):
        return False
    try:
        found: Any = _decode(said)
    except (ValueError, RecursionError):
        return False
    items = found if isinstance(found, list) else ()
    return not any(isinstance(item, dict) and has_error(item) for item in items)


def says_nothing(rest: bytes) -> bool:
    """The same of what stands behind the last frame of a stream, without a blank line."""
    if not rest.strip():
        return True
    frame = parse_frame(rest + b"\n\n")
    if frame.data:
        return is_filler(frame.data)
    return all(not line or line.startswith(b":") for line in rest.splitlines())


def is_blank(raw: bytes) -> bool:
    """Whether a frame without data has a field for it all the same."""
    return any(line.partition(b":")[0] == b"data" for line in raw.splitlines())
