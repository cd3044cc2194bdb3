"""Tools and the choice among them, as this dialect declares them."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.wire.ir import CustomTool, FunctionTool, HostedTool, Tool, ToolChoice
from switchgear.wire.tool_ids import ToolNames

_NO_ARGUMENTS = Raw(b'{"type":"object","properties":{}}')
_decode_any = msgspec.json.Decoder().decode


def write_tools(tools: tuple[Tool, ...], names: ToolNames) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """(tools, concepts that were left out)."""
    written: list[dict[str, Any]] = []
    dropped: dict[str, None] = {}
    for tool in tools:
        if isinstance(tool, FunctionTool):
            written.append(_function(tool, names))
        elif isinstance(tool, CustomTool):
            written.append(_custom(tool, names))
        elif (hosted := _hosted(tool)) is not None:
            written.append(hosted)
            if tool.blocked_domains or tool.uses_max is not None:
                dropped["web_search_domains"] = None
        else:
            dropped[tool.kind] = None
    return written, tuple(dropped)


def _function(tool: FunctionTool, names: ToolNames) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "function", "name": names.shorten(tool.name)}
    if tool.description:
        found["description"] = tool.description
    found["parameters"] = _NO_ARGUMENTS if tool.schema is None else tool.schema
    # Absent means strict here, and not strict where most requests come from.
    found["strict"] = bool(tool.strict)
    return found


def _custom(tool: CustomTool, names: ToolNames) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "custom", "name": names.shorten(tool.name)}
    if tool.description:
        found["description"] = tool.description
    if tool.format is not None:
        found["format"] = _flat_format(tool.format)
    return found


def _flat_format(raw: Raw) -> Any:
    """Chat Completions nests the grammar one level deeper."""
    try:
        found = _decode_any(raw)
    except (ValueError, RecursionError):
        return {"type": "text"}
    grammar = found.get("grammar") if isinstance(found, dict) else None
    return {"type": "grammar", **grammar} if isinstance(grammar, dict) else found


def _hosted(tool: HostedTool) -> dict[str, Any] | None:
    """None for those that have no equivalent here."""
    if tool.dialect == "openai_responses":
        found: dict[str, Any] = _decode_any(tool.raw)
        return found
    if tool.kind == "web_search":
        search: dict[str, Any] = {"type": "web_search"}
        if tool.allowed_domains:
            search["filters"] = {"allowed_domains": list(tool.allowed_domains)}
        if tool.context_size:
            search["search_context_size"] = tool.context_size
        if tool.location is not None:
            search["user_location"] = {"type": "approximate", **_decode_any(tool.location)}
        return search
    if tool.kind == "code_execution":
        return {"type": "code_interpreter", "container": {"type": "auto"}}
    if tool.kind == "image_generation":
        return {"type": "image_generation"}
    return None


def write_choice(choice: ToolChoice, tools: list[dict[str, Any]], names: ToolNames) -> Any:
    """``tools``: as they were written."""
    if choice.allowed:
        mode = "required" if choice.mode in ("required", "named") else "auto"
        allowed = [_chosen(name, tools, names) for name in choice.allowed]
        return {"type": "allowed_tools", "mode": mode, "tools": allowed}
    if choice.mode == "named":
        return _chosen(choice.name, tools, names)
    return choice.mode


def _chosen(name: str, tools: list[dict[str, Any]], names: ToolNames) -> dict[str, Any]:
    short = names.shorten(name)
    for tool in tools:
        if tool.get("name") == short:
            return {"type": tool["type"], "name": short}
    for tool in tools:
        if "name" not in tool and tool["type"].startswith(name):
            return {"type": tool["type"]}
    return {"type": "function", "name": short}
