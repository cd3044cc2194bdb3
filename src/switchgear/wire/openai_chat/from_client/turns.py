"""Messages as turns: what clients really send, read without loss."""

from typing import Any

import msgspec

from switchgear.kernel.errors import INVALID_VALUE, MISSING_PARAMETER, ApiError
from switchgear.kernel.limits import MESSAGES_MAX, PARTS_MAX
from switchgear.wire.neutral.maker import ANTHROPIC, GOOGLE
from switchgear.wire.neutral.request import (
    Audio,
    File,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Seals,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from switchgear.wire.openai_chat.from_client.parts import (
    cache_of,
    read_audio,
    read_file,
    read_image,
    read_video,
    word_of,
)
from switchgear.wire.openai_chat.values import check_count, wrong_type

CLAUDE_FORMAT = "anthropic-claude-v1"
"""Of ``reasoning_details``: the signature is Anthropic's own spelling. Any other is one of our envelopes."""

_encode = msgspec.json.Encoder().encode


def read_turns(messages: Any, seals: Seals) -> tuple[Turn, ...]:
    """Raises ApiError that names the message and the part."""
    if not isinstance(messages, list):
        raise wrong_type("messages", "an array of messages")
    check_count(len(messages), MESSAGES_MAX, "messages", "messages")
    calls: dict[str, str] = {}
    turns: list[Turn] = []
    parts = 0
    for index, message in enumerate(messages):
        turn = _turn(message, f"messages.{index}", seals, calls)
        turns.append(turn)
        parts += len(turn.parts)
        check_count(parts, PARTS_MAX, "parts", "messages")
    return tuple(turns)


def _turn(message: Any, place: str, seals: Seals, calls: dict[str, str]) -> Turn:
    if not isinstance(message, dict):
        raise wrong_type(place, "an object")
    role, name = message.get("role"), message.get("name")
    name = name if isinstance(name, str) else ""
    if role in ("system", "developer", "user"):
        return Turn(role, tuple(_parts(message.get("content"), f"{place}.content")), name)
    if role == "assistant":
        return Turn("assistant", tuple(_assistant(message, place, seals, calls)), name)
    if role == "tool":
        return Turn("user", (_result(message, place, calls),))
    if role == "function":
        inner = tuple(_inner(_parts(message.get("content"), f"{place}.content")))
        return Turn("user", (ToolResult("", inner, name=name),))
    if role is None:
        raise ApiError(
            MISSING_PARAMETER, f"Missing required parameter: '{place}.role'.", param=f"{place}.role"
        )
    raise ApiError(
        INVALID_VALUE,
        f"Invalid value for '{place}.role': expected system, developer, user, assistant or tool.",
        param=f"{place}.role",
    )


def _result(message: dict[str, Any], place: str, calls: dict[str, str]) -> ToolResult:
    call_id = message.get("tool_call_id")
    if call_id is None:
        param = f"{place}.tool_call_id"
        raise ApiError(
            MISSING_PARAMETER,
            f"Missing required parameter: '{param}'. A message of role 'tool' names its call.",
            param=param,
        )
    if not isinstance(call_id, str):
        raise wrong_type(f"{place}.tool_call_id", "a string")
    inner = tuple(_inner(_parts(message.get("content"), f"{place}.content")))
    kind = "custom" if calls.get(call_id) == "custom" else "function"
    return ToolResult(call_id, inner, kind=kind, cache=cache_of(message))  # type: ignore[arg-type]


def _inner(parts: list[Part]) -> list[Text | Image | File | Audio]:
    return [part for part in parts if isinstance(part, Text | Image | File | Audio)]


def _assistant(message: dict[str, Any], place: str, seals: Seals, calls: dict[str, str]) -> list[Part]:
    parts = _reasoning(message, seals)
    signed = _google_signature(message, seals)
    content = _parts(message.get("content"), f"{place}.content")
    if signed is not None and content and isinstance(content[-1], Text):
        content[-1] = msgspec.structs.replace(content[-1], opaque=signed)
    parts += content
    if isinstance(refusal := message.get("refusal"), str) and refusal:
        parts.append(Refusal(refusal))
    if isinstance(audio := message.get("audio"), dict) and isinstance(audio.get("id"), str):
        transcript = audio.get("transcript")
        parts.append(
            Audio(answer_id=audio["id"], transcript=transcript if isinstance(transcript, str) else "")
        )
    parts += _pictures(message, place)
    calls_made = message.get("tool_calls")
    if calls_made is not None and not isinstance(calls_made, list):
        raise wrong_type(f"{place}.tool_calls", "an array of calls")
    check_count(len(calls_made or ()), PARTS_MAX, "calls", f"{place}.tool_calls")
    for index, call in enumerate(calls_made or ()):
        parts.append(_tool_call(call, f"{place}.tool_calls.{index}", seals, calls))
    if isinstance(legacy := message.get("function_call"), dict):
        parts.append(ToolCall("", word_of(legacy.get("name")), _arguments(legacy.get("arguments"))))
    return parts


def _pictures(message: dict[str, Any], place: str) -> list[Part]:
    """Those that an earlier answer made, where this dialect's answers hold them."""
    found = message.get("images")
    items = found if isinstance(found, list) else ()
    return [
        read_image(item, f"{place}.images.{index}")
        for index, item in enumerate(items)
        if isinstance(item, dict)
    ]


def _tool_call(call: Any, place: str, seals: Seals, calls: dict[str, str]) -> ToolCall:
    if not isinstance(call, dict):
        raise wrong_type(place, "an object")
    id = word_of(call.get("id"))
    # Some clients write calls flat, as they declare their tools.
    flat = call if "name" in call else None
    custom = call.get("custom", flat if call.get("type") == "custom" else None)
    if isinstance(custom, dict):
        calls[id] = "custom"
        return ToolCall(id, word_of(custom.get("name")), word_of(custom.get("input")), "custom")
    function = call.get("function", flat)
    if not isinstance(function, dict):
        raise wrong_type(f"{place}.function", "an object")
    return ToolCall(
        id,
        word_of(function.get("name")),
        _arguments(function.get("arguments")),
        opaque=_google_signature(call, seals),
    )


def _arguments(value: Any) -> str:
    """As the model wrote them. Blanks alone are none, which no upstream takes for JSON."""
    if isinstance(value, str):
        return value if not value or value.strip() else "{}"
    return "" if value is None else _encode(value).decode()


def _reasoning(message: dict[str, Any], seals: Seals) -> list[Part]:
    """Of three spellings. A signature may stand apart from its text, which is then the message's own."""
    plain = word_of(message.get("reasoning_content")) or word_of(message.get("reasoning"))
    details = message.get("reasoning_details")
    if not isinstance(details, list):
        return [Reasoning(plain)] if plain else []
    parts: list[Part] = []
    for detail in details:
        if not isinstance(detail, dict):
            continue
        text = word_of(detail.get("text")) or word_of(detail.get("summary"))
        opaque = _opaque_of(detail, seals)
        last = parts[-1] if parts else None
        vouches = opaque is not None and opaque.kind == "signature" and not text
        if vouches and isinstance(last, Reasoning) and last.opaque is None:
            parts[-1] = msgspec.structs.replace(last, opaque=opaque)
        elif text or opaque is not None:
            parts.append(Reasoning(text, opaque))
    return _withtext(parts, plain)


def _withtext(parts: list[Part], plain: str) -> list[Part]:
    """A signature vouches for one text only: where the two spellings differ, somebody edited, and it is
    void."""
    if not plain:
        return parts
    reasonings = [part for part in parts if isinstance(part, Reasoning)]
    said = "".join(part.text for part in reasonings)
    if said == plain:
        return parts
    if said:
        return [Reasoning(plain)]
    signed = [i for i, part in enumerate(reasonings) if _is_signature(part)]
    if not signed:
        return [Reasoning(plain), *parts]
    if len(signed) > 1:
        # Nobody knows any more which signature is for which piece of the text.
        return [Reasoning(plain), *(part for part in reasonings if not _is_signature(part))]
    (at,) = signed
    parts[at] = msgspec.structs.replace(reasonings[at], text=plain)
    return parts


def _is_signature(part: Reasoning) -> bool:
    return part.opaque is not None and part.opaque.kind == "signature"


def _opaque_of(detail: dict[str, Any], seals: Seals) -> Opaque | None:
    """Anthropic's signatures come as they are, everybody else's sealed."""
    if isinstance(signature := detail.get("signature"), str) and signature:
        if detail.get("format") == CLAUDE_FORMAT:
            return seals.open(signature) or Opaque(ANTHROPIC, "signature", signature)
        return seals.open(signature)
    if isinstance(data := detail.get("data"), str) and data:
        if detail.get("format") == CLAUDE_FORMAT:
            return seals.open(data) or Opaque(ANTHROPIC, "redacted", data)
        return seals.open(data)
    return None


def _google_signature(holder: dict[str, Any], seals: Seals) -> Opaque | None:
    extra = holder.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    if not isinstance(signature, str) or not signature:
        return None
    return seals.open(signature) or Opaque(GOOGLE, "signature", signature)


def _parts(content: Any, place: str) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(content)] if content else []
    if not isinstance(content, list):
        raise wrong_type(place, "a string or an array of parts")
    check_count(len(content), PARTS_MAX, "parts", place)
    return [
        part for index, item in enumerate(content) if (part := _part(item, f"{place}.{index}")) is not None
    ]


