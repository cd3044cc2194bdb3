"""Errors of our own in the OpenAI form, whole and inside a stream."""

import msgspec

from switchgear.kernel.errors import ApiError
from switchgear.wire.faults.headers import error_headers
from switchgear.wire.openai_shared.error import error_object

_encode = msgspec.json.Encoder().encode


def render_error(err: ApiError, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """(status, headers, body)."""
    return err.row.status, error_headers(err), _encode(error_object(err, request_id))


def render_stream_error(err: ApiError, request_id: str) -> bytes:
    """The frame that ends a stream whose headers are out; no end marker may follow it."""
    return b"data: " + _encode(error_object(err, request_id)) + b"\n\n"
