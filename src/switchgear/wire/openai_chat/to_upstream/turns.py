"""Turns as messages for an upstream of this dialect."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from switchgear.wire.framing.data_urls import build_data_url
from switchgear.wire.neutral.documents import as_text, file_name, spelt_out
from switchgear.wire.neutral.free_text_tools import wrapped
from switchgear.wire.neutral.history import merged, paired, shown_by_user
from switchgear.wire.neutral.maker import GOOGLE
from switchgear.wire.neutral.request import (
    Audio,
    File,
    Image,
    Part,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Upstream,
    Video,
)
from switchgear.wire.neutral.tool_ids import ToolNames, clean_id
from switchgear.wire.openai_chat.to_upstream.reasoning import write_reasoning

_FOLLOWS = "[the {} is in the next message]"
_WORDS: dict[type[Part], str] = {Image: "image", Audio: "audio"}
Messages = list[dict[str, Any]]
_PLACEHOLDER = " "
"""Where a model wants its reasoning back and nobody has it any more."""
_FILLER = "."
"""What the user says where the conversation says nothing: none at all is refused."""
_AUDIO_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3"}


_CUSTOM_VENDOR = "openai"
"""Takes free-text tools as they are."""


def takes_custom(upstream: Upstream) -> bool:
    """Whether a tool that takes free text stays one; elsewhere it is a function."""
    return upstream.vendor == _CUSTOM_VENDOR


def write_messages(
    turns: tuple[Turn, ...], request: Request, upstream: Upstream, names: ToolNames
) -> Messages:
    """Results of tools come directly after their calls, one message each, and what those can't hold (images)
    after all of them. Pictures that the assistant made are shown to it by the user."""
    wants_reasoning = upstream.facts.needs_reasoning_back and bool(request.tools)
    messages: Messages = []
    made: list[Part] = []
    for turn in merged(paired(shown_by_user(turns))):
        if turn.role == "assistant":
            message = _assistant(turn, upstream, names)
            if message.keys() > {"role", "content"} or message["content"]:
                if wants_reasoning:
                    message.setdefault("reasoning_content", _PLACEHOLDER)
                messages.append(message)
            made += [part for part in turn.parts if isinstance(part, Image)]
        elif turn.role == "user":
            for message in _user(turn, made):
                _add(messages, message)
            made = []
        else:
            messages += _system(turn, upstream)
    if made:
        _add(messages, {"role": "user", "content": _content(made)})
    return _gathered(messages, upstream) or [{"role": "user", "content": _FILLER}]


def _add(messages: Messages, message: dict[str, Any]) -> None:
    """What the user says; with what was said just before where no answer stands between the two any more, as
    many models take users and assistants by turns only."""
    last: dict[str, Any] = messages[-1] if messages else {"role": ""}
    if not last["role"] == message["role"] == "user" or last.get("name") != message.get("name"):
        messages.append(message)
    elif isinstance(last["content"], str) and isinstance(message["content"], str):
        last["content"] = f"{last['content']}\n{message['content']}"
    else:
        last["content"] = [*_as_parts(last["content"]), *_as_parts(message["content"])]


def _as_parts(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _system(turn: Turn, upstream: Upstream) -> Messages:
    """One message, or none of a turn that says nothing."""
    role = "developer" if upstream.facts.system_role == "developer" else "system"
    content = _content(turn.parts)
    return [{"role": role, "content": content}] if content else []


def _gathered(messages: Messages, upstream: Upstream) -> Messages:
    """Instructions where the model takes them: anywhere, in one message at the front, or not at all."""
    facts = upstream.facts
    if facts.system_role != "none" and not facts.system_first:
        return messages
    system = [message for message in messages if message["role"] in ("system", "developer")]
    if not system:
        return messages
    text = "\n\n".join(filter(None, (_plain(message["content"]) for message in system)))
    rest = [message for message in messages if message["role"] not in ("system", "developer")]
    if facts.system_role != "none":
        return [{"role": system[0]["role"], "content": text}, *rest]
    first = next((i for i, message in enumerate(rest) if message["role"] == "user"), None)
    if first is None:
        return [{"role": "user", "content": text}, *rest]
    content = rest[first]["content"]
    front = f"{text}\n\n{content}" if isinstance(content, str) else [*_as_parts(text), *content]
    rest[first] = {**rest[first], "content": front}
    return rest


def _plain(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


def _user(turn: Turn, made: list[Part]) -> Iterable[dict[str, Any]]:
    shown: list[Part] = list(made)
    for part in turn.parts:
        if isinstance(part, ToolResult):
            yield _result(part)
            shown += [inner for inner in _spelt_out(part.parts) if not isinstance(inner, Text)]
    rest = [*shown, *(part for part in turn.parts if not isinstance(part, ToolResult))]
    if content := _content(rest):
        message: dict[str, Any] = {"role": "user", "content": content}
        if turn.name:
            message["name"] = turn.name
        yield message


def _result(result: ToolResult) -> dict[str, Any]:
    parts = _spelt_out(result.parts)
    text = "\n".join(part.text for part in parts if isinstance(part, Text))
    if not text and parts:
        text = _FOLLOWS.format(_kind_of(parts))
    if result.is_error:
        text = f"Error: {text}"
    return {"role": "tool", "tool_call_id": clean_id(result.call_id), "content": text}


def _kind_of(parts: Sequence[Part]) -> str:
    """A word for what a result holds beside text."""
    words = {_WORDS.get(type(part), "file") for part in parts}
    return words.pop() if len(words) == 1 else "content"


def _content(parts: Sequence[Part]) -> str | list[dict[str, Any]]:
    """Texts alone as one: templates of many servers take nothing but a string."""
    if len(parts) == 1 and type(parts[0]) is Text:
        return parts[0].text
    spelt = _spelt_out(parts)
    texts = [part.text for part in spelt if isinstance(part, Text | Refusal)]
    if len(texts) == len(spelt):
        return "\n".join(filter(None, texts))
    return [written for part in spelt if (written := _part(part)) is not None]


def _spelt_out(parts: Iterable[Part]) -> list[Part]:
    """Documents in plain text are texts: most upstreams of this dialect take no other file than PDF."""
    parts = tuple(parts)
    if not any(isinstance(part, File) for part in parts):
        return list(parts)
    return list(spelt_out(map(as_text, parts)))


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
    if part.file_id:
        return {"type": "file", "file": {"file_id": part.file_id}}
    if part.url:
        return {"type": "file", "file": {"file_url": part.url}}
    data = build_data_url(part.media_type or "application/pdf", part.data)
    return {"type": "file", "file": {"file_data": data, "filename": file_name(part)}}


def _assistant(turn: Turn, upstream: Upstream, names: ToolNames) -> dict[str, Any]:
    texts = [said for part in turn.parts if (said := _said(part))]
    refusals = [part.text for part in turn.parts if isinstance(part, Refusal)]
    calls = [_call(part, upstream, names) for part in turn.parts if isinstance(part, ToolCall)]
    # An empty text where there is none: null is refused by some, "" by nobody.
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts)}
    if refusals:
        # Few servers know the field, and none takes a turn without content.
        message["content"] = "".join([*texts, *refusals])
    message |= write_reasoning(turn.parts, upstream)
    audio = next((part for part in turn.parts if isinstance(part, Audio) and part.answer_id), None)
    if audio is not None:
        message["audio"] = {"id": audio.answer_id}
    if calls:
        message["tool_calls"] = calls
    if (signed := _google([part for part in turn.parts if isinstance(part, Text)], upstream)) is not None:
        message["extra_content"] = signed
    return message


def _said(part: Part) -> str:
    """A spoken answer that has no name at this upstream is told by its words."""
    if isinstance(part, Audio) and not part.answer_id:
        return part.transcript
    return part.text if isinstance(part, Text) else ""


def _call(call: ToolCall, upstream: Upstream, names: ToolNames) -> dict[str, Any]:
    id, name = clean_id(call.id), names.shorten(call.name)
    if call.kind == "custom" and takes_custom(upstream):
        return {"id": id, "type": "custom", "custom": {"name": name, "input": call.arguments}}
    arguments = wrapped(call.arguments) if call.kind == "custom" else _object(call.arguments)
    function = {"name": name, "arguments": arguments}
    written: dict[str, Any] = {"id": id, "type": "function", "function": function}
    if (signed := _google([call], upstream)) is not None:
        written["extra_content"] = signed
    return written


def _object(arguments: str) -> str:
    """Arguments that a model once wrote wrongly would be refused for ever after."""
    try:
        if isinstance(msgspec.json.decode(arguments or "{}"), dict):
            return arguments or "{}"
    except (ValueError, RecursionError):
        pass
    return msgspec.json.encode({"_raw": arguments}).decode()


def _google(parts: Sequence[Text | ToolCall], upstream: Upstream) -> dict[str, Any] | None:
    """The last signature of Google's own, back to Google."""
    for part in reversed(parts):
        opaque = part.opaque
        if opaque is not None and opaque.origin == upstream.origin == GOOGLE:
            return {"google": {"thought_signature": opaque.payload}}
    return None
