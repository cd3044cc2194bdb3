"""Top-level JSON objects as a dict of raw values: change a few keys, keep every other value byte for byte.

Duplicate keys collapse to the last one, so what we read is what the upstream reads.
"""

import codecs
import re
from itertools import accumulate
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import JSON_DEPTH_MAX, NESTING_SCAN_BYTES_MAX

NULL = Raw(b"null")

_decode_any = msgspec.json.Decoder().decode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_objects = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_encode = msgspec.json.Encoder().encode

_ESCAPES_CHEAP = 400
_FLAT_PASSES = 16
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_STRING = re.compile(rb'"[^"]*"')
_ROUND = bytes.maketrans(b"[{]}", b"(())")
_UTF8_STEP_BYTES = 256 * 1024
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class BadJson(Exception):
    """Not a JSON object that we accept; the message says why, in words fit for the client."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def read_object(body: bytes) -> dict[str, Raw]:
    """The top level of a JSON object; values stay as they were spelt. Raises BadJson."""
    try:
        fields = _decode_object(body)
    except msgspec.ValidationError:
        raise BadJson("expected a JSON object") from None
    except RecursionError:
        raise BadJson("nested too deeply") from None
    except ValueError as error:
        return _read_repaired(body, error)
    _check_text(body)
    if exceeds_depth(body, JSON_DEPTH_MAX):
        raise BadJson(f"nested more than {JSON_DEPTH_MAX} levels deep")
    return fields


def write_object(fields: dict[str, Raw]) -> bytes:
    """The object again, in the order of the dict."""
    return _encode(fields)


def read_objects(raw: Raw | bytes) -> list[dict[str, Raw]]:
    """The objects of an array. Raises BadJson."""
    try:
        return _decode_objects(raw)
    except (ValueError, RecursionError) as error:
        raise BadJson(f"expected an array of objects: {error}") from None


def write_array(objects: list[dict[str, Raw]]) -> bytes:
    """The array again."""
    return _encode(objects)


def repair_surrogates(body: bytes) -> bytes:
    """Escapes of half a surrogate pair, which strict parsers refuse, become the replacement character."""
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    return _ESCAPE.sub(lambda match: b"\\ufffd" if match["lone"] else match[0], body)


def _read_repaired(body: bytes, error: ValueError) -> dict[str, Raw]:
    repaired = repair_surrogates(body)
    if repaired == body:
        raise BadJson(_reason(error)) from None
    return read_object(repaired)


def _reason(error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "the text is not UTF-8"
    return str(error)


def _check_text(body: bytes) -> None:
    """The decoder doesn't look inside the values it skips, so their encoding is checked here."""
    if body.isascii():
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(body), _UTF8_STEP_BYTES):
            decoder.decode(body[start : start + _UTF8_STEP_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise BadJson("the text is not UTF-8") from None


def exceeds_depth(body: bytes, depth_max: int) -> bool:
    """Whether valid JSON nests deeper than ``depth_max``; next to nothing for a body with few brackets.

    The cost is a translation in C, then work on the brackets alone: strings go out, innermost pairs go out
    pass by pass, and only what is still nested then is walked.
    """
    if _opens_at_most(body, depth_max):
        return False
    if b"\\" in body:
        body = _without_escapes(body)
    # Two strings that meet once all between them is gone may merge: what is inside stays inside.
    brackets = body.translate(_ROUND, _NOT_STRUCTURE).replace(b'""', b"")
    if len(brackets) <= 2 * depth_max:
        return False
    if b'"' in brackets:
        brackets = _STRING.sub(b"", brackets)
    depth = 0
    while brackets and depth < min(_FLAT_PASSES, depth_max):
        # Takes away every innermost pair, so the whole is one level flatter.
        brackets = brackets.replace(b"()", b"")
        depth += 1
    if not brackets:
        return False
    if len(brackets) > NESTING_SCAN_BYTES_MAX:
        return True
    return max(accumulate(1 if bracket == 0x28 else -1 for bracket in brackets)) > depth_max - depth


def _without_escapes(body: bytes) -> bytes:
    """No quote is left but those that begin or end a string."""
    first, *pieces = body.split(b"\\", _ESCAPES_CHEAP)
    if len(pieces) == _ESCAPES_CHEAP:
        return body.replace(b"\\\\", b"").replace(b'\\"', b"")
    kept = [first]
    after_backslash = False
    for piece in pieces:
        if after_backslash or piece:
            kept.append(piece if after_backslash else piece[1:])
            after_backslash = False
        else:
            after_backslash = True
    return b"".join(kept)


def _opens_at_most(body: bytes, count_max: int) -> bool:
    """Whether there are no more opening brackets, in strings or out of them. A search leaps from one to the
    next, where a translation stops at each byte."""
    left, find = count_max, body.find
    for bracket in (b"{", b"["):
        at = find(bracket)
        while at >= 0:
            left -= 1
            if left < 0:
                return False
            at = find(bracket, at + 1)
    return True


def any_of(data: bytes | Raw) -> Any:
    """Any JSON, decoded; None when it is none. Half a surrogate pair is repaired."""
    try:
        return _decode_any(data)
    except (ValueError, RecursionError):
        pass
    try:
        return _decode_any(repair_surrogates(bytes(data)))
    except (ValueError, RecursionError):
        return None
