"""What is read of a chunk, whether of a stream or whole: a typed decode, and a patient one for odd shapes."""

import re
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import CHOICES_MAX

ABSENT = Raw(b"")


class FunctionPart(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class CustomPart(msgspec.Struct, gc=False):
    input: str | None = None


class ToolCall(msgspec.Struct, gc=False):
    function: FunctionPart | None = None
    custom: CustomPart | None = None


class Audio(msgspec.Struct, gc=False):
    transcript: str | None = None


class Message(msgspec.Struct, gc=False):
    """A delta, or the message of a whole reply."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionPart | None = None
    audio: Audio | None = None


class Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: Message | None = None
    message: Message | None = None
    text: str | None = None
    finish_reason: str | None = None
    usage: Raw = ABSENT
    """Kimi reports it here."""


class Chunk(msgspec.Struct, gc=False):
    choices: list[Choice] | None = None
    usage: Raw = ABSENT
    error: Raw = ABSENT


decode_chunk = msgspec.json.Decoder(Chunk).decode
decode_text = msgspec.json.Decoder(str).decode
_JSON_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def chunk_of(found: dict[str, Any]) -> Chunk:
    """A chunk out of a decoded object whose parts may have any type; what has the wrong one is left out."""
    choices = found.get("choices")
    return Chunk(
        [_choice_of(choice) for choice in choices if isinstance(choice, dict)]
        if isinstance(choices, list)
        else None,
        _raw(found.get("usage")),
        _raw(found.get("error")),
    )


def _choice_of(found: dict[str, Any]) -> Choice:
    index = found.get("index")
    return Choice(
        int(index) if isinstance(index, int | float) and abs(index) < CHOICES_MAX else 0,
        _message_of(found.get("delta")),
        _message_of(found.get("message")),
        _text(found.get("text")),
        _text(found.get("finish_reason")),
        _raw(found.get("usage")),
    )


def _message_of(found: Any) -> Message | None:
    if not isinstance(found, dict):
        return None
    calls = found.get("tool_calls")
    audio = found.get("audio")
    return Message(
        _content_of(found.get("content")),
        _text(found.get("reasoning_content")),
        _text(found.get("reasoning")),
        _text(found.get("refusal")),
        [_tool_call_of(call) for call in calls if isinstance(call, dict)]
        if isinstance(calls, list)
        else None,
        _function_of(found.get("function_call")),
        Audio(_text(audio.get("transcript"))) if isinstance(audio, dict) else None,
    )


def _content_of(found: Any) -> str | None:
    """Some send parts where the dialect has a string."""
    if isinstance(found, list):
        return "".join(part["text"] for part in found if isinstance(part, dict) and _text(part.get("text")))
    return _text(found)


def _tool_call_of(found: dict[str, Any]) -> ToolCall:
    custom = found.get("custom")
    return ToolCall(
        _function_of(found.get("function")),
        CustomPart(_text(custom.get("input"))) if isinstance(custom, dict) else None,
    )


def _function_of(found: Any) -> FunctionPart | None:
    if not isinstance(found, dict):
        return None
    arguments = found.get("arguments")
    if isinstance(arguments, dict):
        arguments = _encode(arguments).decode()
    return FunctionPart(_text(found.get("name")), _text(arguments))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _raw(value: Any) -> Raw:
    return ABSENT if value is None else Raw(_encode(value))


def gather_text(choice: Choice, message: Message | None, texts: list[str]) -> int:
    """Appends what the model wrote: content, reasoning, refusals, tool names and arguments, transcripts.

    Returns how many bytes of UTF-8 that was.
    """
    before = len(texts)
    if choice.text:
        texts.append(choice.text)
    if message is not None:
        if message.content:
            texts.append(message.content)
        if reasoning := message.reasoning_content or message.reasoning:
            texts.append(reasoning)
        if message.refusal:
            texts.append(message.refusal)
        if message.tool_calls or message.function_call or message.audio:
            _gather_calls(message, texts)
    size = 0
    for at in range(before, len(texts)):
        text = texts[at]
        size += len(text) if text.isascii() else len(text.encode())
    return size


def _gather_calls(message: Message, texts: list[str]) -> None:
    for call in message.tool_calls or ():
        _gather_function(call.function, texts)
        if call.custom is not None and call.custom.input:
            texts.append(call.custom.input)
    _gather_function(message.function_call, texts)
    if message.audio is not None and message.audio.transcript:
        texts.append(message.audio.transcript)


def _gather_function(function: FunctionPart | None, texts: list[str]) -> None:
    if function is None:
        return
    if function.name:
        texts.append(function.name)
    if function.arguments:
        texts.append(function.arguments)


def around_text(raw: bytes, choice: Choice) -> tuple[bytes, bytes] | None:
    """What stands in a frame before and after the JSON string that is all the model says in its only choice.

    None where it says more than that, or where it can't be told for certain which string it is.
    """
    delta = choice.delta or Message()
    if delta.refusal or delta.tool_calls or delta.function_call or delta.audio:
        return None
    said = [
        (key, text)
        for key, text in (
            (b'"text"', choice.text),
            (b'"content"', delta.content),
            (b'"reasoning_content"', delta.reasoning_content),
            (b'"reasoning"', delta.reasoning),
        )
        if text
    ]
    if len(said) != 1 or raw.count(said[0][0]) != 1:
        return None
    key, text = said[0]
    after_key = raw.index(key) + len(key)
    found = _JSON_STRING.search(raw, after_key)
    if found is None or raw[after_key : found.start()].strip() != b":":
        return None
    try:
        if decode_text(found.group()) != text:
            return None
    except ValueError:
        return None
    return raw[: found.start()], raw[found.end() :]


def says_something(data: bytes) -> bool:
    """Whether a chunk holds more than the opening of an answer: a role, and fields that are empty or null.

    For the first chunks of a stream, where the text alone does not tell: audio or a tool call's id, say.
    """
    try:
        found = _decode_any(data)
    except (ValueError, RecursionError):
        return True
    choices = found.get("choices") if isinstance(found, dict) else None
    return any(
        choice.get("text")
        or choice.get("finish_reason")
        or any(value for key, value in _delta_of(choice).items() if key != "role")
        for choice in (choices if isinstance(choices, list) else ())
        if isinstance(choice, dict)
    )


def _delta_of(choice: dict[str, Any]) -> dict[str, Any]:
    delta = choice.get("delta")
    return delta if isinstance(delta, dict) else {}
