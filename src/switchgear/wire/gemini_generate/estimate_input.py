"""The text of a request that costs tokens, for a count where the upstream reports none.

Images, audio and files are left out: their data is no text.
"""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.usage import TOKENS_MAX
from switchgear.wire.call import Call
from switchgear.wire.framing.splice import any_of
from switchgear.wire.gemini_generate.values import field, pick

TOKENS_PER_CONTENT = 2
TOKENS_PER_MEDIA = 258
"""Of one picture; a page of a document and a second of video cost as much."""

_KEYS = ("systemInstruction", "contents", "content", "requests", "generateContentRequest")
_PART_KEYS = ("executableCode", "codeExecutionResult", "functionResponse", "functionCall")
_encode = msgspec.json.Encoder().encode


def input_text(call: Call) -> str:
    """Contents, then tools and schemas as spelt; at most the size of the request."""
    texts: list[str] = []
    for key in _KEYS:
        if (raw := field(call.fields, key)) is not None:
            _gather(any_of(raw), texts)
    if (raw := field(call.fields, "tools")) is not None:
        texts.append(_shown(raw))
    config = any_of(raw) if (raw := field(call.fields, "generationConfig")) is not None else None
    if isinstance(config, dict):
        for key in ("responseSchema", "responseJsonSchema"):
            if (schema := pick(config, key)) is not None:
                texts.append(_encode(schema).decode())
    return "\n".join(texts)


def overhead_tokens(call: Call) -> int:
    """Tokens that stand for no text: the frame of each content, and what stands for media."""
    raw = field(call.fields, "contents")
    contents = any_of(raw) if raw is not None else None
    count = len(contents) if isinstance(contents, list) else 1
    return min(TOKENS_PER_CONTENT * count + TOKENS_PER_MEDIA * call.images, TOKENS_MAX)


def _shown(raw: Raw) -> str:
    return bytes(raw).decode("utf-8", "replace")


def _gather(value: Any, texts: list[str]) -> None:
    """Texts of contents and of requests with contents in them."""
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, list):
        for item in value:
            _gather(item, texts)
    elif isinstance(value, dict):
        if isinstance(text := value.get("text"), str):
            texts.append(text)
        for key in (*_KEYS, "parts"):
            if (inner := pick(value, key)) is not None:
                _gather(inner, texts)
        for key in _PART_KEYS:
            if isinstance(inner := pick(value, key), dict):
                texts.append(_without_data(inner))
        if (tools := value.get("tools")) is not None:
            texts.append(_encode(tools).decode())


def _without_data(inner: dict[str, Any]) -> str:
    return _encode({key: item for key, item in inner.items() if key != "parts"}).decode()
