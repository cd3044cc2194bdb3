"""What of a request costs tokens, for an estimate before and without the upstream's count."""

from typing import Any

from switchgear.wire.anthropic_messages.values import decoded, is_there
from switchgear.wire.call import Call

_TOKENS_PER_MESSAGE = 4
_TOKENS_OF_TOOLS = 340
"""Of the instructions that come with any tool."""
# Of blocks and messages, the keys whose values the model reads.
_TEXT_KEYS = ("content", "text", "thinking", "title", "context", "name")
_BINARY_SOURCES = frozenset({"base64", "url", "file"})


def input_text(call: Call) -> str:
    """System, messages, then tools and schema as spelt; at most the size of the request."""
    texts: list[str] = []
    for key in ("system", "messages"):
        _gather(decoded(call.fields, key), texts)
    for key in ("tools", "output_config", "output_format"):
        if is_there(call.fields, key):
            texts.append(bytes(call.fields[key]).decode("utf-8", "replace"))
    return "\n".join(texts)


def overhead_tokens(call: Call) -> int:
    """Tokens that stand for no text: the frame of each message, and the instructions for tools."""
    messages = decoded(call.fields, "messages")
    tokens = _TOKENS_PER_MESSAGE * len(messages) if isinstance(messages, list) else 0
    tools = decoded(call.fields, "tools")
    return tokens + (_TOKENS_OF_TOOLS if isinstance(tools, list) and tools else 0)


def _gather(value: Any, texts: list[str]) -> None:
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, list):
        for item in value:
            _gather(item, texts)
    elif isinstance(value, dict):
        if isinstance(role := value.get("role"), str):
            texts.append(role)
        if value.get("type") == "tool_use":
            _gather_input(value.get("input"), texts)
        for key in _TEXT_KEYS:
            if key in value:
                _gather(value[key], texts)
        source = value.get("source")
        if isinstance(source, dict) and str(source.get("type")) not in _BINARY_SOURCES:
            _gather([source.get("data"), source.get("content")], texts)


def _gather_input(value: Any, texts: list[str]) -> None:
    """A call's arguments: every key and string in them."""
    if isinstance(value, dict):
        for key, inner in value.items():
            texts.append(str(key))
            _gather_input(inner, texts)
    elif isinstance(value, list):
        for inner in value:
            _gather_input(inner, texts)
    elif value is not None:
        texts.append(str(value))
