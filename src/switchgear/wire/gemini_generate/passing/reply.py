"""What is read of a whole JSON reply that passes through."""

from typing import Any

import msgspec

from switchgear.kernel.usage import Usage, with_calls
from switchgear.wire.call import Operation
from switchgear.wire.faults.upstream_error import UpstreamError, broken, counted, upstream_error_of
from switchgear.wire.framing.splice import any_of
from switchgear.wire.gemini_generate.frames import (
    Chunk,
    block_reason,
    error_of,
    is_given,
    read_chunk,
    shows_image,
    written,
)
from switchgear.wire.gemini_generate.hosted_calls import calls_of, sum_of
from switchgear.wire.gemini_generate.usage import read_usage, usage_beside, with_images


class WholeReply(msgspec.Struct, frozen=True):
    """A reply of status 200. With ``error`` it is no answer and nothing else counts."""

    body: bytes
    usage: Usage | None = None
    error: UpstreamError | None = None
    empty: bool = False
    """It holds no candidate and no embedding, and does not say that the prompt was refused."""

    def calls(self) -> dict[str, int]:
        """Of hosted tools, by unit; decoded only when asked for."""
        chunk = read_chunk(self.body)
        return _calls(chunk) if chunk is not None else {}

    def text(self) -> str:
        """What the model wrote, for an estimate; decoded only when asked for."""
        chunk = read_chunk(self.body)
        return "".join(written(part) for part in _parts(chunk)) if chunk is not None else ""


def read_reply(operation: Operation, body: bytes) -> WholeReply:
    """Never raises: what is not an answer comes back as ``error``."""
    if operation == "gemini_embed":
        return _read_embeddings(body)
    chunk = read_chunk(body)
    if chunk is None:
        return WholeReply(body, error=error_of(body))
    if is_given(chunk.error):
        found = any_of(body)
        return WholeReply(body, error=counted(upstream_error_of(200, found), usage_beside(found)))
    usage = read_usage(chunk.usage_metadata) if is_given(chunk.usage_metadata) else None
    if not chunk.candidates:
        return WholeReply(body, usage, empty=not block_reason(chunk))
    images = sum(map(shows_image, _parts(chunk)))
    usage = with_images(usage, images)
    return WholeReply(body, with_calls(usage, _calls(chunk)) if usage is not None else None)


def _calls(chunk: Chunk) -> dict[str, int]:
    model = chunk.model_version or ""
    return sum_of([calls_of(candidate.grounding_metadata, model) for candidate in chunk.candidates or ()])


def _parts(chunk: Chunk) -> list[Any]:
    return [
        part
        for candidate in chunk.candidates or ()
        if candidate.content is not None
        for part in candidate.content.parts or ()
    ]


def _read_embeddings(body: bytes) -> WholeReply:
    found = any_of(body)
    if not isinstance(found, dict):
        return WholeReply(body, error=broken("the answer is not JSON"))
    if found.get("error"):
        return WholeReply(body, error=upstream_error_of(200, found))
    metadata = found.get("usageMetadata")
    usage = read_usage(msgspec.json.encode(metadata)) if metadata else None
    return WholeReply(body, usage, empty=not (found.get("embedding") or found.get("embeddings")))
