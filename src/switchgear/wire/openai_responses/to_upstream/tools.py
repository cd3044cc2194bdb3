"""Tools and the choice among them, as this dialect declares them."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.neutral.free_text_tools import SCHEMA, described
from switchgear.wire.neutral.object_schema import function_schema
from switchgear.wire.neutral.request import CustomTool, FunctionTool, HostedTool, Tool, ToolChoice
from switchgear.wire.neutral.tool_ids import ToolNames
from switchgear.wire.openai_responses.from_client.tools import hosted_kind

_decode_any = msgspec.json.Decoder().decode


Written = list[dict[str, Any]]


def write_tools(tools: tuple[Tool, ...], names: ToolNames, takes_custom: bool) -> tuple[Written, list[str]]:
    """(tools, concepts that were left out). ``takes_custom``: the upstream knows tools of free text."""
    written: Written = []
    dropped: dict[str, None] = {}
    for tool in tools:
        if isinstance(tool, FunctionTool):
            written.append(_function(tool, names))
        elif isinstance(tool, CustomTool):
            written.append(_custom(tool, names) if takes_custom else _wrapped(tool, names))
        elif (hosted := _hosted(tool)) is not None:
            written.append(hosted)
            if tool.blocked_domains or tool.uses_max is not None:
                dropped["web_search_domains"] = None
        else:
            dropped[tool.kind] = None
    return written, list(dropped)


def _function(tool: FunctionTool, names: ToolNames) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "function", "name": names.shorten(tool.name)}
    if tool.description:
        found["description"] = tool.description
    found["parameters"] = function_schema(tool.schema)
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


def _wrapped(tool: CustomTool, names: ToolNames) -> dict[str, Any]:
    name = names.shorten(tool.name)
    return {
        "type": "function",
        "name": name,
        "description": described(tool),
        "parameters": SCHEMA,
        "strict": False,
    }


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


def write_choice(
    choice: ToolChoice, tools: Written, names: ToolNames, facts: ModelFacts, takes_allowed: bool
) -> tuple[Written, Any, bool]:
    """(tools, choice or None, whether the choice is lost). ``tools``: as they were written; some are left out
    where the upstream has no other way to heed the choice. ``takes_allowed``: it knows ``allowed_tools``."""
    mode = "required" if choice.mode == "named" and choice.allowed else choice.mode
    if choice.allowed and takes_allowed and mode != "none":
        allowed = [_chosen(name, tools, names) for name in choice.allowed]
        return tools, {"type": "allowed_tools", "mode": mode, "tools": allowed}, False
    if choice.allowed:
        tools = _only(choice.allowed, tools, names)
    kinds = facts.tool_choices
    if kinds and mode not in kinds:
        if mode == "none":
            return [], None, False
        if mode == "named":
            tools = _only((choice.name,), tools, names) or tools
        return tools, "auto", True
    return tools, _chosen(choice.name, tools, names) if mode == "named" else mode, False


def _only(wanted: tuple[str, ...], tools: Written, names: ToolNames) -> Written:
    shortened = {names.shorten(name) for name in wanted}
    return [tool for tool in tools if tool.get("name", hosted_kind(tool["type"])) in shortened]


def _chosen(name: str, tools: Written, names: ToolNames) -> dict[str, Any]:
    short = names.shorten(name)
    for tool in tools:
        if tool.get("name") == short:
            return {"type": tool["type"], "name": short}
    for tool in tools:
        if "name" not in tool and name in (tool["type"], hosted_kind(tool["type"])):
            return {"type": tool["type"]}
    return {"type": "function", "name": short}
