"""Parts of the neutral form as content blocks of a request."""

import base64
import binascii
from collections import deque
from typing import Any

from switchgear.kernel.errors import UNSUPPORTED_PARAMETER, ApiError
from switchgear.wire.anthropic_messages.arguments import input_of
from switchgear.wire.framing.data_urls import MESSAGES_IMAGES
from switchgear.wire.neutral.maker import ANTHROPIC
from switchgear.wire.neutral.request import (
    Audio,
    CacheTtl,
    File,
    HostedItem,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Upstream,
    Video,
)
from switchgear.wire.neutral.tool_ids import ToolNames, clean_id

Block = dict[str, Any]

_PDF = "application/pdf"
_FAILED = "Error"
"""Content of a failed result that says nothing, as an empty one is refused."""


class ContentWriter:
    """Writes turns for one upstream."""

    def __init__(self, upstream: Upstream, names: ToolNames) -> None:
        self._upstream = upstream
        self._names = names
        self._ids = _CallIds()
        # Hosts of unsigned reasoning want it back as text.
        self._takes_unsigned = upstream.facts.needs_reasoning_back and upstream.origin != ANTHROPIC

    def message(self, turn: Turn) -> Block:
        """A user's or an assistant's turn; its content may come out empty. Raises ApiError for content that
        this dialect can't carry."""
        content: list[Block] = []
        for part in turn.parts:
            block = self._block(part, turn.role == "assistant")
            if block is not None:
                content.append(block)
        return {"role": turn.role, "content": content}

    def texts(self, turn: Turn) -> list[Block]:
        """The blocks of a system turn; it holds nothing but text."""
        return [block for part in turn.parts if (block := self._block(part, False)) is not None]

    def _block(self, part: Part, is_answer: bool) -> Block | None:
        match part:
            case Text():
                return _cached({"type": "text", "text": part.text}, part.cache) if part.text.strip() else None
            case Refusal():
                return {"type": "text", "text": part.text} if part.text.strip() else None
            case Reasoning():
                return self._reasoning(part)
            case ToolCall():
                return self._call(part)
            case ToolResult():
                return self._result(part)
            case HostedItem():
                own = part.dialect == "anthropic_messages" and self._upstream.origin == ANTHROPIC
                return {"raw": part.raw} if own and is_answer else None
            case Audio() if part.transcript:
                return {"type": "text", "text": part.transcript}
            case _:
                return _media(part)

    def _reasoning(self, part: Reasoning) -> Block | None:
        """Back to its maker only."""
        opaque = part.opaque
        if opaque is not None and self._is_ours(opaque):
            if opaque.kind == "signature":
                return {"type": "thinking", "thinking": part.text, "signature": opaque.payload}
            return {"type": "redacted_thinking", "data": opaque.payload}
        if self._takes_unsigned and part.text:
            return {"type": "thinking", "thinking": part.text, "signature": ""}
        return None

    def _is_ours(self, opaque: Opaque) -> bool:
        return bool(opaque.origin) and opaque.origin == self._upstream.origin

    def _call(self, part: ToolCall) -> Block:
        given = {"input": part.arguments} if part.kind == "custom" else input_of(part.arguments)
        block = {
            "type": "tool_use",
            "id": self._ids.of_call(part.id),
            "name": self._names.shorten(part.name),
            "input": given,
        }
        return _cached(block, part.cache)

    def _result(self, part: ToolResult) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": self._ids.of_result(part.call_id)}
        content = [inner for item in part.parts if (inner := self._block(item, False)) is not None]
        if len(content) == 1 and content[0].keys() == {"type", "text"}:
            block["content"] = content[0]["text"]
        elif content:
            block["content"] = content
        elif part.is_error:
            block["content"] = _FAILED
        if part.is_error:
            block["is_error"] = True
        return _cached(block, part.cache)


class _CallIds:
    """Ids of calls as they are written. Some hosts count their calls anew in each answer, but here an id
    names one call of the conversation, so a later one gets another. Results come in the order of their
    calls, right after them."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}
        self._unanswered: dict[str, deque[str]] = {}

    def of_call(self, original: str) -> str:
        clean = clean_id(original)
        times = self._times[clean] = self._times.get(clean, 0) + 1
        written = clean if times == 1 else clean_id(f"{original}#{times}")
        self._unanswered.setdefault(original, deque()).append(written)
        return written

    def of_result(self, original: str) -> str:
        waiting = self._unanswered.get(original)
        return waiting.popleft() if waiting else clean_id(original)


def _cached(block: Block, ttl: CacheTtl) -> Block:
    if ttl:
        block["cache_control"] = cache_control(ttl)
    return block


def cache_control(ttl: CacheTtl) -> dict[str, str]:
    """Five minutes need no saying, and hosts of others know no age."""
    return {"type": "ephemeral", "ttl": "1h"} if ttl == "1h" else {"type": "ephemeral"}


def _media(part: Image | File | Audio | Video | Any) -> Block:
    match part:
        case Image():
            return _cached(_image(part), part.cache)
        case File():
            return _cached(_document(part), part.cache)
    raise _refused(type(part).__name__.lower(), "")


def _image(part: Image) -> Block:
    if part.file_id:
        raise _refused("image", "a file id of another service")
    if part.url:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    if part.media_type not in MESSAGES_IMAGES:
        raise _refused("image", part.media_type or "of an unknown kind")
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": part.media_type, "data": part.data},
    }


def _document(part: File) -> Block:
    block: Block = {"type": "document", "source": _document_source(part)}
    if part.filename:
        block["title"] = part.filename
    if part.context:
        block["context"] = part.context
    if part.citable:
        block["citations"] = {"enabled": True}
    return block


def _document_source(part: File) -> Block:
    if part.file_id:
        raise _refused("file", "a file id of another service")
    if part.url:
        return {"type": "url", "url": part.url}
    if part.text:
        return {"type": "text", "media_type": "text/plain", "data": part.text}
    if part.media_type == _PDF:
        return {"type": "base64", "media_type": _PDF, "data": part.data}
    if part.media_type.startswith("text/") or part.media_type == "application/json":
        return {"type": "text", "media_type": "text/plain", "data": _plain_text(part)}
    raise _refused("file", part.media_type or "of an unknown kind")


def _plain_text(part: File) -> str:
    try:
        return base64.b64decode(part.data).decode("utf-8")
    except (binascii.Error, ValueError):
        raise _refused("file", f"{part.media_type} that is not UTF-8") from None


def _refused(what: str, kind: str) -> ApiError:
    shown = f" ({kind})" if kind else ""
    return ApiError(
        UNSUPPORTED_PARAMETER,
        f"The model can't be given this kind of content: {what}{shown}. Pictures may be JPEG, PNG, GIF or "
        "WebP, documents PDF or plain text.",
        param="messages",
    )
