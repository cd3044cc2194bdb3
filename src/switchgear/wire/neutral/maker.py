"""Whose opaque reasoning tokens an upstream issues and takes back.

A signature of one maker means nothing to another, and sending it there is an error or worse. Makers are told
by the model's family first: the same models are served by many hosts, and hosts that relay know no better
name.
"""

from functools import lru_cache

from switchgear.kernel.dialects import DialectName
from switchgear.kernel.limits import ORIGINS_KEPT

ANTHROPIC = "anthropic"
GOOGLE = "google"
OPENAI = "openai"

_FAMILIES = (
    ("claude", ANTHROPIC),
    ("gemini", GOOGLE),
    ("deepseek", "deepseek"),
    ("glm", "zhipu"),
    ("kimi", "moonshot"),
    ("minimax", "minimax"),
    ("mimo", "mimo"),
    ("qwen", "dashscope"),
    ("doubao", "ark"),
    ("step-", "stepfun"),
    ("hunyuan", "hunyuan"),
    ("grok", "xai"),
)
_MAKER_OF_DIALECT: dict[DialectName, str] = {
    "anthropic_messages": ANTHROPIC,
    "gemini_generate": GOOGLE,
    "openai_responses": OPENAI,
    "openai_chat": OPENAI,
}
_ANYBODYS = frozenset({"compatible", "local", "openrouter", "openai", "anthropic", "gemini"})


@lru_cache(maxsize=ORIGINS_KEPT)
def origin_of(dialect: DialectName, vendor: str, model: str, channel: str) -> str:
    """The maker whose tokens an upstream reads. Encrypted reasoning of the Responses dialect is bound to one
    account, so there the channel is part of it."""
    name = model.lower()
    maker = next((maker for family, maker in _FAMILIES if family in name), "")
    if not maker:
        maker = _MAKER_OF_DIALECT[dialect] if vendor in _ANYBODYS else vendor
    return f"{maker}:{channel}" if dialect == "openai_responses" else maker
