"""What an upstream's error says, in whatever dialect and shape, as a kind that tells what to do about it.

Kinds, decided by status and code fields and never by the words of a message:
``client`` the request itself, no other channel would help · ``content`` refused by a filter, likewise ·
``model`` not served by this channel, another may · ``auth`` and ``funds`` the channel is dead ·
``limited`` the channel has to cool · ``loop`` the channel leads back to a relay that the call came through ·
``transient`` anything else.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from switchgear.kernel.errors import (
    LOOP,
    MODEL_UNKNOWN,
    UPSTREAM_AUTH,
    UPSTREAM_ERROR,
    UPSTREAM_FUNDS,
    UPSTREAM_LIMITED,
    UPSTREAM_REFUSED,
    ApiError,
    ErrorRow,
)
from switchgear.kernel.limits import COOL_DEFAULT_S, ERROR_BODY_BYTES_MAX, ERROR_MESSAGE_CHARS_MAX
from switchgear.wire.google_error import google_details
from switchgear.wire.retry_after import read_retry_after
from switchgear.wire.scrub import scrub

FaultKind = Literal["client", "model", "auth", "funds", "limited", "transient", "content", "loop"]

_decode_any = msgspec.json.Decoder().decode

# Codes as vendors write them, compared in lower case. Sources: the vendors' error pages.
_CONTENT_CODES = frozenset(
    {
        "datainspectionfailed",
        "data_inspection_failed",
        "1301",
        "1026",
        "1027",
        "sensitive",
        "10013",
        "10014",
        "content_policy_violation",
        "content_filter",
        "moderation_blocked",
        "responsibleaipolicyviolation",
    }
)
_OPENAI_CONTENT_CODES = frozenset({"content_policy_violation", "content_filter", "moderation_blocked"})
_FUNDS_CODES = frozenset(
    {
        "insufficient_quota",
        "insufficient_user_quota",
        "insufficient_balance",
        "arrearage",
        "billing_not_active",
        "billing_hard_limit_reached",
        "exceeded_current_quota_error",
        "accountoverdueerror",
        "1113",
        "1008",
    }
)
_LIMITED_CODES = frozenset(
    {
        "rate_limit_exceeded",
        "rate_limit_error",
        "rate_limit_reached_error",
        "resource_exhausted",
        "1302",
        "1305",
        "1002",
        "1039",
    }
)
_AUTH_CODES = frozenset(
    {
        "invalid_api_key",
        "api_key_invalid",
        "unauthenticated",
        "invalidapikey",
        "authentication_error",
        "invalid_authentication_error",
        "1004",
        "2049",
    }
)
_MODEL_CODES = frozenset(
    {
        "model_not_found",
        "modelnotfound",
        "model_not_supported",
        "model_not_available",
        "unsupported_model",
        "modelnotopen",
        "invalidendpointormodel.notfound",
        "deploymentnotfound",
        "model_not_allowed",
        "unsupported_country_region_territory",
        "unsupported_endpoint",
        "failed_precondition",
        "1211",
    }
)
_CLIENT_CODES = frozenset(
    {
        "invalid_request_error",
        "invalidparameter",
        "invalid_parameter_error",
        "badrequesterror",
        "bad_request",
        "context_length_exceeded",
        "invalid_type",
        "invalid_value",
        "missing_required_parameter",
        "unsupported_parameter",
        "unsupported_value",
        "2013",
    }
)
# An upstream has no such model or path: a channel's matter, not the client's.
_NOT_SERVED = frozenset({404, 405, 410})
_TRANSIENT_STATUSES = frozenset({408, 409, 425})
_HTTP_ERRORS = range(400, 600)


class UpstreamError(Exception):
    """An upstream's refusal or failure. ``status`` is 200 when it came in the body or stream of an answer."""

    def __init__(
        self,
        kind: FaultKind,
        status: int,
        message: str = "",
        type: str = "",
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(f"{kind} {status} {code or type}".strip())
        self.kind: FaultKind = kind
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s


def read_upstream_error(
    status: int, headers: Mapping[str, str], body: bytes, now_s: float | None = None
) -> UpstreamError:
    """What an upstream's error says, in whatever shape; never raises. ``now_s`` (Unix time) is needed to read
    a ``retry-after`` that is a date."""
    try:
        found: Any = _decode_any(body[:ERROR_BODY_BYTES_MAX])
    except (ValueError, RecursionError):
        found = None
    return upstream_error_of(status, found, read_retry_after(headers, now_s))


def upstream_error_of(status: int, found: Any, retry_after_s: int | None = None) -> UpstreamError:
    """The same for a decoded body."""
    message, type_, code, param = _read_parts(found)
    google = google_details(found)
    if google is None:
        kind = _classify(status, type_, code, param)
        return UpstreamError(kind, status, message, type_, code, param, retry_after_s)
    kind = _classify(status, google.word, code, param)
    return UpstreamError(kind, status, message, "", google.word, param, retry_after_s or google.retry_after_s)


def has_error(found: Any) -> bool:
    """Whether a decoded answer of status 200 is an error all the same."""
    if not isinstance(found, dict):
        return True
    if found.get("error"):
        return True
    base = found.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        return True
    if found.get("choices") or found.get("data"):
        return False
    response = found.get("Response")
    if isinstance(response, dict) and response.get("Error"):
        return True
    return found.get("object") == "error" or bool(found.get("code") and found.get("message"))


def _read_parts(found: Any) -> tuple[str, str, str | None, str | None]:
    """message, type, code, param out of the shapes that are known: an ``error`` object or string, bare or in
    an array; flat ``code`` and ``message``; ``base_resp``; ``Response.Error``; ``detail``; a string."""
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, str):
        return found, "", None, None
    if not isinstance(found, dict):
        return "", "", None, None
    inner = found.get("error")
    if isinstance(inner, str) and inner:
        return inner, "", _text(found.get("code")), None
    if not isinstance(inner, dict):
        response = found.get("Response")
        inner = response.get("Error") if isinstance(response, dict) else found.get("base_resp")
    if not isinstance(inner, dict):
        inner = found
    message = next(
        (
            text
            for key in ("message", "Message", "status_msg", "detail", "msg")
            if isinstance(text := inner.get(key), str)
        ),
        "",
    )
    code = next((text for key in ("code", "Code", "status_code") if (text := _text(inner.get(key)))), None)
    return message, _text(inner.get("type")) or "", code, _text(inner.get("param"))


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value[:256] or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**18 else None
    return None


