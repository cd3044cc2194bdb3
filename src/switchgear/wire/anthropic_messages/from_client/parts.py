"""Content blocks of a request as parts of the neutral form."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import PARTS_MAX
from switchgear.wire.anthropic_messages.frames import ABSENT, is_given
from switchgear.wire.anthropic_messages.hosted import citation_of, is_hosted, kind_of
from switchgear.wire.anthropic_messages.values import (
    check_count,
    param_of,
    reason_of,
    wrong_type,
    wrong_value,
)
from switchgear.wire.framing.data_urls import clean_base64, media_type_of
from switchgear.wire.framing.splice import any_of
from switchgear.wire.neutral.maker import ANTHROPIC
from switchgear.wire.neutral.request import (
    CacheTtl,
    File,
    HostedItem,
    Image,
    Opaque,
    Part,
    Reasoning,
    Seals,
    Text,
    ToolCall,
    ToolResult,
)
from switchgear.wire.neutral.text_signatures import sign_text

SEALED_PREFIX = "relay1."
"""How a token that was sealed here begins; see ``wire.neutral.envelope``."""


class CacheControl(msgspec.Struct, gc=False):
    ttl: str | None = None


class Source(msgspec.Struct, gc=False):
    """Of an image or a document."""

    type: str = ""
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: Raw = ABSENT


class CitationsSwitch(msgspec.Struct, gc=False):
    enabled: bool | None = None


class Block(msgspec.Struct):
    """Any block of a request, by the fields that are read of it."""

    type: str
    text: str | None = None
    source: Raw = ABSENT
    title: str | None = None
    context: str | None = None
    citations: Raw = ABSENT
    id: str | None = None
    name: str | None = None
    input: Raw = ABSENT
    tool_use_id: str | None = None
    content: Raw = ABSENT
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    file_id: str | None = None
    tool_name: str | None = None
    cache_control: CacheControl | None = None


_decode_blocks = msgspec.json.Decoder(list[Block]).decode
_decode_raws = msgspec.json.Decoder(list[Raw]).decode
_decode_source = msgspec.json.Decoder(Source).decode
_decode_switch = msgspec.json.Decoder(CitationsSwitch).decode
_QUOTE = 0x22


def read_content(raw: Raw, place: str, seals: Seals) -> tuple[Part, ...]:
    """The parts of a message's content, a string or blocks; ``place`` names it for an error. Raises
    ApiError."""
    if not is_given(raw):
        return ()
    if memoryview(raw)[0] == _QUOTE:
        text = _string(raw)
        return (Text(text),) if text else ()
    blocks = _blocks(raw, place)
    check_count(len(blocks), PARTS_MAX, "blocks", place)
    raws: list[Raw] | None = None
    parts: list[Part] = []
    for at, block in enumerate(blocks):
        if is_hosted(block.type) and block.type != "tool_result":
            # The whole block is kept as it is spelt.
            raws = raws or _decode_raws(raw)
            parts.append(HostedItem("anthropic_messages", kind_of(block.name or block.type), raws[at]))
        else:
            parts += _parts(block, f"{place}.{at}", seals)
            if block.type == "thinking":
                sign_text(parts)
    return tuple(parts)


def cache_of(control: CacheControl | None) -> CacheTtl:
    """A marker without an age is one of five minutes."""
    if control is None:
        return ""
    return "1h" if control.ttl == "1h" else "5m"


def _blocks(raw: Raw, place: str) -> list[Block]:
    try:
        return _decode_blocks(raw)
    except msgspec.ValidationError as error:
        reason = reason_of(error)
        if reason.endswith("got a string"):
            reason = f'a content block, such as {{"type": "text", "text": "..."}}; {reason}'
        raise wrong_type(param_of(error, place), reason) from None
    except (ValueError, RecursionError):
        raise wrong_type(place, "a string or an array of blocks") from None


def _parts(block: Block, place: str, seals: Seals) -> Sequence[Part]:
    reader = _READERS.get(block.type)
    if reader is None:
        raise wrong_value(f"{place}.type", f"'{block.type[:64]}' is no type of block that can be converted")
    return reader(block, place, seals)


def _text(block: Block, place: str, seals: Seals) -> Sequence[Part]:
    if not block.text:
        return ()
    found = any_of(block.citations) if is_given(block.citations) else None
    citations = [citation_of(item) for item in found] if isinstance(found, list) else []
    size = len(block.text)
    return (
        Text(
            block.text,
            cache_of(block.cache_control),
            tuple(msgspec.structs.replace(c, start=0, end=size) for c in citations if c is not None),
        ),
    )


def _image(block: Block, place: str, seals: Seals) -> Sequence[Part]:
    source = _source(block, place)
    cache = cache_of(block.cache_control)
    match source.type:
        case "base64":
            media_type, data = _inline(source, f"{place}.source")
            return (Image(data=data, media_type=media_type, cache=cache),)
        case "url" if source.url:
            return (Image(url=source.url, cache=cache),)
        case "file" if source.file_id:
            return (Image(file_id=source.file_id, cache=cache),)
    raise wrong_value(f"{place}.source", "expected a source of type base64, url or file")


def _document(block: Block, place: str, seals: Seals) -> Sequence[Part]:
    source = _source(block, place)
    file = File(
        filename=block.title or "",
        context=block.context or "",
        citable=_is_citable(block.citations),
        cache=cache_of(block.cache_control),
    )
    match source.type:
        case "base64":
            media_type, data = _inline(source, f"{place}.source")
            return (msgspec.structs.replace(file, media_type=media_type, data=data),)
        case "text" if source.data is not None:
            return (msgspec.structs.replace(file, media_type="text/plain", text=source.data),)
        case "url" if source.url:
            return (msgspec.structs.replace(file, media_type="application/pdf", url=source.url),)
        case "file" if source.file_id:
            return (msgspec.structs.replace(file, file_id=source.file_id),)
        case "content" if is_given(source.content):
            return _content_document(file, read_content(source.content, f"{place}.source.content", seals))
    raise wrong_value(f"{place}.source", "expected a source of type base64, text, url, file or content")


def _content_document(file: File, parts: Sequence[Part]) -> Sequence[Part]:
    """A document of blocks: its texts as one, its pictures beside it."""
    text = "\n".join(part.text for part in parts if isinstance(part, Text))
    pictures = [part for part in parts if isinstance(part, Image)]
    head = [msgspec.structs.replace(file, media_type="text/plain", text=text)] if text else []
    return [*head, *pictures]


def _search_result(block: Block, place: str, seals: Seals) -> Sequence[Part]:
    source = _string(block.source)
    parts = read_content(block.content, f"{place}.content", seals)
    file = File(filename=block.title or source, context=source, citable=_is_citable(block.citations))
    return _content_document(file, parts)


def _tool_use(block: Block, place: str, seals: Seals) -> Sequence[Part]:
    if not block.name:
        raise wrong_value(f"{place}.name", "a tool_use names its tool")
    arguments = bytes(block.input).decode("utf-8", "replace") if is_given(block.input) else "{}"
    return (ToolCall(block.id or "", block.name, arguments, cache=cache_of(block.cache_control)),)


def _tool_result(block: Block, place: str, seals: Seals) -> Sequence[Part]:
    parts = read_content(block.content, f"{place}.content", seals) if is_given(block.content) else ()
    return (
        ToolResult(
            block.tool_use_id or "",
            tuple(part for part in parts if isinstance(part, Text | Image | File)),
            is_error=bool(block.is_error),
            cache=cache_of(block.cache_control),
        ),
    )


def _thinking(block: Block, place: str, seals: Seals) -> Sequence[Part]:
    opaque = _opened(block.signature or "", "signature", seals)
    return (Reasoning(block.thinking or "", opaque),) if block.thinking or opaque else ()


def _redacted(block: Block, place: str, seals: Seals) -> Sequence[Part]:
    opaque = _opened(block.data or "", "redacted", seals)
    return (Reasoning("", opaque),) if opaque else ()


def _summary(block: Block, place: str, seals: Seals) -> Sequence[Part]:
    """What stands for a part of the conversation that was cut away."""
    text = _string(block.content)
    return (Text(text),) if text else ()


_Read = Callable[[Block, str, Seals], Sequence[Part]]
_READERS: dict[str, _Read] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    # A tool that a search of tools found: it is declared anyway.
    "tool_reference": lambda block, place, seals: (Text(block.tool_name),) if block.tool_name else (),
    "compaction": _summary,
    "container_upload": lambda block, place, seals: (File(file_id=block.file_id or "container_upload"),),
}


def _opened(text: str, kind: Any, seals: Seals) -> Opaque | None:
    """A token that was sealed here, by its maker; any other text is Anthropic's own. None for no token, and
    for a sealed one that was changed."""
    if text.startswith(SEALED_PREFIX):
        opaque = seals.open(text)
        return opaque if opaque is not None and opaque.payload else None
    return Opaque(ANTHROPIC, kind, text) if text else None


def _source(block: Block, place: str) -> Source:
    try:
        return _decode_source(block.source)
    except (ValueError, RecursionError):
        raise wrong_type(f"{place}.source", "an object") from None


def _inline(source: Source, place: str) -> tuple[str, str]:
    data = clean_base64(source.data or "")
    if not data:
        raise wrong_value(f"{place}.data", "expected base64")
    media_type = media_type_of(source.media_type or "")
    if not media_type:
        raise wrong_value(f"{place}.media_type", "expected a media type such as image/png")
    return media_type, data


def _is_citable(raw: Raw) -> bool:
    if not is_given(raw):
        return False
    try:
        return bool(_decode_switch(raw).enabled)
    except (ValueError, RecursionError):
        return False


def _string(raw: Raw) -> str:
    """Empty for what is no string."""
    found = any_of(raw) if is_given(raw) else None
    return found if isinstance(found, str) else ""
