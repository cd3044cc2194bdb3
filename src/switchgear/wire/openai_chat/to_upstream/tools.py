"""Tools and the choice among them, for an upstream of this dialect."""

from typing import Any

from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.framing.splice import any_of
from switchgear.wire.neutral.free_text_tools import SCHEMA, described
from switchgear.wire.neutral.object_schema import function_schema
from switchgear.wire.neutral.request import (
    CustomTool,
    FunctionTool,
    HostedTool,
    Request,
    ToolChoice,
    Upstream,
)
from switchgear.wire.neutral.tool_choice import hosted_offered, names_hosted
from switchgear.wire.neutral.tool_ids import ToolNames
from switchgear.wire.openai_chat.to_upstream.turns import takes_custom


def write_tools(
    body: dict[str, Any], request: Request, upstream: Upstream, dropped: list[str], names: ToolNames
) -> None:
    """Adds the fields for tools to ``body``, and to ``dropped`` the concepts that were left out."""
    choice, wanted = _chosen(request.tool_choice, upstream.facts)
    if names_hosted(request):
        # A search can't be asked for by name; it is the only tool then.
        choice, wanted = None, ()
    if choice is not request.tool_choice:
        dropped.append("tool_choice")
    own = [
        tool
        for tool in request.tools
        if not isinstance(tool, HostedTool) and (wanted is None or tool.name in wanted)
    ]
    if own:
        body["tools"] = [_tool(tool, upstream, names) for tool in own]
    search = next((tool for tool in hosted_offered(request) if tool.kind == "web_search"), None)
    if search is not None:
        body["web_search_options"] = _search(search)
    if not own:
        return
    if choice is not None:
        body["tool_choice"] = _choice(choice, own, upstream, names)
    if request.parallel is not None:
        if upstream.facts.no_parallel:
            dropped.append("parallel")
        else:
            body["parallel_tool_calls"] = request.parallel


def _tool(tool: FunctionTool | CustomTool, upstream: Upstream, names: ToolNames) -> dict[str, Any]:
    name = names.shorten(tool.name)
    if isinstance(tool, CustomTool):
        if not takes_custom(upstream):
            wrapped = {"name": name, "description": described(tool), "parameters": SCHEMA}
            return {"type": "function", "function": wrapped}
        custom: dict[str, Any] = {"name": name, "description": tool.description}
        if tool.format is not None:
            custom["format"] = _nested_format(tool.format)
        return {"type": "custom", "custom": custom}
    function: dict[str, Any] = {"name": name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = function_schema(tool.schema)
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _nested_format(raw: Raw) -> Any:
    """Responses writes the grammar one level higher."""
    found = any_of(raw)
    if not isinstance(found, dict) or found.get("type") != "grammar" or "grammar" in found:
        return raw
    return {"type": "grammar", "grammar": {key: found[key] for key in found if key != "type"}}


def _chosen(choice: ToolChoice | None, facts: ModelFacts) -> tuple[ToolChoice | None, tuple[str, ...] | None]:
    """The nearest choice that the model takes, and the names of the tools that it may then see (None = all).

    One tool is all that there is to call where it can't be named; no tool is there where none may be called.
    """
    if choice is None:
        return None, None
    taken = facts.tool_choices
    if facts.thinking_auto_only and not facts.thinking_off:
        taken = tuple(mode for mode in taken or ("auto", "none") if mode in ("auto", "none"))
    wanted = choice.allowed or None
    if not taken or choice.mode in taken:
        return choice, wanted
    if choice.mode == "none":
        return None, ()
    if choice.mode == "named":
        wanted = (choice.name,)
        if "required" in taken:
            return ToolChoice("required"), wanted
    return None, wanted


def _choice(
    choice: ToolChoice, tools: list[FunctionTool | CustomTool], upstream: Upstream, names: ToolNames
) -> Any:
    if choice.mode != "named":
        return choice.mode
    is_custom = any(isinstance(tool, CustomTool) and tool.name == choice.name for tool in tools)
    kind = "custom" if is_custom and takes_custom(upstream) else "function"
    return {"type": kind, kind: {"name": names.shorten(choice.name)}}


def _search(tool: HostedTool) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if tool.context_size:
        options["search_context_size"] = tool.context_size
    if tool.location is not None:
        options["user_location"] = {"type": "approximate", "approximate": tool.location}
    return options
