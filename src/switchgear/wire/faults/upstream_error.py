"""What an upstream's error says, in whatever dialect and shape, as a kind that tells what to do about it.

Kinds, decided by status and code fields, and by the words of a message only where a vendor has no code
(``wire.fault_sentences``, ``wire.context_length``):
``client`` the request itself, no other channel would help · ``content`` refused by a filter, likewise ·
``model`` not served by this channel, another may · ``auth`` and ``funds`` the channel is dead ·
``limited`` the channel has to cool · ``loop`` the channel leads back to a relay that the call came through ·
``transient`` anything else.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from switchgear.kernel.errors import (
    CONTEXT_TOO_LONG,
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
from switchgear.kernel.usage import Usage
from switchgear.wire.faults.codes import FaultKind, kind_of_codes, names_model
from switchgear.wire.faults.context_length import CONTEXT_CODE, is_too_long, is_too_long_for
from switchgear.wire.faults.google import google_details
from switchgear.wire.faults.messages import message_of
from switchgear.wire.faults.retry_after import read_retry_after
from switchgear.wire.faults.scrub import scrub
from switchgear.wire.faults.sentences import is_unaffordable, kind_of_sentence

_decode_any = msgspec.json.Decoder().decode

_OPENAI_CONTENT_CODES = frozenset({"content_policy_violation", "content_filter", "moderation_blocked"})
# An upstream has no such model or path: a channel's matter, not the client's.
_NOT_SERVED = frozenset({404, 405, 410})
_TRANSIENT_STATUSES = frozenset({408, 409, 425})
_NO_SUCH_PATH = frozenset({"", "not found", "404 not found", "404 page not found", "no route matched"})
"""Messages of servers that are not what the base URL was taken for."""
_HTTP_ERRORS = range(400, 600)
_TOO_LARGE = "request_too_large"
_TOO_LARGE_STATUS = 413
_TYPE_OF = {_TOO_LARGE: "invalid_request_error"}
"""Anthropic's types of refusals that the others have no such type for."""
_STATUS_OF_WORD = {
    "overloaded_error": 503,
    "unavailable": 503,
    "engine_overloaded_error": 503,
    "api_error": 500,
    "internal": 500,
}
"""What an upstream would have answered, had its stream not begun."""


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
        *,
        of_request: bool = False,
    ) -> None:
        super().__init__(f"{kind} {status} {code or type}".strip())
        self.kind: FaultKind = kind
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s
        self.of_request = of_request
        """It may well be this request's fault alone: nothing is held against the channel for it."""
        self.usage: Usage | None = None
        """What was counted all the same; set by the reader of the answer that failed."""


def counted(error: UpstreamError, usage: Usage | None) -> UpstreamError:
    """The error with what the upstream counted before it, unless it says so itself."""
    error.usage = error.usage or usage
    return error


def read_upstream_error(
    status: int, headers: Mapping[str, str], body: bytes, now_s: float | None = None
) -> UpstreamError:
    """What an upstream's error says, in whatever shape; never raises. ``now_s`` (Unix time) is needed to read
    a ``retry-after`` that is a date."""
    try:
        found: Any = _decode_any(body[:ERROR_BODY_BYTES_MAX])
    except (ValueError, RecursionError):
        found = None
    error = upstream_error_of(status, found, read_retry_after(headers, now_s))
    if error.kind == "auth" and status == 403 and body.lstrip().startswith(b"<"):
        error.kind = "transient"  # a page of something in between, which a request's words may have set off
    return error


def upstream_error_of(status: int, found: Any, retry_after_s: int | None = None) -> UpstreamError:
    """The same for a decoded body."""
    message, type_, code, param = _read_parts(found)
    google = google_details(found)
    word = google.word if google else type_
    words = {word.lower() for word in (code, word) if word}
    by_codes = _classify(status, words, code, param)
    kind = kind_of_sentence(by_codes, message)
    is_certain = kind != by_codes or names_model(words)
    of_request = _is_of_request(kind, status, message, is_certain=is_certain)
    if google is not None:
        type_, code, retry_after_s = "", google.word, retry_after_s or google.retry_after_s
    if kind == "client" and is_too_long({word.lower() for word in (code, type_) if word}, message):
        code = CONTEXT_CODE
    elif kind == "transient" and is_too_long_for(message):
        kind, code = "client", CONTEXT_CODE
    return UpstreamError(kind, status, message, type_, code, param, retry_after_s, of_request=of_request)


