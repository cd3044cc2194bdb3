"""Parts that hold media, for an upstream: inline wherever possible, as files of other hosts are not read."""

from switchgear.kernel.errors import UNSUPPORTED_PARAMETER, ApiError
from switchgear.wire.gemini_generate.from_client.parts import YOUTUBE
from switchgear.wire.gemini_generate.values import Json
from switchgear.wire.neutral.request import Audio, File, Image, Request, ToolResult, Upstream, Video

Media = Image | Audio | File | Video
_AUDIO_TYPES = {"audio/mpeg": "audio/mp3", "audio/x-wav": "audio/wav", "audio/wave": "audio/wav"}
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript")


def remote_files(request: Request) -> tuple[str, ...]:
    """URLs whose content has to be fetched, each once."""
    urls: dict[str, None] = {}
    for turn in request.turns:
        for part in turn.parts:
            for item in part.parts if isinstance(part, ToolResult) else (part,):
                if isinstance(item, Media) and item.url and not item.url.startswith(YOUTUBE):
                    urls[item.url] = None
    return tuple(urls)


def media_parts(part: Media, upstream: Upstream) -> list[Json]:
    """The part in this dialect. Raises ApiError for what is known to another account only."""
    if isinstance(part, Audio) and part.answer_id:
        return [{"text": part.transcript}] if part.transcript else []
    if isinstance(part, Image | File) and part.file_id:
        raise ApiError(
            UNSUPPORTED_PARAMETER,
            "A file that is known by its id only can't be carried to this model; send its content.",
            param="file_id",
        )
    if part.url and part.url.startswith(YOUTUBE):
        return [{"fileData": {"fileUri": part.url}}]
    data, media_type = part.data, part.media_type
    if part.url:
        file = upstream.files.get(part.url)
        if file is None:
            raise ApiError(UNSUPPORTED_PARAMETER, "A file behind a URL could not be read.", param="url")
        data, media_type = file.data, file.media_type or media_type
    return [{"inlineData": {"mimeType": _type(media_type, part), "data": data}}] if data else []


def _type(media_type: str, part: Media) -> str:
    if media_type:
        plain = media_type.startswith(_TEXT_TYPES) and isinstance(part, File)
        return "text/plain" if plain and not media_type.startswith("text/") else _known(media_type)
    if isinstance(part, Image):
        return "image/png"
    if isinstance(part, Audio):
        return "audio/wav"
    return "video/mp4" if isinstance(part, Video) else "application/pdf"


def _known(media_type: str) -> str:
    return _AUDIO_TYPES.get(media_type, media_type)
