"""What a request wants, read without decoding what the relay has no need of."""

import math
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import INVALID_TYPE, INVALID_VALUE, MISSING_PARAMETER, ApiError
from switchgear.kernel.limits import CHOICES_MAX, MODEL_NAME_CHARS_MAX
from switchgear.kernel.usage import TOKENS_MAX
from switchgear.wire.call import Call, Operation
from switchgear.wire.framing.splice import NULL, BadJson, read_object

_CAPS = ("max_tokens", "max_completion_tokens")
_COUNTS = ("n", "best_of")
_LIMITS = frozenset(_CAPS + _COUNTS)
_MINUS = 0x2D
_NUMBERS = (int, float)
_ZERO = Raw(b"0")
_TRUE = Raw(b"true")
_FALSE = Raw(b"false")
_INPUT_KEYS = frozenset(
    ("messages", "prompt", "suffix", "input", "tools", "functions", "response_format", "prediction")
)

_decode_str = msgspec.json.Decoder(str).decode
_decode_any = msgspec.json.Decoder().decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode


def read_call(operation: Operation, fields: dict[str, Raw], model: str) -> Call:
    """What else a request says, once it is known that its model may be used.

    Raises ApiError: MISSING_PARAMETER, INVALID_TYPE, INVALID_VALUE; unknown fields pass.
    """
    prompts = _check_input(operation, fields)
    media = _media(fields)
    fields = _without_limitless(fields)
    stream = _read_bool(fields, "stream") if operation != "openai_embeddings" else False
    return Call(
        "openai_chat",
        operation,
        fields,
        model,
        stream,
        stream and "stream_options" in fields and _read_include_usage(fields["stream_options"]),
        _read_output_cap(fields),
        _read_choices(fields) * prompts if "n" in fields or "best_of" in fields else prompts,
        _input_bytes(fields),
        media.images,
        media.files,
        media.is_inline,
        media.is_audio or "audio" in fields,
        "encoding_format" in fields and fields["encoding_format"] == _BASE64,
    )


_BASE64 = Raw(b'"base64"')


def read_model(fields: dict[str, Raw]) -> str:
    """Raises ApiError: MISSING_PARAMETER, INVALID_TYPE, INVALID_VALUE."""
    raw = fields.get("model")
    if raw is None or raw == NULL:
        raise ApiError(MISSING_PARAMETER, "Missing required parameter: 'model'.", param="model")
    try:
        model = _decode_str(raw)
    except ValueError:
        raise _invalid_type("model", "a string") from None
    if not model:
        raise ApiError(INVALID_VALUE, "Invalid value for 'model': it must not be empty.", param="model")
    if len(model) > MODEL_NAME_CHARS_MAX:
        raise ApiError(
            INVALID_VALUE,
            f"Invalid value for 'model': at most {MODEL_NAME_CHARS_MAX} characters, got {len(model)}.",
            param="model",
        )
    return model


def _check_input(operation: Operation, fields: dict[str, Raw]) -> int:
    """Whether there is something to answer; returns the number of prompts."""
    if operation == "openai_chat":
        _check_messages(fields)
        return 1
    key = "prompt" if operation == "openai_completions" else "input"
    raw = fields.get(key)
    if raw is None or raw == NULL:
        raise ApiError(MISSING_PARAMETER, f"Missing required parameter: '{key}'.", param=key)
    view = memoryview(raw)
    if view[0] == 0x22:
        if key == "input" and len(view) == 2:
            raise ApiError(INVALID_VALUE, "Invalid value for 'input': it must not be empty.", param=key)
        return 1
    if view[0] != 0x5B:
        raise _invalid_type(key, "a string or an array")
    if key == "prompt":
        items = _decode_list(raw)
        batched = bool(items) and memoryview(items[0])[0] in b'"['
        return len(items) if batched else 1
    if _is_empty_array(view):
        raise ApiError(INVALID_VALUE, "Invalid value for 'input': it must not be empty.", param=key)
    return 1


def _check_messages(fields: dict[str, Raw]) -> None:
    raw = fields.get("messages")
    if raw is None or raw == NULL:
        if "input" in fields:
            raise ApiError(
                INVALID_VALUE,
                "This is the body of a Responses request ('input' without 'messages'); "
                "send 'messages' to /v1/chat/completions.",
                param="input",
            )
        raise ApiError(MISSING_PARAMETER, "Missing required parameter: 'messages'.", param="messages")
    view = memoryview(raw)
    if view[0] != 0x5B:
        raise _invalid_type("messages", "an array of messages")
    if _is_empty_array(view):
        raise ApiError(
            INVALID_VALUE, "Invalid value for 'messages': expected at least one message.", param="messages"
        )


