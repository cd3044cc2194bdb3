"""What is read of a whole JSON reply, and embeddings in the form that was asked for."""

import base64
import binascii
import re
import struct
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.usage import Usage, with_calls
from switchgear.wire.call import Operation
from switchgear.wire.faults.failed_finishes import failure_of, is_failed
from switchgear.wire.faults.upstream_error import UpstreamError, counted, has_error, upstream_error_of
from switchgear.wire.framing.splice import (
    NULL,
    BadJson,
    any_of,
    read_object,
    read_objects,
    repair_surrogates,
    write_array,
    write_object,
)
from switchgear.wire.openai_chat.frames import ABSENT, Chunk, chunk_of, decode_chunk, gather_text
from switchgear.wire.openai_chat.hosted_calls import SearchCounter
from switchgear.wire.openai_chat.usage import read_usage, usage_beside, with_timings

_decode_any = msgspec.json.Decoder().decode
_decode_floats = msgspec.json.Decoder(list[float]).decode
_decode_str = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"([\w:. -]+)"', re.ASCII)
_USUAL_FINISHES = frozenset({b"stop", b"length", b"tool_calls"})
_QUOTE = 0x22
_BRACKET = 0x5B


class _Envelope(msgspec.Struct, gc=False):
    choices: Raw = ABSENT
    data: Raw = ABSENT
    usage: Raw = ABSENT
    error: Raw = ABSENT
    base_resp: Raw = ABSENT
    timings: Raw = ABSENT


class _Embedding(msgspec.Struct, gc=False):
    embedding: Raw = ABSENT


class _EmbeddingList(msgspec.Struct, gc=False):
    data: list[_Embedding] = []


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_embeddings = msgspec.json.Decoder(_EmbeddingList).decode


class WholeReply(msgspec.Struct, frozen=True):
    """A reply of status 200. With ``error`` it is no answer and nothing else counts."""

    body: bytes
    usage: Usage | None = None
    error: UpstreamError | None = None
    empty: bool = False
    """It holds no choice and no embedding."""

    def calls(self) -> dict[str, int]:
        """Of hosted tools, by unit."""
        return SearchCounter(self.body).calls

    def text(self) -> str:
        """What the model wrote, for an estimate; decoded only when asked for."""
        chunk = _read_chunk(self.body)
        texts: list[str] = []
        for choice in (chunk.choices if chunk else None) or ():
            gather_text(choice, choice.message, texts)
        return "".join(texts)


def read_reply(operation: Operation, body: bytes) -> WholeReply:
    """Never raises: what is not an answer comes back as ``error``."""
    try:
        envelope = _decode_envelope(body)
    except (ValueError, RecursionError):
        return _read_odd(operation, body)
    answer = envelope.data if operation == "openai_embeddings" else envelope.choices
    empty = _is_empty(answer)
    if empty or not _is_empty(envelope.error) or envelope.base_resp is not ABSENT:
        return _read_odd(operation, body)
    usage = None if envelope.usage is ABSENT else read_usage(envelope.usage)
    if envelope.timings is not ABSENT:
        usage = with_timings(usage, any_of(envelope.timings))
    if (failed := _failed_finish(envelope.choices)) is not None:
        return WholeReply(body, usage, counted(failed, usage))
    if usage is not None and operation == "openai_chat":
        usage = with_calls(usage, SearchCounter(body).calls)
    return WholeReply(body, usage)


def _failed_finish(choices: Raw) -> UpstreamError | None:
    """The fault of an answer that says at its end that it failed. No string holds a quote that is not
    escaped, so what is found is a field."""
    for found in _FINISH.finditer(choices):
        if found[1] not in _USUAL_FINISHES and is_failed(word := found[1].decode()):
            return failure_of(word)
    return None


def _read_odd(operation: Operation, body: bytes) -> WholeReply:
    """A reply without an answer, or one that could be an error: looked at as a whole."""
    try:
        found: Any = _decode_any(repair_surrogates(body))
    except (ValueError, RecursionError):
        return WholeReply(
            body, error=UpstreamError("transient", 200, "the answer is not JSON", "server_error")
        )
    if has_error(found):
        return WholeReply(body, error=counted(upstream_error_of(200, found), usage_beside(found)))
    key = "data" if operation == "openai_embeddings" else "choices"
    usage = found.get("usage")
    return WholeReply(body, None if usage is None else read_usage(_encode(usage)), empty=not found.get(key))


def _read_chunk(body: bytes) -> Chunk | None:
    try:
        return decode_chunk(body)
    except (ValueError, RecursionError):
        pass
    try:
        found = _decode_any(repair_surrogates(body))
    except (ValueError, RecursionError):
        return None
    return chunk_of(found) if isinstance(found, dict) else None


def _is_empty(raw: Raw) -> bool:
    view = memoryview(raw)
    return len(view) < 64 and bytes(view).strip(b'[]{}" \t\r\n') in (b"", b"null")


def fit_embeddings(body: bytes, wants_base64: bool) -> bytes:
    """The reply with its vectors as base64 (little-endian 32-bit floats) or as numbers.

    ``body`` itself when it already fits, and also when it is nothing that could be converted.
    """
    try:
        items = _decode_embeddings(body).data
    except (ValueError, RecursionError):
        return body
    unwanted = _BRACKET if wants_base64 else _QUOTE
    if not any(item.embedding is not ABSENT and memoryview(item.embedding)[0] == unwanted for item in items):
        return body
    try:
        fields = read_object(body)
        objects = read_objects(fields["data"])
        for item in objects:
            vector = item.get("embedding", NULL)
            if memoryview(vector)[0] == unwanted:
                item["embedding"] = _packed(vector) if wants_base64 else _unpacked(vector)
    except (BadJson, ValueError, RecursionError, OverflowError, struct.error, binascii.Error):
        return body
    fields["data"] = Raw(write_array(objects))
    return write_object(fields)


def _packed(vector: Raw) -> Raw:
    numbers = _decode_floats(vector)
    return Raw(b'"' + base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)) + b'"')


def _unpacked(vector: Raw) -> Raw:
    data = base64.b64decode(_decode_str(vector), validate=True)
    return Raw(_encode(struct.unpack(f"<{len(data) // 4}f", data)))
