"""The dialects that clients and upstreams speak, and the operations of each: one word for each everywhere."""

from typing import Literal

DialectName = Literal["openai_chat", "openai_responses", "anthropic_messages", "gemini_generate"]
DIALECTS: tuple[DialectName, ...] = (
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "gemini_generate",
)
"""A dialect is named as the operation that generates in it."""

OPERATIONS_OF: dict[DialectName, tuple[str, ...]] = {
    "openai_chat": ("openai_chat", "openai_completions", "openai_embeddings"),
    "openai_responses": ("openai_responses",),
    "anthropic_messages": ("anthropic_messages", "anthropic_count_tokens"),
    "gemini_generate": ("gemini_generate", "gemini_count_tokens", "gemini_embed"),
}
