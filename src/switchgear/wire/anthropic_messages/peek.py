"""What a request wants, read without decoding what the relay has no need of."""

from typing import TypedDict

from msgspec import Raw

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.kernel.limits import MODEL_NAME_CHARS_MAX
from switchgear.kernel.usage import TOKENS_MAX
from switchgear.wire.anthropic_messages.values import (
    is_there,
    missing,
    read_bool,
    read_str,
    read_whole,
    wrong_type,
    wrong_value,
)
from switchgear.wire.call import Call, Operation

_INPUT_KEYS = ("system", "messages", "tools", "output_config", "output_format")


def read_model(fields: dict[str, Raw]) -> str:
    """Raises ApiError: MISSING_PARAMETER, INVALID_TYPE, INVALID_VALUE."""
    if not is_there(fields, "model"):
        raise missing("model")
    model = read_str(fields, "model")
    if not model:
        raise ApiError(INVALID_VALUE, "must not be empty", param="model")
    if len(model) > MODEL_NAME_CHARS_MAX:
        raise wrong_value("model", f"at most {MODEL_NAME_CHARS_MAX} characters, got {len(model)}")
    return model


def read_call(operation: Operation, fields: dict[str, Raw], model: str) -> Call:
    """What else a request says, once it is known that its model may be used.

    Raises ApiError: MISSING_PARAMETER, INVALID_TYPE, INVALID_VALUE; unknown fields pass. A count of tokens
    has no ``max_tokens`` and no stream.
    """
    counts = operation == "anthropic_count_tokens"
    _check_messages(fields)
    if not counts and not is_there(fields, "max_tokens"):
        raise missing("max_tokens")
    cap = read_whole(fields, "max_tokens") or 0
    return Call(
        "anthropic_messages",
        operation,
        fields,
        model,
        stream=not counts and read_bool(fields, "stream"),
        include_usage=True,
        output_tokens_cap=max(0, min(cap, TOKENS_MAX)),
        input_bytes=sum([len(memoryview(fields[key])) for key in _INPUT_KEYS if key in fields]),
        **_media(fields["messages"]),
    )


def _check_messages(fields: dict[str, Raw]) -> None:
    if not is_there(fields, "messages"):
        raise missing("messages")
    view = memoryview(fields["messages"])
    if view[0] != 0x5B:
        raise wrong_type("messages", "an array of messages")
    if len(view) < 64 and not bytes(view)[1:-1].strip():
        raise wrong_value("messages", "at least one message is required")


class _Media(TypedDict, total=False):
    images: int
    files: int
    has_media: bool


def _media(messages: Raw) -> _Media:
    """At most so many: a block stands in an array inside that of the messages."""
    value = bytes(messages)
    if value.find(b"[", 1) < 0 or b'"source"' not in value:
        return {}
    documents = value.count(b'"document"')
    # A source by URL says so twice: as its type and as its key.
    named = (value.count(b'"url"') + 1) // 2 + value.count(b'"file_id"') if documents else 0
    return {
        "images": value.count(b'"image"'),
        "files": min(documents, named),
        "has_media": documents > 0,
    }
