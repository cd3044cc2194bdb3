"""What a request wants, read without decoding what the relay has no need of."""

from msgspec import Raw

from switchgear.kernel.errors import MISSING_PARAMETER, ApiError
from switchgear.kernel.limits import MODEL_NAME_CHARS_MAX
from switchgear.kernel.usage import TOKENS_MAX
from switchgear.wire.call import NOTHING_IN_PATH, Call, InPath, Operation
from switchgear.wire.framing.splice import NULL
from switchgear.wire.openai_responses.values import (
    Fields,
    flag_of,
    invalid_type,
    invalid_value,
    value_of,
    whole_of,
)
from switchgear.wire.openai_shared.gather import gather, lenient

TOKENS_PER_ITEM = 3
TOKENS_OF_REPLY_START = 3

_NAMES = ("previous_response_id", "conversation", "prompt")
_EMPTY = Raw(b'""')
_INPUT_KEYS = ("input", "instructions", "tools", "text", "prompt")
_JSON_KEYS = ("tools", "text")
# Of items and parts, the keys whose strings the model reads.
_TEXT_KEYS = (
    "content",
    "text",
    "refusal",
    "name",
    "arguments",
    "input",
    "output",
    "summary",
    "queries",
    "code",
)
_BINARY_PARTS = frozenset({"input_image", "input_file", "input_audio", "image_generation_call"})


def read_model(fields: Fields) -> str:
    """Raises ApiError: MISSING_PARAMETER, INVALID_TYPE, INVALID_VALUE."""
    model = value_of(fields, "model")
    if model is None:
        raise ApiError(MISSING_PARAMETER, "Missing required parameter: 'model'.", param="model")
    if not isinstance(model, str):
        raise invalid_type("model", "a string")
    if not model:
        raise invalid_value("model", "it must not be empty")
    if len(model) > MODEL_NAME_CHARS_MAX:
        raise invalid_value("model", f"at most {MODEL_NAME_CHARS_MAX} characters, got {len(model)}")
    return model


def read_call(operation: Operation, fields: Fields, model: str, in_path: InPath = NOTHING_IN_PATH) -> Call:
    """What else a request says, once it is known that its model may be used.

    Raises ApiError: MISSING_PARAMETER, INVALID_TYPE, INVALID_VALUE; unknown fields pass.
    """
    fields = _without_nothing(fields)
    _check_input(fields)
    stream = bool(flag_of(fields, "stream")) if "stream" in fields else False
    cap = whole_of(fields, "max_output_tokens") if "max_output_tokens" in fields else None
    return Call(
        "openai_responses",
        operation,
        fields,
        model,
        stream,
        stream,
        min(cap or 0, TOKENS_MAX),
        1,
        sum([len(memoryview(fields[key])) for key in _INPUT_KEYS if key in fields]),
        *_count_media(fields),
        in_path=in_path,
    )


def _without_nothing(fields: Fields) -> Fields:
    """Without names of nothing and a limit below zero, by which clients say that there is none."""
    gone = [key for key in _NAMES if fields.get(key) == _EMPTY]
    cap = fields.get("max_output_tokens", NULL)
    if bytes(cap)[:1] == b"-" and (whole_of(fields, "max_output_tokens") or 0) < 0:
        gone.append("max_output_tokens")
    return {key: raw for key, raw in fields.items() if key not in gone} if gone else fields


def _check_input(fields: Fields) -> None:
    raw = fields.get("input")
    if raw is None or raw == NULL:
        # What is stored, or a prompt of the account, may be all that there is to answer.
        if any(fields.get(key, NULL) != NULL for key in _NAMES):
            return
        if "messages" in fields:
            raise invalid_value(
                "messages",
                "this is the body of a Chat Completions request; send it to /v1/chat/completions",
            )
        raise ApiError(MISSING_PARAMETER, "Missing required parameter: 'input'.", param="input")
    if memoryview(raw)[0] not in b'"[':
        raise invalid_type("input", "a string or an array of items")


def _count_media(fields: Fields) -> tuple[int, int, bool, bool]:
    """(images, named files, whether others stand in the body, whether there is sound)."""
    value = bytes(fields.get("input", NULL))
    if b'"input_' not in value:
        return 0, 0, False, False
    files = value.count(b'"file_id"') + value.count(b'"file_url"')
    has_audio = b'"input_audio"' in value
    return value.count(b'"input_image"'), files, has_audio or b'"file_data"' in value, has_audio


def input_text(call: Call) -> str:
    """Instructions and input, then tools and the answer's form as spelt; at most the size of the request."""
    texts: list[str] = []
    for key in ("instructions", "input"):
        if key in call.fields:
            gather(lenient(call.fields[key]), texts, _TEXT_KEYS, _BINARY_PARTS)
    for key in _JSON_KEYS:
        if key in call.fields and call.fields[key] != NULL:
            texts.append(bytes(call.fields[key]).decode("utf-8", "replace"))
    return "\n".join(texts)


def overhead_tokens(call: Call) -> int:
    """Tokens that stand for no text: the frame of each item and the start of the reply."""
    items = lenient(call.fields.get("input", NULL))
    count = len(items) if isinstance(items, list) else 1
    has_instructions = call.fields.get("instructions", NULL) != NULL
    return TOKENS_PER_ITEM * (count + has_instructions) + TOKENS_OF_REPLY_START
