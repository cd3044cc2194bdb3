"""Pictures, sounds and files of a client's messages, and what is read of any part."""

from typing import Any

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.wire.framing.data_urls import check_url, clean_base64, parse_data_url, sniff_base64
from switchgear.wire.neutral.documents import type_by_name
from switchgear.wire.neutral.request import Audio, CacheTtl, File, Image, Video
from switchgear.wire.openai_chat.values import wrong_type

_AUDIO_TYPES = {"wav": "audio/wav", "mp3": "audio/mp3"}


def read_image(item: dict[str, Any], place: str) -> Image:
    """Raises ApiError."""
    image = item.get("image_url")
    holder = image if isinstance(image, dict) else {}
    url = image if isinstance(image, str) else holder.get("url")
    if not isinstance(url, str) or not url:
        raise wrong_type(f"{place}.image_url.url", "a string")
    detail = word_of(holder.get("detail")) or word_of(item.get("detail"))
    detail = "" if detail == "auto" else detail
    if (data := parse_data_url(url)) is not None:
        return Image(data=data.data, media_type=data.media_type, detail=detail, cache=cache_of(item))
    check_url(url, f"{place}.image_url.url")
    return Image(url=url, detail=detail, cache=cache_of(item))


def read_audio(item: dict[str, Any], place: str) -> Audio:
    """Raises ApiError."""
    audio = item.get("input_audio")
    data = audio.get("data") if isinstance(audio, dict) else None
    if not isinstance(audio, dict) or not isinstance(data, str) or not data:
        raise wrong_type(f"{place}.input_audio.data", "a string")
    if (parsed := parse_data_url(data)) is not None:
        return Audio(data=parsed.data, media_type=parsed.media_type)
    if data.startswith(("http://", "https://")):
        return Audio(url=data)
    format = word_of(audio.get("format")) or "wav"
    return Audio(data=data, media_type=_AUDIO_TYPES.get(format, f"audio/{format}"))


def read_file(item: dict[str, Any], place: str) -> File:
    """Raises ApiError."""
    inner = item.get("file")
    file = inner if isinstance(inner, dict) else item
    filename = word_of(file.get("filename"))
    if file_id := word_of(file.get("file_id")):
        return File(file_id=file_id, filename=filename)
    if url := word_of(file.get("file_url")):
        return File(url=url, filename=filename)
    data = file.get("file_data")
    if not isinstance(data, str) or not data:
        raise wrong_type(f"{place}.file.file_data", "a string")
    if (parsed := parse_data_url(data)) is not None:
        return File(parsed.data, parsed.media_type, filename=filename, cache=cache_of(item))
    bare = clean_base64(data)
    if not bare:
        raise ApiError(
            INVALID_VALUE,
            f"Invalid value for '{place}.file.file_data': base64 or a data URL is expected.",
            param=f"{place}.file.file_data",
        )
    media_type = sniff_base64(bare) or (type_by_name(filename) if filename else "application/pdf")
    return File(bare, media_type, filename=filename, cache=cache_of(item))


def read_video(item: dict[str, Any], place: str) -> Video:
    """Raises ApiError."""
    video = item.get("video_url")
    url = video.get("url") if isinstance(video, dict) else video
    if not isinstance(url, str) or not url:
        raise wrong_type(f"{place}.video_url.url", "a string")
    if (parsed := parse_data_url(url)) is not None:
        return Video(parsed.data, parsed.media_type)
    return Video(url=url)


def cache_of(item: dict[str, Any]) -> CacheTtl:
    """A marker without an age is one of five minutes."""
    control = item.get("cache_control")
    if not isinstance(control, dict):
        return ""
    return "1h" if control.get("ttl") == "1h" else "5m"


def word_of(value: Any) -> str:
    """Empty for what is no string."""
    return value if isinstance(value, str) else ""
