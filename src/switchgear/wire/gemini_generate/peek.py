"""What a request wants, read without decoding what the relay has no need of."""

import re
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import INVALID_VALUE, MISSING_PARAMETER, ApiError
from switchgear.kernel.limits import CHOICES_MAX, MODEL_NAME_CHARS_MAX
from switchgear.kernel.usage import TOKENS_MAX
from switchgear.wire.call import Call, InPath, Operation
from switchgear.wire.gemini_generate.values import (
    field,
    integer_in,
    object_of,
    pick,
    value_of,
    wrong_type,
    wrong_value,
)

_INPUT_KEYS = (
    "contents",
    "systemInstruction",
    "tools",
    "content",
    "requests",
    "generateContentRequest",
)
_FILE = re.compile(rb'"(?:fileData|file_data)"\s*:\s*\{[^}]*')
_PICTURE = b'"image/'
_OTHER_MEDIA = re.compile(rb'"mime_?[tT]ype"\s*:\s*"(?!image/)')
_NAMES = ("cachedContent", "cached_content")
_CAPS = ("maxOutputTokens", "max_output_tokens")
_EMPTY = Raw(b'""')
_encode = msgspec.json.Encoder().encode
_decode_raws = msgspec.json.Decoder(list[Raw]).decode


def read_model(fields: dict[str, Raw], in_path: InPath) -> str:
    """The path's model, or the body's where the path names none. Raises ApiError: MISSING_PARAMETER,
    INVALID_TYPE, INVALID_VALUE."""
    model: object = in_path.model or value_of(fields, "model")
    if model is None:
        raise ApiError(MISSING_PARAMETER, "Missing required parameter: 'model'.", param="model")
    if not isinstance(model, str):
        raise wrong_type("model", "a string")
    model = model.removeprefix("models/")
    if not model:
        raise wrong_value("model", "it must not be empty")
    if len(model) > MODEL_NAME_CHARS_MAX:
        raise wrong_value("model", f"at most {MODEL_NAME_CHARS_MAX} characters, got {len(model)}")
    return model


def read_call(operation: Operation, fields: dict[str, Raw], model: str, in_path: InPath) -> Call:
    """What else a request says, once it is known that its model may be used. Raises ApiError; unknown fields
    pass."""
    fields = _without_empty(fields)
    choices, cap = 1, 0
    images, files, has_media, has_audio = _count_media(fields)
    if operation == "gemini_embed":
        choices = _check_embed(fields, in_path)
    else:
        _check_contents(operation, fields)
    if operation == "gemini_generate":
        config = object_of(fields, "generationConfig")
        choices = _count(config, "candidateCount", CHOICES_MAX) or 1
        cap = _count(config, "maxOutputTokens", TOKENS_MAX)
        has_audio = has_audio or pick(config, "speechConfig") is not None
        if not cap and (given := [key for key in _CAPS if key in config]):
            fields = _with_config(fields, {key: config[key] for key in config if key not in given})
    return Call(
        "gemini_generate",
        operation,
        fields,
        model,
        in_path.stream and operation == "gemini_generate",
        output_tokens_cap=cap,
        choices=choices,
        input_bytes=sum(
            len(memoryview(raw)) for key in _INPUT_KEYS if (raw := field(fields, key)) is not None
        ),
        images=images,
        files=files,
        has_media=has_media,
        has_audio=has_audio,
        in_path=in_path,
    )


def _without_empty(fields: dict[str, Raw]) -> dict[str, Raw]:
    """Without a name of nothing."""
    if not any(fields.get(key) == _EMPTY for key in _NAMES):
        return fields
    return {key: raw for key, raw in fields.items() if key not in _NAMES or raw != _EMPTY}


def _with_config(fields: dict[str, Raw], config: dict[str, Any]) -> dict[str, Raw]:
    """With another ``generationConfig``."""
    kept = {key: raw for key, raw in fields.items() if key != "generation_config"}
    return {**kept, "generationConfig": Raw(_encode(config))}


def _check_contents(operation: Operation, fields: dict[str, Raw]) -> None:
    key = "contents"
    raw = field(fields, key)
    if raw is None and operation == "gemini_count_tokens":
        inner = object_of(fields, "generateContentRequest")
        if inner and not inner.get("contents"):
            raise ApiError(
                MISSING_PARAMETER, "contents is not specified.", param="generateContentRequest.contents"
            )
        if inner:
            return
    if raw is None:
        raise ApiError(MISSING_PARAMETER, "contents is not specified.", param=key)
    kind = memoryview(raw)[0]
    if kind not in b"[{":
        raise wrong_type(key, "an array of contents")
    if kind == 0x5B and len(memoryview(raw)) < 64 and not bytes(raw)[1:-1].strip():
        raise ApiError(INVALID_VALUE, "contents must not be empty.", param=key)


def _check_embed(fields: dict[str, Raw], in_path: InPath) -> int:
    key = "requests" if in_path.batch else "content"
    raw = field(fields, key)
    if raw is None:
        raise ApiError(MISSING_PARAMETER, f"{key} is not specified.", param=key)
    if not in_path.batch:
        if memoryview(raw)[0] not in b'{["':
            raise wrong_type(key, "a content")
        return 1
    try:
        count = len(_decode_raws(raw))
    except (ValueError, RecursionError):
        raise wrong_type(key, "an array of requests") from None
    if not count:
        raise ApiError(INVALID_VALUE, "requests must not be empty.", param=key)
    return 1


def _count(config: dict[str, Any], name: str, most: int) -> int:
    """0 = not said."""
    value = integer_in(config, name, "generationConfig")
    if value is None:
        return 0
    if value < 0 and name != "maxOutputTokens":
        raise wrong_value(f"generationConfig.{name}", "at least 0")
    if name == "candidateCount" and value > most:
        raise wrong_value(f"generationConfig.{name}", f"at most {most}")
    return max(0, min(value, most))


def _count_media(fields: dict[str, Raw]) -> tuple[int, int, bool, bool]:
    """(pictures, other files that are only named, whether others stand in the body, whether there is
    sound)."""
    value = bytes(field(fields, "contents") or b"")
    if b"Data" not in value and b"_data" not in value:
        return 0, 0, False, False
    named = _FILE.findall(value)
    pictures = sum(_PICTURE in found for found in named)
    inline = value.count(b'"inlineData"') + value.count(b'"inline_data"')
    is_other = _OTHER_MEDIA.search(value) is not None
    return inline + pictures, len(named) - pictures, bool(inline) and is_other, b'"audio/' in value