def _classify(status: int, type_: str, code: str | None, param: str | None) -> FaultKind:
    words = {word.lower() for word in (code, type_) if word}
    if status < 400 and code is not None and code.isascii() and code.isdigit() and int(code) in _HTTP_ERRORS:
        # Some put the status that they would have answered into the body.
        status = int(code)
    if status == LOOP.status:
        return "loop"
    by_code = _kind_of_codes(words)
    if by_code in ("content", "funds", "model"):
        return by_code
    if status in _HTTP_ERRORS:
        return _kind_of_status(status, by_code, param)
    return by_code or "transient"


def _kind_of_codes(words: set[str]) -> FaultKind | None:
    if words & _CONTENT_CODES:
        return "content"
    if words & _FUNDS_CODES:
        return "funds"
    if words & _MODEL_CODES:
        return "model"
    if words & _AUTH_CODES:
        return "auth"
    if words & _LIMITED_CODES or any(word.startswith("throttling") for word in words):
        return "limited"
    if words & _CLIENT_CODES:
        return "client"
    return None


def _kind_of_status(status: int, by_code: FaultKind | None, param: str | None) -> FaultKind:
    if status in (401, 403):
        return "auth"
    if status == 402:
        return "funds"
    if status == 429:
        return "limited"
    if status in _NOT_SERVED or (status < 500 and param == "model"):
        return "model"
    if status >= 500 or status in _TRANSIENT_STATUSES:
        return "transient"
    return by_code if by_code in ("auth", "limited") else "client"


def to_api_error(err: UpstreamError) -> ApiError:
    """What the client is told. Only faults of the request are passed on word for word, without secrets; what
    concerns the operator's account or host stays here."""
    if err.kind == "client":
        return _refused(err)
    if err.kind == "content":
        code = err.code if err.code in _OPENAI_CONTENT_CODES else "content_policy_violation"
        return _refused(err, status=400, type_="invalid_request_error", code=code)
    if err.kind == "model" and err.status != 403:
        return ApiError(MODEL_UNKNOWN, "The model is not available at the upstream.", param="model")
    if err.kind in ("auth", "model"):  # a 403 for one model or region is about the relay's account as well
        return ApiError(UPSTREAM_AUTH, "The upstream refused the relay's credential.")
    if err.kind == "loop":
        return ApiError(LOOP, "A channel for this model leads back to this relay.")
    if err.kind == "funds":
        return ApiError(UPSTREAM_FUNDS, "The upstream can't serve this model at the moment.")
    if err.kind == "limited":
        return ApiError(
            UPSTREAM_LIMITED,
            "The upstream's rate limit is reached.",
            retry_after_s=err.retry_after_s or COOL_DEFAULT_S,
        )
    status = {500: 500, 503: 503, 529: 503}.get(err.status, UPSTREAM_ERROR.status)
    return ApiError(
        msgspec.structs.replace(UPSTREAM_ERROR, status=status),
        "The upstream failed to answer.",
        retry_after_s=err.retry_after_s,
    )


def _refused(
    err: UpstreamError, status: int | None = None, type_: str | None = None, code: str | None = None
) -> ApiError:
    row: ErrorRow = msgspec.structs.replace(
        UPSTREAM_REFUSED,
        status=status or (err.status if 400 <= err.status < 500 else 400),
        type=type_ or err.type or UPSTREAM_REFUSED.type,
        code=_clean(code or err.code),
    )
    message = scrub(err.message[:ERROR_MESSAGE_CHARS_MAX]) or "The upstream refused the request."
    return ApiError(row, message, param=_clean(err.param))


def _clean(word: str | None) -> str | None:
    return scrub(word[:ERROR_MESSAGE_CHARS_MAX]) if word else word
