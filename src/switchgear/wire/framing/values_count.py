"""Whether a body holds more JSON values than one thread should decode at a time."""

from switchgear.kernel.limits import VALUES_STEP_BYTES

_MARKS = (b",", b"{", b"[")
"""One of them stands before nearly every value, and none before two."""


def exceeds_values(body: bytes, most: int) -> bool:
    """Whether there are more than ``most`` values in valid JSON. What stands in strings is no value, so where
    all marks together are too many, those in strings are told apart, step by step until it is clear."""
    if sum(map(body.count, _MARKS)) <= most:
        return False
    if b"\\" in body:
        # No quote is left but those that begin or end a string.
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    found = 0
    in_string = False
    for start in range(0, len(body), VALUES_STEP_BYTES):
        pieces = body[start : start + VALUES_STEP_BYTES].split(b'"')
        outside = b"".join(pieces[in_string::2])
        found += sum(map(outside.count, _MARKS))
        if found > most:
            return True
        in_string ^= len(pieces) % 2 == 0
    return False
