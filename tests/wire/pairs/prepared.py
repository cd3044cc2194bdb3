"""What an upstream gets of a client's request, and what the client is shown to have lost."""

import json
from typing import Any

from tests.wire.pairs.relay import Target, prepare_for, read_call

from switchgear.kernel.dialects import DialectName

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
GEMINI = "/v1beta/models/m1:generateContent"
PATHS: dict[DialectName, str] = {
    "openai_chat": CHAT,
    "openai_responses": RESPONSES,
    "anthropic_messages": MESSAGES,
    "gemini_generate": GEMINI,
}
ASKS: dict[DialectName, dict[str, Any]] = {
    "openai_chat": {"model": "m1", "messages": [{"role": "user", "content": "hi"}]},
    "openai_responses": {"model": "m1", "input": "hi"},
    "anthropic_messages": {"model": "m1", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]},
    "gemini_generate": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}
"""The shortest request of each dialect."""


def unknown(dialect: DialectName) -> Target:
    """An upstream whose model the catalogue does not know."""
    return Target(dialect, "compatible", "unheard-of")


def sent(client: DialectName, target: Target, **more: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(the body that the upstream gets, what is named as dropped). Raises ApiError."""
    body = {key: value for key, value in {**ASKS[client], **more}.items() if value is not Ellipsis}
    dialect, call = read_call(PATHS[client], json.dumps(body).encode())
    prepared = prepare_for(target, dialect, call)
    return json.loads(prepared.body), prepared.dropped
