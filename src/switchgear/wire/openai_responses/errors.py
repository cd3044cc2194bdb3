"""Errors of our own: a body in the OpenAI form, and the event by which a stream fails."""

import msgspec

from switchgear.kernel.errors import ApiError
from switchgear.kernel.ids import id_time_ms
from switchgear.wire.dialect import Headers
from switchgear.wire.faults.headers import error_headers
from switchgear.wire.openai_responses.to_client.sequence import Sequence
from switchgear.wire.openai_responses.to_client.whole import ResponseObject
from switchgear.wire.openai_shared.error import error_object, message_of

_encode = msgspec.json.Encoder().encode

# Codes that clients of the dialect know; others may fail to parse there.
_KNOWN_CODES = frozenset(
    {
        "server_error",
        "rate_limit_exceeded",
        "invalid_prompt",
        "context_length_exceeded",
        "insufficient_quota",
        "vector_store_timeout",
        "bio_policy",
        "misalignment_policy_violation",
        "image_content_policy_violation",
    }
)


def render_error(err: ApiError, request_id: str) -> tuple[int, Headers, bytes]:
    """(status, headers, body)."""
    return err.row.status, error_headers(err), _encode(error_object(err, request_id))


def render_stream_error(err: ApiError, request_id: str) -> bytes:
    """A stream that fails before anything was said of it: some clients wait for this event and ignore a bare
    ``error``."""
    response = ResponseObject(request_id, "", _made_s(request_id), {})
    sequence = Sequence()
    sequence.add(
        b"response.failed", b',"response":' + response.render("failed", error=failure(err, request_id))
    )
    return sequence.take()


def _made_s(request_id: str) -> int:
    try:
        return id_time_ms(request_id) // 1000
    except ValueError:  # one of the client's own
        return 0


def failure(err: ApiError, request_id: str) -> bytes:
    """The ``error`` of a failed response."""
    return _encode({"code": _code(err), "message": message_of(err, request_id)})


def _code(err: ApiError) -> str:
    code = err.row.code or ""
    if code in _KNOWN_CODES:
        return code
    if err.row.status == 429:
        return "rate_limit_exceeded"
    return "invalid_prompt" if 400 <= err.row.status < 500 else "server_error"
