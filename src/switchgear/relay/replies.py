"""Headers of our own answers: request id, limits, cross-origin rules."""

from typing import Literal

from switchgear.kernel.dialects import DialectName
from switchgear.link.snapshot import ChannelView
from switchgear.relay.http import Headers
from switchgear.relay.limiter import State, Window
from switchgear.relay.redact import redact
from switchgear.wire.anthropic_messages.ratelimit import ratelimit_headers

_EXPOSED = (
    "x-request-id, request-id, retry-after, x-should-retry, x-switchgear-dropped, x-switchgear-max-output, "
    "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
    "x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens"
)
_EXPOSED_MESSAGES = (
    "x-request-id, request-id, retry-after, x-should-retry, x-switchgear-dropped, x-switchgear-max-output, "
    "anthropic-ratelimit-requests-limit, anthropic-ratelimit-requests-remaining, "
    "anthropic-ratelimit-requests-reset, anthropic-ratelimit-tokens-limit, "
    "anthropic-ratelimit-tokens-remaining, anthropic-ratelimit-tokens-reset"
)
_ORIGIN = ("access-control-allow-origin", "*")
_EXPOSE = ("access-control-expose-headers", _EXPOSED)
_EXPOSE_MESSAGES = ("access-control-expose-headers", _EXPOSED_MESSAGES)
_ALLOWED = (
    "authorization, content-type, accept, x-api-key, api-key, anthropic-version, anthropic-beta, "
    "anthropic-dangerous-direct-browser-access, x-goog-api-key, x-goog-api-client, openai-beta, "
    "openai-organization, openai-project, x-stainless-arch, x-stainless-async, x-stainless-lang, "
    "x-stainless-os, x-stainless-package-version, x-stainless-retry-count, x-stainless-runtime, "
    "x-stainless-runtime-version, x-stainless-timeout, x-stainless-helper-method, x-stainless-poll-helper, "
    "x-request-id, traceparent, idempotency-key"
)
_Limited = Literal["requests", "tokens"]
_OPENAI_NAMES: dict[_Limited, tuple[str, str, str]] = {
    name: (f"x-ratelimit-limit-{name}", f"x-ratelimit-remaining-{name}", f"x-ratelimit-reset-{name}")
    for name in ("requests", "tokens")
}
_PASSED_BACK = ("openai-processing-ms", "openai-version")


def base_headers(request_id: str, dialect: DialectName) -> Headers:
    """What every answer carries."""
    is_messages = dialect == "anthropic_messages"
    expose = _EXPOSE_MESSAGES if is_messages else _EXPOSE
    headers = [("x-request-id", request_id), _ORIGIN, expose, ("server", "switchgear")]
    if is_messages:
        headers.append(("request-id", f"req_{request_id}"))
    return headers


def preflight_headers(request_id: str, asked: str | None) -> Headers:
    """The answer to OPTIONS: any origin; the asked headers are allowed too, as SDKs invent new ones."""
    allowed = _ALLOWED
    if asked and all(part.strip().replace("-", "").replace("_", "").isalnum() for part in asked.split(",")):
        allowed = f"{_ALLOWED}, {asked}"
    return [
        ("x-request-id", request_id),
        _ORIGIN,
        ("access-control-allow-methods", "GET, POST, DELETE, HEAD, OPTIONS"),
        ("access-control-allow-headers", allowed),
        ("access-control-max-age", "86400"),
        ("vary", "access-control-request-headers"),
        ("server", "switchgear"),
    ]


def limit_headers(state: State, dialect: DialectName, now_ms: int) -> Headers:
    """What is left of the key's own limits, in the headers of the client's dialect; nothing for limits that
    it does not have. Google has no such headers: its clients are told by the error when to come back."""
    headers: Headers = []
    if dialect == "gemini_generate":
        return headers
    write = _anthropic_window if dialect == "anthropic_messages" else _openai_window
    if state.requests is not None:
        headers += write("requests", state.requests, now_ms)
    if state.tokens is not None:
        headers += write("tokens", state.tokens, now_ms)
    return headers


def passed_back(upstream: dict[str, str], channel: ChannelView) -> Headers:
    """The few upstream headers that clients may see."""
    return [
        (name, redact(upstream[name], channel.secrets, channel.headers))
        for name in _PASSED_BACK
        if name in upstream
    ]


def go_duration(ns: int) -> str:
    """A duration as OpenAI writes it: ``120ms``, ``1s``, ``6m0s``."""
    ms = -(-ns // 1_000_000)
    if ms < 1000:
        return f"{ms}ms"
    minutes, rest_ms = divmod(ms, 60_000)
    seconds = f"{rest_ms / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def _openai_window(name: _Limited, window: Window, now_ms: int) -> Headers:
    limit, remaining, reset = _OPENAI_NAMES[name]
    return [
        (limit, str(window.limit)),
        (remaining, str(window.remaining)),
        (reset, go_duration(window.ahead_ns)),
    ]


def _anthropic_window(name: _Limited, window: Window, now_ms: int) -> Headers:
    reset_at_s = -(-(now_ms * 1_000_000 + window.ahead_ns) // 1_000_000_000)
    return ratelimit_headers(name, window.limit, window.remaining, reset_at_s)
