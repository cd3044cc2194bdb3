"""What is read of an event or a block, whether of a stream or whole: a typed decode, and a patient one for
odd shapes."""

from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from switchgear.wire.framing.splice import NULL, any_of

ABSENT = Raw(b"")

_T = TypeVar("_T", bound=msgspec.Struct)


class Delta(msgspec.Struct, gc=False):
    """Of a content block, or of the message: which, the event's type says."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: Raw = ABSENT
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Raw = ABSENT


class Block(msgspec.Struct, gc=False):
    """Of an answer."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = ABSENT
    citations: list[Raw] | None = None


class Message(msgspec.Struct, gc=False):
    """A whole reply, or the head of a stream."""

    id: str | None = None
    model: str | None = None
    type: str | None = None
    content: list[Raw] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Raw = ABSENT
    usage: Raw = ABSENT
    error: Raw = ABSENT


class StreamEvent(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: Raw = ABSENT
    message: Raw = ABSENT
    usage: Raw = ABSENT
    error: Raw = ABSENT


decode_event = msgspec.json.Decoder(StreamEvent).decode
decode_any = msgspec.json.Decoder().decode
_decode_block = msgspec.json.Decoder(Block).decode
_decode_message = msgspec.json.Decoder(Message).decode
_encode = msgspec.json.Encoder().encode


def read_event(data: bytes) -> StreamEvent | None:
    """An event whatever the types of its parts; None when it is no JSON object."""
    try:
        return decode_event(data)
    except (ValueError, RecursionError):
        found = any_of(data)
    return _fitted(found, StreamEvent, delta=_delta_of) if isinstance(found, dict) else None


def read_block(raw: Raw | bytes) -> Block:
    """A block; what has the wrong type in it is left out."""
    try:
        return _decode_block(raw)
    except (ValueError, RecursionError):
        found = any_of(bytes(raw))
    return _fitted(found, Block, citations=_raws_of) if isinstance(found, dict) else Block()


def read_message(raw: Raw | bytes) -> Message | None:
    """A message; None when it is no JSON object."""
    try:
        return _decode_message(raw)
    except (ValueError, RecursionError):
        found = any_of(bytes(raw))
    return _fitted(found, Message, content=_raws_of) if isinstance(found, dict) else None


def is_given(raw: Raw) -> bool:
    """Whether a value is there and not null."""
    return raw is not ABSENT and raw != NULL and len(memoryview(raw)) > 0


def _fitted(found: dict[str, Any], kind: type[_T], **special: Any) -> _T:
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        value = found.get(field.name)
        if field.name in special:
            fields[field.name] = special[field.name](value)
        elif field.type is Raw:
            fields[field.name] = ABSENT if value is None else Raw(_encode(value))
        elif field.type is int:
            fields[field.name] = value if isinstance(value, int) and abs(value) < 2**31 else 0
        else:
            fields[field.name] = value if isinstance(value, str) else field.default
    return kind(**fields)


def _delta_of(value: Any) -> Delta | None:
    return _fitted(value, Delta) if isinstance(value, dict) else None


def _raws_of(value: Any) -> list[Raw] | None:
    return [Raw(_encode(item)) for item in value] if isinstance(value, list) else None
