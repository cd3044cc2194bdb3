"""Where a citation stands in a text: code points (Chat Completions, Responses) and UTF-8 bytes (Gemini).

Ranges are ``(start, end)``, end excluded. Offsets beyond the text are moved to its end, negative ones to its
start, and an offset within a character is moved so that the range holds the whole character.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

Range = tuple[int, int]


def to_bytes(text: str, ranges: Sequence[Range]) -> list[Range]:
    """Ranges in code points as ranges in UTF-8 bytes."""
    if text.isascii():
        return [_clamped(span, len(text)) for span in ranges]
    spans = [_clamped(span, len(text)) for span in ranges]
    at = _running(sorted({0, *(offset for span in spans for offset in span)}), lambda a, b: _size(text[a:b]))
    return [(at[start], at[end]) for start, end in spans]


def to_code_points(text: str, ranges: Sequence[Range]) -> list[Range]:
    """Ranges in UTF-8 bytes as ranges in code points."""
    if text.isascii():
        return [_clamped(span, len(text)) for span in ranges]
    data = text.encode("utf-8", "surrogatepass")
    spans = [_whole(data, _clamped(span, len(data))) for span in ranges]
    offsets = sorted({0, *(offset for span in spans for offset in span)})
    at = _running(offsets, lambda a, b: len(data[a:b].decode("utf-8", "surrogatepass")))
    return [(at[start], at[end]) for start, end in spans]


def _running(offsets: list[int], measure: Callable[[int, int], int]) -> dict[int, int]:
    """What each of the sorted offsets is in the other measure; every part of the text is measured once."""
    at = {0: 0}
    total = 0
    for before, after in pairwise(offsets):
        total += measure(before, after)
        at[after] = total
    return at


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _clamped(span: Range, size: int) -> Range:
    start = min(max(span[0], 0), size)
    return start, min(max(span[1], start), size)


def _whole(data: bytes, span: Range) -> Range:
    start, end = span
    while start < len(data) and data[start] & 0xC0 == 0x80:
        start -= 1
    while end < len(data) and data[end] & 0xC0 == 0x80:
        end += 1
    return start, end
