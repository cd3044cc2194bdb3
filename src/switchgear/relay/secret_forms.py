"""The forms in which a server may say a credential that it was sent: as it is, in base64 at any offset, in
hexadecimal, with characters escaped for JSON, URLs or HTML, or in pieces."""

import base64
import re
from collections.abc import Iterable, Iterator

_ESCAPED = re.compile(
    r"\\+u00([0-9A-Fa-f]{2})|%(?:25)?([0-9A-Fa-f]{2})|&#x0{0,4}([0-9A-Fa-f]{2});|&#0{0,4}(\d{2,3});|\\+(?=[/\"+=])"
)
_BETWEEN = re.compile(r"(?:\\[nrt]|[\s\"'`+,;|-]){1,6}")
_GRAM, _STRIDE = 6, 4
"""Of a form, so many characters at each so many are looked for, then grown."""
PIECE_CHARS_MIN = 10
"""A shorter piece of a credential gives nothing away, and may be its maker's well-known beginning."""
STARS = "***"


def forms_of(secret: str) -> tuple[str, ...]:
    """As it is, then coded. Of base64 only what does not depend on its neighbours."""
    data = secret.encode()
    found = [secret, data.hex(), data.hex().upper()]
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")
        inner = whole[shift + 1 if shift else 0 : len(whole) - (1 if (shift + len(data)) % 3 else 0)]
        found += [inner, inner.translate(str.maketrans("+/", "-_"))]
    return tuple(dict.fromkeys(found))


def without_pieces(text: str, forms: Iterable[str]) -> str:
    """The text with stars for each form, and for each longer piece of one, also where characters are escaped
    or something stands between them."""
    plain, places = _plain(text)
    marked = sorted(_pieces(plain, forms))
    for start, end in reversed(_joined(marked)):
        text = text[: places[start][0]] + STARS + text[places[end - 1][1] :]
    return text


def _plain(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without escapes and separators, and from where to where each of its characters stood."""
    letters: list[str] = []
    places: list[tuple[int, int]] = []
    at = 0
    for match in _TOKEN.finditer(text):
        letters += text[at : match.start()]
        places += [(place, place + 1) for place in range(at, match.start())]
        if (letter := _letter(match)) and not _BETWEEN.fullmatch(letter):
            letters.append(letter)
            places.append(match.span())
        at = match.end()
    letters += text[at:]
    places += [(place, place + 1) for place in range(at, len(text))]
    return "".join(letters), places


_TOKEN = re.compile(f"(?:{_ESCAPED.pattern})|(?P<between>{_BETWEEN.pattern})")


def _letter(match: re.Match[str]) -> str:
    hexadecimal = match[1] or match[2] or match[3]
    if hexadecimal:
        return chr(int(hexadecimal, 16))
    return chr(int(match[4])) if match[4] else ""


def _pieces(text: str, forms: Iterable[str]) -> Iterator[tuple[int, int]]:
    """(start, end) of all that text and forms have in common."""
    for form in forms:
        form = _BETWEEN.sub("", form)
        least = min(PIECE_CHARS_MIN, len(form))
        for offset in range(0, len(form) - _GRAM + 1, _STRIDE):
            gram = form[offset : offset + _GRAM]
            at = text.find(gram)
            while at >= 0:
                start, end = _grown(text, form, at, offset)
                if end - start >= least:
                    yield start, end
                at = text.find(gram, max(end, at + 1))


def _grown(text: str, form: str, at: int, offset: int) -> tuple[int, int]:
    before = 0
    while before < min(at, offset) and text[at - before - 1] == form[offset - before - 1]:
        before += 1
    after = _GRAM
    while at + after < len(text) and offset + after < len(form) and text[at + after] == form[offset + after]:
        after += 1
    return at - before, at + after


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without overlaps."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
