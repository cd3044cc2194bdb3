"""Files within a request: ``data:`` URLs, base64 in any spelling, and what kind of file some bytes are.

Base64 that is right already is passed on as it came; nothing is decoded that need not be.
"""

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

import msgspec

from switchgear.kernel.errors import INVALID_VALUE, ApiError

MESSAGES_IMAGES = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))
"""Pictures that the Messages API takes."""

_SNIFF_BYTES = 48
_BASE64_CHARS_MIN = 32
"""Of what is taken for a file's data, and not for a word."""
_STANDARD = re.compile(r"[A-Za-z0-9+/]*")
_BLANKS = re.compile(r"\s+")
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
_URL_SAFE = str.maketrans("-_", "+/")
_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/mp3": "audio/mpeg",
    "audio/x-m4a": "audio/mp4",
    "audio/m4a": "audio/mp4",
    "application/x-pdf": "application/pdf",
}
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"qt  ": "video/quicktime",
}


class DataUrl(msgspec.Struct, frozen=True, gc=False):
    """A file in a request."""

    media_type: str
    """Lower case, without parameters."""
    data: str
    """Base64 in the standard alphabet, padded, without blanks; never empty."""


def parse_data_url(url: str) -> DataUrl | None:
    """The file in a ``data:`` URL; None for everything else, a broken one, and one with nothing in it.

    A missing or wrong media type is found from the first bytes; so is that of a picture which says to be of
    another kind than it is, as vendors refuse it.
    """
    if url[:1].isspace():
        url = url.lstrip()
    if url[:5].lower() != "data:":
        return None
    head, comma, payload = url.partition(",")
    if not comma:
        return None
    claimed, *parameters = (part.strip().lower() for part in head[5:].split(";"))
    if claimed == "base64":
        claimed, parameters = "", [claimed]
    if "base64" in parameters:
        data = clean_base64(unquote_to_bytes(payload).decode("latin-1") if "%" in payload else payload)
        missing = "application/octet-stream"
    else:
        data = base64.b64encode(unquote_to_bytes(payload.encode("utf-8", "replace"))).decode()
        missing = "text/plain"
    if not data:
        return None
    return DataUrl(_settled_type(claimed, data) or missing, data)


def build_data_url(media_type: str, data: str) -> str:
    """A ``data:`` URL; ``data`` is base64."""
    return f"data:{media_type};base64,{data}"


def check_url(url: str, param: str) -> None:
    """Raises ApiError INVALID_VALUE for what names no place, above all a picture's data alone."""
    if "://" in url[:32] or url.lstrip()[:5].lower() == "data:":
        return
    bare = clean_base64(url) if len(url) > _BASE64_CHARS_MIN else None
    sent = "; this is base64 alone, which belongs behind 'data:image/png;base64,'" if bare else ""
    raise ApiError(
        INVALID_VALUE,
        f"Invalid value for '{param}': a URL (https://...) or a data URL is expected{sent}.",
        param=param,
    )


def clean_base64(text: str) -> str | None:
    """Base64 in the standard alphabet with its padding, from any spelling: URL-safe letters, blanks, missing
    or doubled padding. The very text where it is right already; None if it is none."""
    bare = text.rstrip("=")
    if not _STANDARD.fullmatch(bare):
        bare = _BLANKS.sub("", text).rstrip("=").translate(_URL_SAFE)
        if not _STANDARD.fullmatch(bare):
            return None
    if len(bare) % 4 == 1:
        return None
    padded = bare + "=" * (-len(bare) % 4)
    return text if padded == text else padded


def media_type_of(claimed: str) -> str:
    """A media type in lower case, without parameters, by its usual name; ``""`` if it is none."""
    name = claimed.partition(";")[0].strip().lower()
    return _ALIASES.get(name, name) if _MEDIA_TYPE.fullmatch(name) else ""


def sniff(head: bytes) -> str:
    """The media type that a file's first bytes show; ``""`` if they show none. 48 bytes are enough."""
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], "")
    if head[:4] == b"FORM" and head[8:11] == b"AIF":
        return "audio/aiff"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return _mpeg_audio(head)
    return ""


def sniff_base64(data: str) -> str:
    """``sniff`` for base64 in the standard alphabet."""
    head = data[: _SNIFF_BYTES * 4 // 3]
    try:
        return sniff(base64.b64decode(head[: len(head) // 4 * 4]))
    except (binascii.Error, ValueError):
        return ""


def _settled_type(claimed: str, data: str) -> str:
    named = media_type_of(claimed)
    if named and named != "application/octet-stream" and not named.startswith("image/"):
        return named
    seen = sniff_base64(data)
    if named.startswith("image/") and not seen.startswith("image/"):
        return named
    return seen or named


def _mpeg_audio(head: bytes) -> str:
    """A frame header of MPEG audio: AAC in ADTS has layer 0, MP3 layer 3."""
    if head[1] & 0xF6 == 0xF0:
        return "audio/aac"
    known = head[1] & 0x18 != 0x08 and head[1] & 0x06 == 0x02 and head[2] & 0xF0 != 0xF0
    return "audio/mpeg" if known else ""
