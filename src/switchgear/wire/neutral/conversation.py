"""What of a request costs tokens, counted on its neutral form: one conversation counts the same in every
dialect.

Data of pictures, sound and files is no text; each stands for a fixed number of tokens.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.usage import TOKENS_MAX
from switchgear.wire.framing.splice import any_of
from switchgear.wire.neutral.request import (
    Audio,
    CustomTool,
    File,
    FunctionTool,
    HostedItem,
    Image,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Video,
)

TOKENS_PER_TURN = 3
TOKENS_OF_REPLY_START = 3
TOKENS_PER_MEDIA = 258
"""Of one picture; a page of a document and a second of video cost as much."""

_encode = msgspec.json.Encoder(order="sorted").encode
_MEDIA = (Image, Video, Audio)


def spelt(request: Request) -> str:
    """Turns, then tools and the form of the answer."""
    texts: list[str] = []
    for turn in request.turns:
        _gather(turn.parts, texts)
    for tool in request.tools:
        texts += _of_tool(tool)
    if request.format is not None and request.format.schema is not None:
        texts.append(_compact(request.format.schema))
    return "\n".join(filter(None, texts))


def overhead_tokens(request: Request) -> int:
    """Tokens that stand for no text: the frame of each turn, the start of the reply, and media."""
    media = sum(_media_in(turn.parts) for turn in request.turns)
    frames = TOKENS_PER_TURN * len(request.turns) + TOKENS_OF_REPLY_START
    return min(frames + TOKENS_PER_MEDIA * media, TOKENS_MAX)


def _gather(parts: Iterable[Part], texts: list[str]) -> None:
    for part in parts:
        match part:
            case Text() | Refusal() | Reasoning():
                texts.append(part.text)
            case File():
                texts += (part.context, part.text)
            case ToolCall():
                texts += (part.name, _compact(Raw(part.arguments.encode("utf-8", "replace"))))
            case ToolResult():
                _gather(part.parts, texts)
            case HostedItem():
                texts.append(_compact(part.raw))


def _media_in(parts: Iterable[Part]) -> int:
    count = 0
    for part in parts:
        if isinstance(part, ToolResult):
            count += _media_in(part.parts)
        elif isinstance(part, _MEDIA) or (isinstance(part, File) and not part.text):
            count += 1
    return count


def _of_tool(tool: Tool) -> tuple[str, ...]:
    match tool:
        case FunctionTool():
            return tool.name, tool.description, _compact(tool.schema)
        case CustomTool():
            return tool.name, tool.description, _compact(tool.format)
        case _:
            return (_compact(tool.raw),)


def _compact(raw: Raw | None) -> str:
    """JSON without the spaces and the order that a client happened to write."""
    if raw is None:
        return ""
    found: Any = any_of(bytes(raw))
    return bytes(raw).decode("utf-8", "replace") if found is None else _encode(found).decode()
