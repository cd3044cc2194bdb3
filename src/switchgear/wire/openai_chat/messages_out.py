"""Turns as messages for an upstream of this dialect."""

from collections.abc import Iterable
from typing import Any

from switchgear.wire.history import merged, paired
from switchgear.wire.images import build_data_url
from switchgear.wire.ir import (
    Audio,
    File,
    Image,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Upstream,
    Video,
)
from switchgear.wire.openai_chat.messages_in import CLAUDE_FORMAT
from switchgear.wire.origin import ANTHROPIC, GOOGLE
from switchgear.wire.tool_ids import clean_id

IMAGE_FOLLOWS = "[the image is in the next message]"
_PLACEHOLDER = " "
"""Where a model wants its reasoning back and nobody has it any more."""
_AUDIO_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3"}


def write_messages(request: Request, upstream: Upstream) -> list[dict[str, Any]]:
    """Results of tools come directly after their calls, one message each, and what those can't hold (images)
    after all of them."""
    wants_reasoning = upstream.facts.needs_reasoning_back and bool(request.tools)
    messages: list[dict[str, Any]] = []
    for turn in merged(paired(request.turns)):
        if turn.role == "assistant":
            messages.append(_assistant(turn, upstream, wants_reasoning))
        elif turn.role == "user":
            messages += _user(turn)
        else:
            messages.append(_system(turn, upstream))
    return _gathered(messages, upstream)


def _system(turn: Turn, upstream: Upstream) -> dict[str, Any]:
    role = "developer" if upstream.facts.system_role == "developer" else "system"
    parts = [part for part in turn.parts if isinstance(part, Text)]
    if len(parts) == 1 and not parts[0].cache:
        return {"role": role, "content": parts[0].text}
    return {"role": role, "content": [_text_part(part) for part in parts]}


def _gathered(messages: list[dict[str, Any]], upstream: Upstream) -> list[dict[str, Any]]:
    """Instructions where the model takes them: anywhere, in one message at the front, or not at all."""
    facts = upstream.facts
    if facts.system_role != "none" and not facts.system_first:
        return messages
    system = [message for message in messages if message["role"] in ("system", "developer")]
    if not system:
        return messages
    text = "\n\n".join(filter(None, (_plain(message["content"]) for message in system)))
    rest = [message for message in messages if message not in system]
    if facts.system_role != "none":
        return [{"role": system[0]["role"], "content": text}, *rest]
    first = next((i for i, message in enumerate(rest) if message["role"] == "user"), None)
    if first is None:
        return [{"role": "user", "content": text}, *rest]
    content = rest[first]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    rest[first] = {**rest[first], "content": [{"type": "text", "text": text}, *parts]}
    return rest


def _plain(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def _user(turn: Turn) -> Iterable[dict[str, Any]]:
    shown: list[Part] = []
    for part in turn.parts:
        if isinstance(part, ToolResult):
            yield _result(part)
            shown += [inner for inner in part.parts if not isinstance(inner, Text)]
    rest = [*shown, *(part for part in turn.parts if not isinstance(part, ToolResult))]
    if rest:
        message: dict[str, Any] = {"role": "user", "content": _content(rest)}
        if turn.name:
            message["name"] = turn.name
        yield message


def _result(result: ToolResult) -> dict[str, Any]:
    text = "".join(part.text for part in result.parts if isinstance(part, Text))
    if not text and any(not isinstance(part, Text) for part in result.parts):
        text = IMAGE_FOLLOWS
    if result.is_error:
        text = f"Error: {text}"
    return {"role": "tool", "tool_call_id": clean_id(result.call_id), "content": text}


def _content(parts: list[Part]) -> str | list[dict[str, Any]]:
    if len(parts) == 1 and isinstance(parts[0], Text) and not parts[0].cache:
        return parts[0].text
    return [written for part in parts if (written := _part(part)) is not None]


def _part(part: Part) -> dict[str, Any] | None:
    match part:
        case Text():
            return _text_part(part)
        case Refusal():
            return {"type": "text", "text": part.text}
        case Image():
            url = part.url or build_data_url(part.media_type or "image/png", part.data)
            image = {"url": url, **({"detail": part.detail} if part.detail else {})}
            return {"type": "image_url", "image_url": image}
        case Audio() if part.data:
            format = _AUDIO_FORMATS.get(part.media_type, part.media_type.rpartition("/")[2])
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": format}}
        case Audio() if part.url:
            return {"type": "input_audio", "input_audio": {"data": part.url}}
        case File():
            return _file(part)
        case Video():
            url = part.url or build_data_url(part.media_type, part.data)
            return {"type": "video_url", "video_url": {"url": url}}
    return None


def _text_part(part: Text) -> dict[str, Any]:
    return {"type": "text", "text": part.text}


def _file(part: File) -> dict[str, Any]:
    if part.text:
        return {"type": "text", "text": part.text}
    if part.file_id:
        return {"type": "file", "file": {"file_id": part.file_id}}
    if part.url:
        return {"type": "file", "file": {"file_url": part.url}}
    data = build_data_url(part.media_type or "application/pdf", part.data)
    return {"type": "file", "file": {"file_data": data, "filename": part.filename or "file.pdf"}}


def _assistant(turn: Turn, upstream: Upstream, wants_reasoning: bool) -> dict[str, Any]:
    texts = [part.text for part in turn.parts if isinstance(part, Text)]
    refusals = [part.text for part in turn.parts if isinstance(part, Refusal)]
    calls = [_call(part, upstream) for part in turn.parts if isinstance(part, ToolCall)]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts else None}
    if refusals:
        message["refusal"] = "".join(refusals)
    if not texts and not calls:
        message["content"] = "" if not refusals else None
    message |= _reasoning(turn, upstream)
    if wants_reasoning:
        message.setdefault("reasoning_content", _PLACEHOLDER)
    audio = next((part for part in turn.parts if isinstance(part, Audio) and part.answer_id), None)
    if audio is not None:
        message["audio"] = {"id": audio.answer_id}
    if calls:
        message["tool_calls"] = calls
    return message


def _reasoning(turn: Turn, upstream: Upstream) -> dict[str, Any]:
    """Back to a maker that reads it here: its own signed thoughts, or plain text for models that ask for
    it."""
    reasonings = [part for part in turn.parts if isinstance(part, Reasoning)]
    own = [part for part in reasonings if part.opaque is not None and part.opaque.origin == upstream.origin]
    text = "".join(part.text for part in reasonings)
    if own and upstream.origin == ANTHROPIC:
        return {"reasoning_content": text, "reasoning_details": [_detail(part) for part in own]}
    gives_back = upstream.facts.needs_reasoning_back or upstream.facts.thinking in ("type", "always")
    return {"reasoning_content": text} if text and gives_back else {}


def _detail(part: Reasoning) -> dict[str, Any]:
    opaque = part.opaque
    if opaque is None or opaque.kind == "redacted":
        return {
            "type": "reasoning.encrypted",
            "format": CLAUDE_FORMAT,
            "data": opaque.payload if opaque else "",
        }
    return {
        "type": "reasoning.text",
        "format": CLAUDE_FORMAT,
        "text": part.text,
        "signature": opaque.payload,
    }


def _call(call: ToolCall, upstream: Upstream) -> dict[str, Any]:
    id = clean_id(call.id)
    if call.kind == "custom":
        return {"id": id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    written: dict[str, Any] = {"id": id, "type": "function", "function": function}
    if call.opaque is not None and call.opaque.origin == upstream.origin == GOOGLE:
        written["extra_content"] = {"google": {"thought_signature": call.opaque.payload}}
    return written
