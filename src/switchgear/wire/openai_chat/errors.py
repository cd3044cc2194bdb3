"""Errors of our own in the OpenAI form, whole and inside a stream."""

import msgspec

from switchgear.kernel.errors import UPSTREAM_REFUSED, ApiError
from switchgear.wire.error_headers import error_headers

_encode = msgspec.json.Encoder().encode


def render_error(err: ApiError, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """(status, headers, body). The request id stands in our own texts, not in an upstream's."""
    return err.row.status, error_headers(err), _encode(_error_object(err, request_id))


def render_stream_error(err: ApiError, request_id: str) -> bytes:
    """The frame that ends a stream whose headers are out; no end marker may follow it."""
    return b"data: " + _encode(_error_object(err, request_id)) + b"\n\n"


def _error_object(err: ApiError, request_id: str) -> dict[str, dict[str, str | None]]:
    message = err.message
    if err.row.name != UPSTREAM_REFUSED.name:
        message = f"{message} (request id: {request_id})"
    return {"error": {"message": message, "type": err.row.type, "param": err.param, "code": err.row.code}}