def _is_empty_array(view: memoryview) -> bool:
    return len(view) < 64 and not bytes(view)[1:-1].strip()


def _read_bool(fields: dict[str, Raw], key: str) -> bool:
    raw = fields.get(key)
    if raw is None:
        return False
    if raw == _TRUE:
        return True
    if raw in (_FALSE, NULL):
        return False
    raise _invalid_type(key, "a boolean")


def _read_include_usage(raw: Raw) -> bool:
    if raw == NULL:
        return False
    try:
        options = read_object(bytes(raw))
    except BadJson:
        raise _invalid_type("stream_options", "an object") from None
    return _read_bool(options, "include_usage")


def _read_output_cap(fields: dict[str, Raw]) -> int:
    """Which of the two names an upstream heeds is not ours to know, so the larger one counts."""
    cap = 0
    if "max_completion_tokens" in fields:
        cap = _read_count(fields, "max_completion_tokens", 0)
    if "max_tokens" in fields:
        cap = max(cap, _read_count(fields, "max_tokens", 0))
    return min(cap, TOKENS_MAX)


def _without_limitless(fields: dict[str, Raw]) -> dict[str, Raw]:
    """Without limits by which clients say that there is none: ``max_tokens: -1``, ``n: 0``."""
    if _LIMITS.isdisjoint(fields):
        return fields
    gone: list[str] = []
    for key in _COUNTS:
        if key in fields and fields[key] == _ZERO:
            gone.append(key)
    for key in _CAPS:
        if key in fields and memoryview(fields[key])[0] == _MINUS and _read_count(fields, key, 1) < 0:
            gone.append(key)
    return {key: raw for key, raw in fields.items() if key not in gone} if gone else fields


def _read_choices(fields: dict[str, Raw]) -> int:
    choices = 1
    for key in ("n", "best_of"):
        if key in fields:
            count = _read_count(fields, key, 1)
            if count < 1:
                raise ApiError(INVALID_VALUE, f"Invalid value for '{key}': at least 1.", param=key)
            choices = max(choices, count)
            if choices > CHOICES_MAX:
                raise ApiError(INVALID_VALUE, f"Invalid value for '{key}': at most {CHOICES_MAX}.", param=key)
    return choices


def _read_count(fields: dict[str, Raw], key: str, default: int) -> int:
    """An integer, which some clients spell ``4096.0``."""
    if fields[key] == NULL:
        return default
    try:
        value: Any = _decode_any(fields[key])
    except ValueError:
        raise _invalid_type(key, "an integer") from None
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        raise _invalid_type(key, "an integer")
    if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
        raise _invalid_type(key, "an integer")
    return int(value)


def _input_bytes(fields: dict[str, Raw]) -> int:
    size = 0
    for key, raw in fields.items():
        if key in _INPUT_KEYS:
            size += len(memoryview(raw))
    return size


class _Media(NamedTuple):
    images: int = 0
    files: int = 0
    is_inline: bool = False
    is_audio: bool = False


_NO_MEDIA = _Media()


def _media(fields: dict[str, Raw]) -> _Media:
    """Parts stand in an array inside that of the messages; without a second bracket there are none."""
    value = bytes(fields.get("messages", fields.get("input", NULL)))
    if value.find(b"[", 1) < 0:
        return _NO_MEDIA
    images = files = sounds = 0
    if b'_url"' in value:
        # A part names ``image_url`` and its like twice: as its type and as its key.
        images = (value.count(b'"image_url"') + 1) // 2
        files = (value.count(b'"video_url"') + 1) // 2 + value.count(b'"file_url"')
    if b'"input_' in value:
        images += value.count(b'"input_image"')
        sounds = value.count(b'"input_audio"')
    has_file = b'"file_' in value
    if has_file:
        files += value.count(b'"file_id"')
    if not (images or files or sounds or has_file):
        return _NO_MEDIA
    return _Media(images, files, has_file or sounds > 0, sounds > 0)


def _invalid_type(param: str, expected: str) -> ApiError:
    return ApiError(INVALID_TYPE, f"Invalid type for '{param}': expected {expected}.", param=param)