def _is_of_request(kind: FaultKind, status: int, message: str, *, is_certain: bool) -> bool:
    if kind == "model":
        # Any other 404 with a message may be about a file or a response that the request names.
        return not is_certain and message.lower() not in _NO_SUCH_PATH
    if kind == "funds":
        return is_unaffordable(message)
    return kind == "limited" and status == _TOO_LARGE_STATUS


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
    an array; flat ``code`` and ``message``; ``base_resp``; ``Response.Error``; ``errors``; a string."""
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, str):
        return found, "", None, None
    if not isinstance(found, dict):
        return "", "", None, None
    inner = found.get("error")
    if isinstance(inner, str) and inner:
        return inner, _text(found.get("type")) or "", _text(found.get("code")), None
    if not isinstance(inner, dict):
        response = found.get("Response")
        inner = response.get("Error") if isinstance(response, dict) else found.get("base_resp")
        errors = found.get("errors")
        if isinstance(errors, list) and errors and not inner:
            inner = errors[0]  # Cloudflare
    if not isinstance(inner, dict):
        inner = found
    message, place = message_of(inner)
    code = next((text for key in ("code", "Code", "status_code") if (text := _text(inner.get(key)))), None)
    return message, _text(inner.get("type")) or "", code, _text(inner.get("param")) or place


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value[:256] or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**18 else None
    return None


def _classify(status: int, words: set[str], code: str | None, param: str | None) -> FaultKind:
    if status < 400 and code is not None and code.isascii() and code.isdigit() and int(code) in _HTTP_ERRORS:
        # Some put the status that they would have answered into the body.
        status = int(code)
    if status == LOOP.status:
        return "loop"
    by_code = kind_of_codes(words)
    if by_code in ("content", "funds", "model"):
        return by_code
    if status in _HTTP_ERRORS:
        return _kind_of_status(status, by_code, param)
    return by_code or "transient"


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
        return _too_long(err) if err.code == CONTEXT_CODE else _refused(err)
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
    said = _STATUS_OF_WORD.get((err.code or err.type).lower()) if err.status == 200 else err.status
    status = {500: 500, 503: 503, 529: 503}.get(said or 0, UPSTREAM_ERROR.status)
    return ApiError(
        msgspec.structs.replace(UPSTREAM_ERROR, status=status),
        "The upstream failed to answer.",
        retry_after_s=err.retry_after_s,
    )


def is_blocked(err: ApiError) -> bool:
    """The upstream's filter refused what was asked."""
    return err.row.name == UPSTREAM_REFUSED.name and err.row.code in _OPENAI_CONTENT_CODES


def _too_long(err: UpstreamError) -> ApiError:
    message = _shown(err) or "The request has more tokens than the model takes."
    return ApiError(CONTEXT_TOO_LONG, message, param=_clean(err.param) or "messages")


def _refused(
    err: UpstreamError, status: int | None = None, type_: str | None = None, code: str | None = None
) -> ApiError:
    row: ErrorRow = msgspec.structs.replace(
        UPSTREAM_REFUSED,
        status=status or (err.status if 400 <= err.status < 500 else 400),
        type=type_ or _TYPE_OF.get(err.type, err.type) or UPSTREAM_REFUSED.type,
        code=_clean(code or _code(err)),
    )
    return ApiError(row, _shown(err) or "The upstream refused the request.", param=_clean(err.param))


def _code(err: UpstreamError) -> str | None:
    """The upstream's code, if it is one: some repeat their status there, and Google its word for it."""
    code = err.code
    if err.type == _TOO_LARGE:
        return code or _TOO_LARGE
    if code is None or code.isupper() or (code.isascii() and code.isdigit() and int(code) in _HTTP_ERRORS):
        return None
    return code


def _shown(err: UpstreamError) -> str:
    return scrub(err.message[:ERROR_MESSAGE_CHARS_MAX])


def _clean(word: str | None) -> str | None:
    return scrub(word[:ERROR_MESSAGE_CHARS_MAX]) if word else word


def broken(message: str) -> UpstreamError:
    """An answer that is none: another candidate may do better."""
    return UpstreamError("transient", 200, message, "server_error")
