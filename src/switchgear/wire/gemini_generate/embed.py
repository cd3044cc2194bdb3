"""Embeddings: Google's calls and OpenAI's, both ways, as pure functions on bodies.

Towards an upstream of this dialect it is always ``batchEmbedContents``. OpenAI's form knows nothing of task
types and titles, and Google's nothing of token numbers.
"""

import base64
import struct
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import INVALID_TYPE, MISSING_PARAMETER, UNSUPPORTED_PARAMETER, ApiError
from switchgear.wire.call import InPath
from switchgear.wire.framing.splice import any_of
from switchgear.wire.gemini_generate.usage import read_usage
from switchgear.wire.gemini_generate.values import Json, joined, number_of, pick, value_of, wrong_type
from switchgear.wire.neutral.request import Written

_TUNING = ("taskType", "title", "autoTruncate")
_encode = msgspec.json.Encoder().encode


def embed_to_openai(fields: dict[str, Raw], in_path: InPath, upstream_model: str) -> Written:
    """A call of this dialect for ``/v1/embeddings``. Raises ApiError for what is no text."""
    if in_path.batch:
        requests = value_of(fields, "requests")
        if not isinstance(requests, list):
            raise wrong_type("requests", "an array of requests")
        places = [f"requests[{at}]" for at in range(len(requests))]
    else:
        requests, places = [{key: any_of(raw) for key, raw in fields.items()}], [""]
    texts: list[str] = []
    sizes: set[int] = set()
    dropped: dict[str, None] = {}
    for request, place in zip(requests, places, strict=True):
        if not isinstance(request, dict):
            raise wrong_type(place, "an object")
        texts.append(_text_of(pick(request, "content"), joined(place, "content")))
        size = number_of(pick(request, "outputDimensionality"))
        if isinstance(size, int) and not isinstance(size, bool):
            sizes.add(size)
        dropped.update(dict.fromkeys(key for key in _TUNING if pick(request, key) is not None))
    if len(sizes) > 1:
        param = "requests.outputDimensionality"
        raise ApiError(UNSUPPORTED_PARAMETER, "All requests have to ask for one size.", param=param)
    body: Json = {"model": upstream_model, "input": texts, "encoding_format": "float"}
    if sizes:
        body["dimensions"] = sizes.pop()
    return Written({key: Raw(_encode(value)) for key, value in body.items()}, tuple(dropped))


def openai_to_embed(fields: dict[str, Raw], upstream_model: str) -> Written:
    """A body of ``/v1/embeddings`` for ``:batchEmbedContents``. Raises ApiError for token numbers."""
    given = value_of(fields, "input")
    if given is None:
        raise ApiError(MISSING_PARAMETER, "Missing required parameter: 'input'.", param="input")
    texts = given if isinstance(given, list) else [given]
    if not texts or not all(isinstance(item, str) for item in texts):
        raise ApiError(
            INVALID_TYPE,
            "Invalid type for 'input': this model takes texts only, and no token numbers.",
            param="input",
        )
    size = value_of(fields, "dimensions")
    more = {"outputDimensionality": size} if isinstance(size, int) and not isinstance(size, bool) else {}
    model = f"models/{upstream_model}"
    requests = [{"model": model, "content": {"parts": [{"text": item}]}, **more} for item in texts]
    return Written({"requests": Raw(_encode(requests))}, ("user",) if "user" in fields else ())


def openai_reply_to_embed(body: bytes, in_path: InPath) -> bytes | None:
    """An answer of ``/v1/embeddings`` in this dialect; None when it is none."""
    found = any_of(body)
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        return None
    data.sort(key=lambda item: item["index"] if isinstance(item.get("index"), int) else 0)
    embeddings = [{"values": _numbers(item.get("embedding"))} for item in data]
    if not in_path.batch and not embeddings:
        return None
    reply: Json = {"embeddings": embeddings} if in_path.batch else {"embedding": embeddings[0]}
    usage = found.get("usage")
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    if isinstance(tokens, int) and tokens > 0:
        reply["usageMetadata"] = {"promptTokenCount": tokens, "totalTokenCount": tokens}
    return _encode(reply)


def embed_reply_to_openai(body: bytes, model: str, wants_base64: bool, input_tokens: int = 0) -> bytes | None:
    """An answer of this dialect as one of ``/v1/embeddings``; None when it is none. ``model``: as the client
    named it. ``input_tokens`` stand where the upstream counted none."""
    found = any_of(body)
    if not isinstance(found, dict):
        return None
    listed = found.get("embeddings") or ([found["embedding"]] if found.get("embedding") else None)
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        return None
    usage = read_usage(_encode(found["usageMetadata"])) if found.get("usageMetadata") else None
    tokens = usage.input_total if usage is not None else input_tokens
    data = [
        {"object": "embedding", "index": at, "embedding": _packed(item.get("values"), wants_base64)}
        for at, item in enumerate(listed)
    ]
    return _encode(
        {
            "object": "list",
            "data": data,
            "model": model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _text_of(content: Any, place: str) -> str:
    """The texts of a content as one."""
    if isinstance(content, str):
        return content
    parts = content.get("parts") if isinstance(content, dict) else content
    found = parts if isinstance(parts, list) else [parts]
    said = [part.get("text") if isinstance(part, dict) else part for part in found]
    texts = [item for item in said if isinstance(item, str)]
    if not texts or len(texts) != len(said):
        raise ApiError(
            UNSUPPORTED_PARAMETER, f"'{place}' can be carried to this model as text only.", param=place
        )
    return "\n".join(texts)


def _numbers(vector: Any) -> list[float]:
    """Numbers, also of a vector in base64."""
    if isinstance(vector, str):
        try:
            data = base64.b64decode(vector, validate=True)
        except ValueError:
            return []
        return list(struct.unpack(f"<{len(data) // 4}f", data[: len(data) // 4 * 4]))
    return vector if isinstance(vector, list) else []


def _packed(values: Any, wants_base64: bool) -> Any:
    numbers = values if isinstance(values, list) else []
    if not wants_base64:
        return numbers
    try:
        return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    except (struct.error, OverflowError):
        return numbers
