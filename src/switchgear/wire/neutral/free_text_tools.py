"""Tools that take free text, for upstreams that know functions only: a function with one string,
``input``."""

from typing import Any

import msgspec

from switchgear.wire.neutral.request import CustomTool

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}


def described(tool: CustomTool) -> str:
    """The tool's description, with the grammar of its input if it has one."""
    if tool.format is None or b'"grammar"' not in bytes(tool.format):
        return tool.description
    grammar = bytes(tool.format).decode("utf-8", "replace")
    return f"{tool.description}\n\nThe input follows this format: {grammar}".strip()


def wrapped(text: str) -> str:
    """Free text as such a function's arguments."""
    return msgspec.json.encode({"input": text}).decode()


def unwrapped(arguments: str) -> str:
    """The free text out of such a function's arguments; what isn't that, as it is."""
    try:
        found = msgspec.json.decode(arguments)
    except (ValueError, RecursionError):
        return arguments
    text = found.get("input") if isinstance(found, dict) else None
    return text if isinstance(text, str) else arguments
