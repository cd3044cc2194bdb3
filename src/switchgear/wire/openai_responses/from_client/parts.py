"""Content of a message and output of a tool, as parts of the neutral form.

Clients mix the part names of this dialect and of Chat Completions, and of both sides of a conversation; all
are understood.
"""

from typing import Any

from msgspec import Raw

from switchgear.kernel.limits import PARTS_MAX
from switchgear.wire.framing.data_urls import (
    check_url,
    clean_base64,
    media_type_of,
    parse_data_url,
    sniff_base64,
)
from switchgear.wire.framing.splice import NULL
from switchgear.wire.neutral.documents import type_by_name
from switchgear.wire.neutral.request import Audio, Citation, File, Image, Part, Refusal, Text, Video
from switchgear.wire.openai_responses.values import check_count, decoded, invalid_type, invalid_value

_TEXTS = frozenset({"input_text", "output_text", "text", "summary_text"})
_IMAGES = frozenset({"input_image", "image_url", "image"})
_FILES = frozenset({"input_file", "file"})
_VIDEOS = frozenset({"input_video", "video_url"})


def read_content(raw: Raw, param: str) -> tuple[Part, ...]:
    """A string or parts; nothing for null and for empty texts. Raises ApiError."""
    if raw == NULL:
        return ()
    return _parts(decoded(raw, param), param)


def read_output(raw: Raw, param: str) -> tuple[Text | Image | File | Audio, ...]:
    """What a tool gave: a string, parts, or any other value as its JSON text. Raises ApiError."""
    if raw == NULL:
        return ()
    found = decoded(raw, param)
    if not isinstance(found, str) and not _is_parts(found):
        return (Text(bytes(raw).decode("utf-8", "replace")),)
    return tuple(part for part in _parts(found, param) if isinstance(part, Text | Image | File | Audio))


def _is_parts(found: Any) -> bool:
    return isinstance(found, list) and all(
        isinstance(part, dict) and isinstance(part.get("type"), str) for part in found
    )


def _parts(found: Any, param: str) -> tuple[Part, ...]:
    if isinstance(found, str):
        return (Text(found),) if found else ()
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise invalid_type(param, "a string or an array of parts")
    check_count(len(found), PARTS_MAX, "parts", param)
    parts: list[Part] = []
    for at, item in enumerate(found):
        part = _part(item, f"{param}.{at}")
        if part is not None:
            parts.append(part)
    return tuple(parts)


def _part(found: Any, param: str) -> Part | None:
    if isinstance(found, str):
        return Text(found) if found else None
    if not isinstance(found, dict):
        raise invalid_type(param, "an object")
    kind = found.get("type")
    if not isinstance(kind, str | None):
        raise invalid_type(f"{param}.type", "a string")
    if kind in _TEXTS or (kind is None and "text" in found):
        return _text(found, param)
    if kind == "refusal":
        refusal = found.get("refusal")
        return Refusal(refusal) if isinstance(refusal, str) and refusal else None
    if kind in _IMAGES:
        return _image(found, param)
    if kind in _FILES:
        return _file(found, param)
    if kind == "input_audio":
        return _audio(found, param)
    if kind in _VIDEOS:
        return Video(url=_url(found, "video_url", param))
    raise invalid_value(f"{param}.type", f"parts of type '{str(kind)[:64]}' are not known")


def _text(found: dict[str, Any], param: str) -> Text | None:
    text = found.get("text")
    if text is None:
        return None
    if not isinstance(text, str):
        raise invalid_type(f"{param}.text", "a string")
    if not text:
        return None
    notes = found.get("annotations")
    if not isinstance(notes, list) or not notes:
        return Text(text)
    return Text(text, citations=tuple(cited for note in notes if (cited := citation_of(note)) is not None))


def citation_of(found: Any) -> Citation | None:
    """A ``url_citation``; None for annotations of other kinds."""
    if not isinstance(found, dict) or found.get("type") != "url_citation":
        return None
    url, title = found.get("url"), found.get("title")
    if not isinstance(url, str):
        return None
    return Citation(
        url,
        title if isinstance(title, str) else "",
        _offset(found.get("start_index")),
        _offset(found.get("end_index")),
    )


def _offset(found: Any) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else -1


def _image(found: dict[str, Any], param: str) -> Image:
    detail = found.get("detail")
    detail = detail if isinstance(detail, str) and detail != "auto" else ""
    if isinstance(file_id := found.get("file_id"), str) and file_id:
        return Image(file_id=file_id, detail=detail)
    url = _url(found, "image_url", param)
    if url.lstrip()[:5].lower() != "data:":
        check_url(url, f"{param}.image_url")
        return Image(url=url, detail=detail)
    data = parse_data_url(url)
    if data is None:
        raise invalid_value(f"{param}.image_url", "the data URL holds no image")
    return Image(data.data, data.media_type, detail=detail)


def _url(found: dict[str, Any], key: str, param: str) -> str:
    value = found.get(key)
    if isinstance(value, dict):
        value = value.get("url")
    if not isinstance(value, str) or not value:
        raise invalid_type(f"{param}.{key}", "a URL")
    return value


def _file(found: dict[str, Any], param: str) -> File:
    nested = found.get("file")
    source = nested if isinstance(nested, dict) else found
    name = source.get("filename")
    filename = name if isinstance(name, str) else ""
    if isinstance(file_id := source.get("file_id"), str) and file_id:
        return File(file_id=file_id, filename=filename)
    if isinstance(url := source.get("file_url"), str) and url:
        return File(url=url, filename=filename)
    coded = source.get("file_data")
    if not isinstance(coded, str) or not coded:
        raise invalid_type(f"{param}.file_data", "base64 or a data URL")
    data = parse_data_url(coded)
    if data is not None:
        return File(data.data, data.media_type, filename=filename)
    bare = clean_base64(coded)
    if not bare:
        raise invalid_value(f"{param}.file_data", "base64 or a data URL is expected")
    return File(bare, sniff_base64(bare) or type_by_name(filename), filename=filename)


def _audio(found: dict[str, Any], param: str) -> Audio:
    inner = found.get("input_audio")
    if not isinstance(inner, dict):
        raise invalid_type(f"{param}.input_audio", "an object")
    data, kind = inner.get("data"), inner.get("format")
    bare = clean_base64(data) if isinstance(data, str) else None
    if not bare:
        raise invalid_value(f"{param}.input_audio.data", "base64 is expected")
    media_type = media_type_of(f"audio/{kind}") if isinstance(kind, str) else sniff_base64(bare)
    return Audio(bare, media_type or "audio/wav")
