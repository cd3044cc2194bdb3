"""Errors of our own in Google's form, whole and inside a stream."""

from typing import Any

import msgspec

from switchgear.kernel.errors import (
    BAD_KEY,
    CONTEXT_TOO_LONG,
    INVALID_TYPE,
    INVALID_VALUE,
    KEY_DISABLED,
    KEY_EXPIRED,
    MISSING_PARAMETER,
    QUOTA,
    RATE_REQUESTS,
    RATE_TOKENS,
    UNSUPPORTED_PARAMETER,
    UPSTREAM_AUTH,
    UPSTREAM_CONNECTION,
    UPSTREAM_REFUSED,
    ApiError,
)
from switchgear.wire.faults.headers import error_headers, retry_after_s

Headers = list[tuple[str, str]]

_TYPES = "type.googleapis.com/google.rpc."
_STATUS_OF = {
    BAD_KEY.name: 400,
    KEY_EXPIRED.name: 400,
    KEY_DISABLED.name: 403,
    UPSTREAM_AUTH.name: 500,
    UPSTREAM_CONNECTION.name: 503,
}
"""Where Google answers with another status than the rest of the world."""
_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    508: "INTERNAL",
    529: "UNAVAILABLE",
}
_KEY_INVALID = frozenset({BAD_KEY.name, KEY_EXPIRED.name})
_LIMITS = frozenset({QUOTA.name, RATE_REQUESTS.name, RATE_TOKENS.name})
_FIELD = frozenset(
    {INVALID_TYPE.name, INVALID_VALUE.name, MISSING_PARAMETER.name, UNSUPPORTED_PARAMETER.name}
)

TOO_MANY_TOKENS = "exceeds the maximum number of tokens"
"""By which clients know that a conversation got too long."""

_encode = msgspec.json.Encoder().encode


def render_error(err: ApiError, request_id: str) -> tuple[int, Headers, bytes]:
    """(status, headers, body). The request id stands in our own texts, not in an upstream's."""
    return _status(err), error_headers(err), error_body(err, request_id)


def render_stream_error(err: ApiError, request_id: str) -> bytes:
    """The frame that ends a stream whose headers are out; nothing may follow it."""
    return b"data: " + error_body(err, request_id) + b"\n\n"


def error_body(err: ApiError, request_id: str) -> bytes:
    """The error's object."""
    message = err.message
    if err.row.name == CONTEXT_TOO_LONG.name:
        message = message if TOO_MANY_TOKENS in message else f"The input {TOO_MANY_TOKENS} allowed: {message}"
    elif err.row.name != UPSTREAM_REFUSED.name:
        message = f"{message} (request id: {request_id})"
    status = _status(err)
    word = _WORDS.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")
    error: dict[str, Any] = {"code": status, "message": message, "status": word}
    if details := _details(err):
        error["details"] = details
    return _encode({"error": error})


def _status(err: ApiError) -> int:
    return _STATUS_OF.get(err.row.name, err.row.status)


def _details(err: ApiError) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = []
    if err.row.name in _KEY_INVALID:
        details.append(
            {"@type": _TYPES + "ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
        )
    if err.row.name in _LIMITS:
        violation = {"subject": err.row.code, "description": err.message}
        details.append({"@type": _TYPES + "QuotaFailure", "violations": [violation]})
    if err.row.name in _FIELD and err.param:
        field = {"field": err.param, "description": err.message}
        details.append({"@type": _TYPES + "BadRequest", "fieldViolations": [field]})
    seconds = retry_after_s(err)
    if seconds is not None:
        details.append({"@type": _TYPES + "RetryInfo", "retryDelay": f"{seconds}s"})
    return details
