"""Tools and their choice for an upstream of this dialect."""

from typing import Any

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.wire.anthropic_messages.to_upstream.parts import cache_control
from switchgear.wire.framing.splice import any_of
from switchgear.wire.neutral.free_text_tools import SCHEMA, described
from switchgear.wire.neutral.maker import ANTHROPIC
from switchgear.wire.neutral.object_schema import object_schema
from switchgear.wire.neutral.request import (
    CustomTool,
    FunctionTool,
    HostedTool,
    Request,
    ToolChoice,
    Upstream,
)
from switchgear.wire.neutral.tool_ids import ToolNames

Tool = dict[str, Any]

_SEARCH = "web_search_20250305"
_FETCH = "web_fetch_20250910"
_CODE = "code_execution_20250825"
BETAS = {_FETCH: "web-fetch-2025-09-10", _CODE: "code-execution-2025-08-25"}
"""Type of a tool → the beta flag that it needs."""


def write_tools(request: Request, upstream: Upstream, names: ToolNames) -> tuple[list[Tool], list[str]]:
    """(tools, concepts left out). Of allowed tools only those are declared. Tools that the upstream would
    have to run itself exist at Anthropic only."""
    allowed = request.tool_choice.allowed if request.tool_choice is not None else ()
    tools: list[Tool] = []
    dropped: list[str] = []
    for tool in request.tools:
        if allowed and (tool.kind if isinstance(tool, HostedTool) else tool.name) not in allowed:
            continue
        match tool:
            case FunctionTool():
                tools.append(_function(tool, upstream, names))
            case CustomTool():
                tools.append(_custom(tool, names))
            case HostedTool() if tool.offline:
                continue  # the loss is named already
            case HostedTool():
                written = _hosted(tool) if upstream.origin == ANTHROPIC else None
                if written is None:
                    dropped.append(tool.kind)
                elif written not in tools:
                    tools.append(written)
                if tool.context_size:
                    dropped.append("web_search_domains")
    return tools, dropped


def write_choice(
    choice: ToolChoice | None, parallel: bool | None, tools: list[Tool], names: ToolNames
) -> dict[str, Any] | None:
    """None where the default says the same, or nothing is declared."""
    if not tools:
        return None
    found: dict[str, Any] = {"type": "auto"}
    match choice.mode if choice is not None else "auto":
        case "none":
            return {"type": "none"}
        case "required":
            found = {"type": "any"}
        case "named":
            found = {"type": "tool", "name": names.shorten(choice.name if choice is not None else "")}
    if parallel is False:
        found["disable_parallel_tool_use"] = True
    return found if found != {"type": "auto"} or choice is not None else None


def fit_choice(
    choice: ToolChoice | None, upstream: Upstream, tools: list[Tool], names: ToolNames
) -> tuple[ToolChoice | None, list[Tool], list[str]]:
    """(choice, tools, concepts left out) for an upstream that does not take every kind of choice: a named
    tool is then the only one. Raises ApiError for a choice of a tool that is not there."""
    if choice is None:
        return choice, tools, []
    if choice.mode == "named":
        wanted = names.shorten(choice.name)
        only = [tool for tool in tools if tool["name"] == wanted]
        if not only:
            raise ApiError(
                INVALID_VALUE, f"the tool '{choice.name[:64]}' is not among the tools", param="tool_choice"
            )
    else:
        only = tools
    kinds = upstream.facts.tool_choices
    if not kinds or choice.mode in kinds:
        return choice, tools, []
    if choice.mode == "none":
        return None, [], []
    return ToolChoice("auto"), only, ["tool_choice"]


def _function(tool: FunctionTool, upstream: Upstream, names: ToolNames) -> Tool:
    found: Tool = {"name": names.shorten(tool.name)}
    if tool.description:
        found["description"] = tool.description
    found["input_schema"] = object_schema(tool.schema)
    if tool.strict and upstream.origin == ANTHROPIC and upstream.facts.json_schema:
        found["strict"] = True
    if tool.cache:
        found["cache_control"] = cache_control(tool.cache)
    return found


def _custom(tool: CustomTool, names: ToolNames) -> Tool:
    found: Tool = {"name": names.shorten(tool.name)}
    if description := described(tool):
        found["description"] = description
    return {**found, "input_schema": SCHEMA}


def _hosted(tool: HostedTool) -> Tool | None:
    if tool.dialect == "anthropic_messages":
        found = any_of(tool.raw)
        return found if isinstance(found, dict) else None
    match tool.kind:
        case "web_search":
            return _searching({"type": _SEARCH, "name": "web_search"}, tool)
        case "web_fetch":
            return _searching({"type": _FETCH, "name": "web_fetch"}, tool)
        case "code_execution":
            return {"type": _CODE, "name": "code_execution"}
    return None


def _searching(found: Tool, tool: HostedTool) -> Tool:
    if tool.uses_max is not None:
        found["max_uses"] = tool.uses_max
    if tool.allowed_domains:
        found["allowed_domains"] = list(tool.allowed_domains)
    elif tool.blocked_domains:
        found["blocked_domains"] = list(tool.blocked_domains)
    location = any_of(tool.location) if tool.location is not None else None
    if isinstance(location, dict) and tool.kind == "web_search":
        known = {key: location[key] for key in ("city", "region", "country", "timezone") if location.get(key)}
        if known:
            found["user_location"] = {"type": "approximate", **known}
    return found
