"""Media of a client's parts, and results of its functions."""

from typing import Any

import msgspec

from switchgear.wire.framing.data_urls import clean_base64, media_type_of
from switchgear.wire.gemini_generate.values import Json, pick, text, wrong_type, wrong_value
from switchgear.wire.neutral.request import Audio, File, Image, Part, Text, ToolResult, Video

_encode = msgspec.json.Encoder().encode
_OWN_FILES = ("https://generativelanguage.googleapis.com/", "files/", "gs://")
"""Files of an account, which no other upstream can read."""
YOUTUBE = ("https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/", "https://m.youtube.com/")


def read_media(part: Json, place: str) -> Image | Audio | Video | File | None:
    """``inlineData`` or ``fileData``; None when there is neither. Raises ApiError."""
    inline = pick(part, "inlineData")
    if isinstance(inline, dict):
        return _inline(inline, place)
    file = pick(part, "fileData")
    return _remote(file, place) if isinstance(file, dict) else None


def read_result(result: Json, place: str) -> ToolResult:
    """``functionResponse``. Raises ApiError."""
    name = result.get("name")
    if not isinstance(name, str):
        raise wrong_type(f"{place}.functionResponse.name", "a string")
    response = result.get("response")
    said, is_error = _said(response)
    parts: list[Text | Image | File | Audio] = [Text(said)] if said else []
    media = result.get("parts")
    for index, inner in enumerate(media if isinstance(media, list) else ()):
        found: Part | None = None
        if isinstance(inner, dict):
            found = read_media(inner, f"{place}.functionResponse.parts[{index}]")
        if isinstance(found, Image | File | Audio):
            parts.append(found)
    return ToolResult(text(result.get("id")), tuple(parts), name, is_error)


def _said(response: Any) -> tuple[str, bool]:
    """(text, whether it tells of an error). The usual wrapping of a single value is taken off."""
    if response is None:
        return "", False
    if isinstance(response, dict) and len(response) == 1:
        for key in ("output", "error"):
            if key in response:
                value = response[key]
                return value if isinstance(value, str) else _encode(value).decode(), key == "error"
    return response if isinstance(response, str) else _encode(response).decode(), False


def _inline(inline: Json, place: str) -> Image | Audio | Video | File:
    data, claimed = pick(inline, "data"), pick(inline, "mimeType")
    if not isinstance(data, str) or not isinstance(claimed, str):
        raise wrong_type(f"{place}.inlineData", "an object with mimeType and data")
    clean = clean_base64(data)
    if not clean:
        raise wrong_value(f"{place}.inlineData.data", "expected base64")
    media_type = media_type_of(claimed) or "application/octet-stream"
    kind = media_type.partition("/")[0]
    if kind == "image":
        return Image(clean, media_type)
    if kind == "audio":
        return Audio(clean, media_type)
    if kind == "video":
        return Video(clean, media_type)
    return File(clean, media_type, filename=text(pick(inline, "displayName")))


def _remote(file: Json, place: str) -> Image | Audio | Video | File:
    url = pick(file, "fileUri")
    if not isinstance(url, str) or not url:
        raise wrong_type(f"{place}.fileData.fileUri", "a string")
    if url.startswith(_OWN_FILES):
        return File(file_id=url)
    media_type = media_type_of(text(pick(file, "mimeType")))
    kind = media_type.partition("/")[0]
    if url.startswith(YOUTUBE) or kind == "video":
        return Video(media_type=media_type, url=url)
    if kind == "image":
        return Image(media_type=media_type, url=url)
    if kind == "audio":
        return Audio(media_type=media_type, url=url)
    return File(media_type=media_type, url=url, filename=text(pick(file, "displayName")))
