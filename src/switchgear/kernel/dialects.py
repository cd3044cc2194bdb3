"""The dialects that clients and upstreams speak, and the operations of each: one list for every layer.

A *dialect* is a way to talk with a text model; an *operation* is one endpoint of a dialect. Vendor files,
channels and the catalogue name both by these words.
"""

from typing import Literal, get_args

DialectName = Literal["openai_chat", "openai_responses", "anthropic_messages", "gemini_generate"]
DIALECTS: tuple[DialectName, ...] = get_args(DialectName)
"""A dialect is named as the operation that generates in it."""

OperationName = Literal[
    "openai_chat",
    "openai_completions",
    "openai_embeddings",
    "openai_responses",
    "anthropic_messages",
    "anthropic_count_tokens",
    "gemini_generate",
    "gemini_count_tokens",
    "gemini_embed",
]
OPERATIONS: tuple[OperationName, ...] = get_args(OperationName)

OPERATIONS_OF: dict[DialectName, tuple[OperationName, ...]] = {
    "openai_chat": ("openai_chat", "openai_completions", "openai_embeddings"),
    "openai_responses": ("openai_responses",),
    "anthropic_messages": ("anthropic_messages", "anthropic_count_tokens"),
    "gemini_generate": ("gemini_generate", "gemini_count_tokens", "gemini_embed"),
}
"""Every operation stands under exactly one dialect."""

DIALECT_OF: dict[str, DialectName] = {
    operation: dialect for dialect, operations in OPERATIONS_OF.items() for operation in operations
}
"""Operation → its dialect."""

EMBEDDING_OPERATIONS: frozenset[str] = frozenset({"openai_embeddings", "gemini_embed"})
"""They have no output to pay for."""

MODEL_SLOT = "{model}"
"""Where a path or URL of the Gemini dialect wants the model's name; the verb (``:generateContent``, …)
follows it and is added by the caller."""

ResponsesState = Literal["none", "kept", "background"]
"""What a server that speaks Responses does beyond answering: nothing; it keeps responses, so that later calls
may name them; it works in the background, too."""