def _part(item: Any, place: str) -> Part | None:
    if isinstance(item, str):
        return Text(item) if item else None
    if not isinstance(item, dict):
        raise wrong_type(place, "an object")
    kind = item.get("type")
    match kind:
        case "text" | "input_text" | "output_text":
            text = item.get("text")
            if not isinstance(text, str):
                raise wrong_type(f"{place}.text", "a string")
            return Text(text, cache_of(item)) if text else None
        case "thinking":
            return _thought(item.get("thinking"))
        case "refusal":
            return Refusal(word_of(item.get("refusal")))
        case "image_url" | "input_image":
            return read_image(item, place)
        case "input_audio":
            return read_audio(item, place)
        case "file" | "input_file":
            return read_file(item, place)
        case "video_url" | "video":
            return read_video(item, place)
    raise ApiError(
        INVALID_VALUE,
        f"Invalid value for '{place}.type': {str(kind)[:64]!r} is not a kind of content.",
        param=f"{place}.type",
    )


def _thought(thinking: Any) -> Reasoning | None:
    """Reasoning among the content, as Mistral's models give it: a text, or parts that are texts."""
    pieces = thinking if isinstance(thinking, list) else [{"text": thinking}]
    said = "".join(word_of(piece.get("text")) for piece in pieces if isinstance(piece, dict))
    return Reasoning(said) if said else None
