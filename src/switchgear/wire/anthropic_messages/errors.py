"""Errors in the Messages form, whole and inside a stream.

Clients of this dialect choose what to do by ``type`` and by some wordings, such as "prompt is too long", on
which they compact; so an upstream's own words are kept.
"""

import msgspec

from switchgear.kernel.errors import (
    CHANNELS_COOLING,
    CONTEXT_TOO_LONG,
    DRAINING,
    MISSING_PARAMETER,
    MODEL_UNKNOWN,
    OVERLOADED,
    QUOTA,
    STORE_AWAY,
    UPSTREAM_AUTH,
    UPSTREAM_ERROR,
    UPSTREAM_FUNDS,
    UPSTREAM_REFUSED,
    ApiError,
)
from switchgear.wire.faults.headers import error_headers

PROMPT_TOO_LONG = "prompt is too long"
_TOO_LONG = (PROMPT_TOO_LONG, "exceed context limit")
"""Either is known to clients."""

_encode = msgspec.json.Encoder().encode

_OVERLOADED_STATUS = 529
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STATUSES = {
    QUOTA.name: 402,
    CHANNELS_COOLING.name: _OVERLOADED_STATUS,
    UPSTREAM_FUNDS.name: _OVERLOADED_STATUS,
    OVERLOADED.name: _OVERLOADED_STATUS,
    STORE_AWAY.name: _OVERLOADED_STATUS,
    DRAINING.name: _OVERLOADED_STATUS,
    UPSTREAM_AUTH.name: 500,
}


def render_error(err: ApiError, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """(status, headers, body). The body names the request id, as the ``request-id`` header does."""
    shown_id = shown_request_id(request_id)
    status = _status(err)
    body = _encode({"type": "error", "error": _error(err, status), "request_id": shown_id})
    return status, [*error_headers(err), ("request-id", shown_id)], body


def render_stream_error(err: ApiError, request_id: str) -> bytes:
    """The event that ends a stream whose headers are out; nothing may follow it."""
    found = {"type": "error", "error": _error(err, _status(err)), "request_id": shown_request_id(request_id)}
    return b"event: error\ndata: " + _encode(found) + b"\n\n"


def shown_request_id(request_id: str) -> str:
    """A request id as this dialect writes it: with ``req_`` before it."""
    return request_id if request_id.startswith("req_") else f"req_{request_id}"


def _status(err: ApiError) -> int:
    if err.row.name == UPSTREAM_ERROR.name and err.row.status == 503:
        return _OVERLOADED_STATUS
    return _STATUSES.get(err.row.name, err.row.status)


def _error(err: ApiError, status: int) -> dict[str, str]:
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": kind, "message": _message(err)}


def _message(err: ApiError) -> str:
    message = err.message
    match err.row.name:
        case UPSTREAM_REFUSED.name:
            return message
        case CONTEXT_TOO_LONG.name:
            known = any(phrase in message.lower() for phrase in _TOO_LONG)
            return message if known else f"{PROMPT_TOO_LONG}: {message}"
        case MISSING_PARAMETER.name if err.param:
            return f"{err.param}: Field required"
        case MODEL_UNKNOWN.name:
            return message if message.startswith("model:") else f"model: {message}"
    return f"{err.param}: {message}" if err.param and not message.startswith(err.param) else message
