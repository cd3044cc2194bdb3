"""Upstreams of this dialect with different habits, and what a request looks like to them."""

import json
from typing import Any

from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.neutral.request import (
    FunctionTool,
    Opaque,
    Request,
    Text,
    Turn,
    Upstream,
)
from switchgear.wire.openai_chat.to_upstream.request import write_request

OPENAI = Upstream("gpt-5.2", "openai", "openai", ModelFacts(thinking="effort", no_max_tokens=True))
PLAIN = Upstream("llama-3", "compatible", "openai")
DEEPSEEK = Upstream(
    "deepseek-v4-pro",
    "deepseek",
    "deepseek",
    ModelFacts(
        thinking="type",
        efforts=("low", "high", "max"),
        thinking_auto_only=True,
        needs_reasoning_back=True,
        json_schema=False,
    ),
)
QWEN = Upstream("qwen-plus", "dashscope", "dashscope", ModelFacts(thinking="switch", system_first=True))
CLAUDE = Upstream("claude-opus-4-5", "openrouter", "anthropic")
GEMINI = Upstream("gemini-3-pro", "gemini", "google")
HI = Turn("user", (Text("hi"),))
F = FunctionTool("f", "Does it.", Raw(b'{"type":"object","properties":{}}'))


def body_of(request: Request, upstream: Upstream = PLAIN) -> dict[str, Any]:
    written = write_request(request, upstream).body
    return {key: json.loads(bytes(value)) for key, value in written.items()}


def messages_of(*turns: Turn, upstream: Upstream = PLAIN, **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body_of(Request(turns, **fields), upstream)["messages"]
    return found


def user(*parts: Any) -> Turn:
    return Turn("user", parts)


def answered(*parts: Any) -> Turn:
    return Turn("assistant", parts)


SIG, SIG2 = Opaque("anthropic", "signature", "SIG"), Opaque("anthropic", "signature", "SIG2")


def detail(**parts: Any) -> dict[str, Any]:
    return {"type": "reasoning.text", "format": "anthropic-claude-v1", **parts}
