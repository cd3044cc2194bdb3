"""Tools that clients of this dialect run themselves and whose arguments Anthropic's models know by heart; for
other models they are described like any function."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.wire.neutral.request import CacheTtl, FunctionTool

_encode = msgspec.json.Encoder().encode

_STRING: dict[str, Any] = {"type": "string"}
_INTEGER: dict[str, Any] = {"type": "integer"}
_RANGE: dict[str, Any] = {"type": "array", "items": _INTEGER, "description": "First and last line."}


def _schema(required: tuple[str, ...], **properties: dict[str, Any]) -> Raw:
    return Raw(_encode({"type": "object", "properties": properties, "required": required}))


def _words(*words: str) -> dict[str, Any]:
    return {"type": "string", "enum": words}


_TOOLS: tuple[tuple[str, str, Raw], ...] = (
    (
        "bash_",
        "Runs a command in a shell that keeps its state between calls.",
        _schema((), command=_STRING, restart={"type": "boolean"}),
    ),
    (
        "text_editor_",
        "Views and edits files.",
        _schema(
            ("command", "path"),
            command=_words("view", "create", "str_replace", "insert"),
            path=_STRING,
            file_text=_STRING,
            old_str=_STRING,
            new_str=_STRING,
            insert_line=_INTEGER,
            insert_text=_STRING,
            view_range=_RANGE,
        ),
    ),
    (
        "memory_",
        "Keeps notes in files under /memories.",
        _schema(
            ("command",),
            command=_words("view", "create", "str_replace", "insert", "delete", "rename"),
            path=_STRING,
            file_text=_STRING,
            old_str=_STRING,
            new_str=_STRING,
            insert_line=_INTEGER,
            insert_text=_STRING,
            old_path=_STRING,
            new_path=_STRING,
            view_range=_RANGE,
        ),
    ),
)


def client_tool(kind: str, name: str, cache: CacheTtl) -> FunctionTool | None:
    """The tool of type ``kind`` as a function; None when it is not one of these."""
    for front, description, schema in _TOOLS:
        if kind.startswith(front):
            return FunctionTool(name or front.rstrip("_"), description, schema, cache=cache)
    return None
