"""The error table: each error once, with its status, blame, retry advice and OpenAI form.

Dialects render rows of this table (``wire/<dialect>/errors.py``); nothing decides by the words of a message.
"""

from typing import Literal

import msgspec

Blame = Literal["client", "us", "upstream", "operator"]


class ErrorRow(msgspec.Struct, frozen=True):
    """One kind of error as every dialect and the retry logic need to know it."""

    name: str
    status: int
    type: str
    """The OpenAI ``type``."""
    code: str | None
    """The OpenAI ``code``."""
    blame: Blame
    should_retry: bool | None = None
    """Sent as ``x-should-retry`` where it differs from what SDKs do by themselves."""
    meaning: str = ""


class ApiError(Exception):
    """A refusal or failure on its way to the client, in no dialect yet."""

    def __init__(
        self,
        row: ErrorRow,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.row = row
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.headers = headers


def _row(
    name: str,
    status: int,
    type_: str,
    code: str | None,
    blame: Blame,
    meaning: str,
    retry: bool | None = None,
) -> ErrorRow:
    return ErrorRow(name, status, type_, code, blame, retry, meaning)


_INVALID = "invalid_request_error"
_SERVER = "server_error"

NO_KEY = _row("no_key", 401, _INVALID, None, "client", "no API key in any known place", False)
BAD_KEY = _row("bad_key", 401, _INVALID, "invalid_api_key", "client", "the key is not known", False)
BAD_LOGIN = _row(
    "bad_login", 401, _INVALID, None, "client", "an operator's login or token is missing or wrong", False
)
LOGIN_THROTTLED = _row(
    "login_throttled", 429, "requests", None, "client", "too many wrong logins of this account or address"
)
KEY_DISABLED = _row("key_disabled", 401, _INVALID, "invalid_api_key", "client", "the key was disabled", False)
KEY_EXPIRED = _row("key_expired", 401, _INVALID, "invalid_api_key", "client", "the key has expired", False)
USER_DISABLED = _row(
    "user_disabled", 403, _INVALID, "account_deactivated", "client", "the account is disabled"
)
IP_NOT_ALLOWED = _row(
    "ip_not_allowed", 403, _INVALID, "ip_not_allowed", "client", "the key is not for this address"
)
QUOTA = _row(
    "quota",
    429,
    "insufficient_quota",
    "insufficient_quota",
    "client",
    "the key's quota or the user's balance does not cover the call",
    False,
)
MODEL_NOT_ALLOWED = _row(
    "model_not_allowed",
    403,
    _INVALID,
    "model_not_allowed",
    "client",
    "the key or its group may not use the model",
)
MODEL_UNKNOWN = _row("model_unknown", 404, _INVALID, "model_not_found", "client", "no such model")
MODEL_UNPRICED = _row(
    "model_unpriced",
    503,
    _SERVER,
    "model_price_error",
    "operator",
    "the model has no price, so it is refused rather than free",
    False,
)
TOOL_UNPRICED = _row(
    "tool_unpriced",
    400,
    _INVALID,
    "tool_price_error",
    "operator",
    "a tool that the upstream runs has no price with the model, so it is refused rather than free",
    False,
)
UNSUPPORTED_ENDPOINT = _row(
    "unsupported_endpoint",
    400,
    _INVALID,
    "unsupported_endpoint",
    "client",
    "the model is not served on this endpoint",
)
NO_CHANNEL = _row(
    "no_channel",
    503,
    _SERVER,
    "no_available_channel",
    "operator",
    "no enabled channel serves the model",
    False,
)
CHANNELS_COOLING = _row(
    "channels_cooling",
    503,
    _SERVER,
    "upstream_unavailable",
    "upstream",
    "every channel for the model is cooling down",
)
RATE_REQUESTS = _row("rate_requests", 429, "requests", "rate_limit_exceeded", "client", "requests per minute")
RATE_TOKENS = _row("rate_tokens", 429, "tokens", "rate_limit_exceeded", "client", "tokens per minute")
CONCURRENCY = _row(
    "concurrency", 429, "requests", "concurrency_limit_exceeded", "client", "calls at the same time"
)
UPSTREAM_LIMITED = _row(
    "upstream_limited",
    429,
    "requests",
    "rate_limit_exceeded",
    "upstream",
    "the upstream's own rate limit, after failover",
)
UPSTREAM_AUTH = _row(
    "upstream_auth",
    502,
    _SERVER,
    "upstream_auth_error",
    "operator",
    "the upstream refused the channel's credential",
)
UPSTREAM_FUNDS = _row(
    "upstream_funds",
    503,
    _SERVER,
    "upstream_unavailable",
    "operator",
    "the channel's account is out of money",
)
UPSTREAM_ERROR = _row(
    "upstream_error",
    502,
    _SERVER,
    "upstream_error",
    "upstream",
    "the upstream failed or sent something that is not an answer",
)
UPSTREAM_CONNECTION = _row(
    "upstream_connection",
    502,
    _SERVER,
    "upstream_connection_error",
    "upstream",
    "no connection, or it broke before the answer",
)
UPSTREAM_TIMEOUT = _row(
    "upstream_timeout",
    504,
    _SERVER,
    "upstream_timeout",
    "upstream",
    "the upstream took longer than a deadline",
)
UPSTREAM_CUT = _row(
    "upstream_cut", 502, _SERVER, "upstream_cut", "upstream", "the stream was cut before its end"
)
UPSTREAM_STALLED = _row(
    "upstream_stalled", 504, _SERVER, "upstream_stalled", "upstream", "the upstream stopped sending"
)
UPSTREAM_REFUSED = _row("upstream_refused", 400, _INVALID, None, "client", "the upstream refused the request")
BODY_TOO_LARGE = _row(
    "body_too_large", 413, _INVALID, "request_too_large", "client", "the body is over the bound"
)
BODY_TIMEOUT = _row(
    "body_timeout", 408, _INVALID, "request_timeout", "client", "the body did not arrive in time"
)
BAD_JSON = _row("bad_json", 400, _INVALID, None, "client", "the body is not JSON")
UNSUPPORTED_ENCODING = _row(
    "unsupported_encoding",
    415,
    _INVALID,
    "unsupported_content_encoding",
    "client",
    "a content encoding that we do not read",
)
BAD_ENCODING = _row(
    "bad_encoding", 400, _INVALID, None, "client", "the body is not what its content encoding says"
)
BAD_FRAMING = _row(
    "bad_framing", 400, _INVALID, None, "client", "the body's chunks or trailers are not what HTTP allows"
)
UNSUPPORTED_MEDIA = _row(
    "unsupported_media", 415, _INVALID, "unsupported_media_type", "client", "not a JSON body"
)
MISSING_PARAMETER = _row(
    "missing_parameter", 400, _INVALID, "missing_required_parameter", "client", "a required field is absent"
)
INVALID_TYPE = _row("invalid_type", 400, _INVALID, "invalid_type", "client", "a field has the wrong type")
INVALID_VALUE = _row(
    "invalid_value", 400, _INVALID, "invalid_value", "client", "a field has a value out of range"
)
UNSUPPORTED_PARAMETER = _row(
    "unsupported_parameter",
    400,
    _INVALID,
    "unsupported_parameter",
    "client",
    "a field that no upstream of the model can carry",
)
CONTEXT_TOO_LONG = _row(
    "context_too_long",
    400,
    _INVALID,
    "context_length_exceeded",
    "client",
    "the request has more tokens than the model takes",
)
PREVIOUS_UNKNOWN = _row(
    "previous_unknown",
    400,
    _INVALID,
    "previous_response_not_found",
    "client",
    "the response to continue does not exist, has expired, or belongs to another account",
)
RESPONSE_UNKNOWN = _row(
    "response_unknown", 404, _INVALID, None, "client", "no such response, or another account's"
)
OBJECT_UNKNOWN = _row(
    "object_unknown",
    403,
    _INVALID,
    "object_not_found",
    "client",
    "a file, container, conversation or the like that was not made for this account through the relay",
)
PATH_UNKNOWN = _row("path_unknown", 404, _INVALID, "unknown_url", "client", "no such path")
METHOD_NOT_ALLOWED = _row(
    "method_not_allowed", 405, _INVALID, "method_not_allowed", "client", "no such method here"
)
NO_WEBSOCKET = _row(
    "no_websocket", 426, _INVALID, "upgrade_required", "client", "the path is spoken to by plain HTTP only"
)
LOOP = _row("loop", 508, _INVALID, "relay_loop", "operator", "a channel leads back to this relay", False)
OVERLOADED = _row("overloaded", 503, _SERVER, "overloaded", "us", "this relay takes no more calls right now")
STORE_AWAY = _row(
    "store_away",
    503,
    _SERVER,
    "temporarily_unavailable",
    "us",
    "the controller or its database can't be asked right now",
)
DRAINING = _row("draining", 503, _SERVER, "maintenance", "us", "this relay is shutting down")
INTERNAL = _row("internal", 500, _SERVER, "internal_error", "us", "a fault of ours")

TABLE: dict[str, ErrorRow] = {row.name: row for row in list(globals().values()) if isinstance(row, ErrorRow)}
