"""What is read of a response, its items and its stream events: typed decodes, and patient ones for odd
shapes."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.wire.faults.codes import FaultKind
from switchgear.wire.faults.upstream_error import UpstreamError, upstream_error_of
from switchgear.wire.framing.splice import NULL, any_of

_encode = msgspec.json.Encoder().encode

TERMINAL = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
    "response.done": "",
}
"""Events that end a stream → the status that the response has then; empty: the response says it itself, as
some hosts have it."""


class StreamEvent(msgspec.Struct, gc=False):
    type: str = ""
    output_index: int | None = None
    item_id: str | None = None
    content_index: int = 0
    summary_index: int = 0
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    name: str | None = None
    logprobs: Raw = NULL
    annotation: Raw = NULL
    item: Raw = NULL
    response: Raw = NULL
    error: Raw = NULL


class Part(msgspec.Struct, gc=False):
    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    annotations: list[Raw] | None = None
    logprobs: Raw = NULL


class Item(msgspec.Struct, gc=False):
    """An output item; lists hold parts of content or summary."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: str | None = None
    input: str | None = None
    content: list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None
    result: str | None = None
    output_format: str | None = None


class Details(msgspec.Struct, gc=False):
    reason: str | None = None


class Response(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[Raw] | None = None
    usage: Raw = NULL
    tool_usage: Raw = NULL
    error: Raw = NULL
    incomplete_details: Details | None = None


_decode_event = msgspec.json.Decoder(StreamEvent).decode
_decode_item = msgspec.json.Decoder(Item).decode
_decode_response = msgspec.json.Decoder(Response).decode


def read_event(data: bytes) -> StreamEvent | None:
    """None for what is no JSON object."""
    try:
        return _decode_event(data)
    except (ValueError, RecursionError):
        found = any_of(data)
        return _fitted(found, StreamEvent) if isinstance(found, dict) else None


def read_item(raw: Raw) -> Item:
    """What has the wrong type in it counts as absent."""
    try:
        return _decode_item(raw)
    except (ValueError, RecursionError):
        found = any_of(bytes(raw))
        return _fitted(found, Item) if isinstance(found, dict) else Item()


def read_response(raw: Raw | bytes) -> Response | None:
    """None for what is no JSON object."""
    try:
        return _decode_response(raw)
    except (ValueError, RecursionError):
        found = any_of(bytes(raw))
        return _fitted(found, Response) if isinstance(found, dict) else None


def error_of(raw: Raw | bytes, status: int = 200) -> UpstreamError:
    """The fault that an ``error`` object names; never raises."""
    found = any_of(bytes(raw))
    error = upstream_error_of(status, {"error": found} if isinstance(found, dict) else found)
    kind = _KIND_OF_CODE.get(error.code or "")
    if kind is None and (error.code or "").endswith(_IMAGE_CODES):
        kind = "client"
    if kind is not None and error.kind in ("client", "transient"):
        error.kind = kind
    return error


# Codes of failed responses that say more than a failure.
_KIND_OF_CODE: dict[str, FaultKind] = {
    "invalid_prompt": "client",
    "bio_policy": "content",
    "misalignment_policy_violation": "content",
    "image_content_policy_violation": "content",
    "unsupported_image_media_type": "client",
    "empty_image_file": "client",
    "failed_to_download_image": "client",
}
_IMAGE_CODES = (
    "invalid_image",
    "invalid_image_format",
    "invalid_base64_image",
    "invalid_image_url",
    "invalid_image_mode",
    "image_too_large",
    "image_too_small",
    "image_parse_error",
    "image_file_too_large",
    "image_file_not_found",
)


def _fitted(found: dict[str, Any], kind: type[Any]) -> Any:
    """A struct out of a decoded object whose fields may have any type: each field that doesn't fit is left
    out, but an object where JSON text is expected is spelt out."""
    kept: dict[str, Any] = {}
    for name in kind.__struct_fields__:
        if name not in found:
            continue
        value = found[name]
        if name in ("arguments", "input") and isinstance(value, dict | list):
            value = _encode(value).decode()
        try:
            msgspec.json.decode(_encode({name: value}), type=kind)
        except (ValueError, RecursionError):
            continue
        kept[name] = value
    fitted: Any = msgspec.json.decode(_encode(kept), type=kind)
    return fitted
