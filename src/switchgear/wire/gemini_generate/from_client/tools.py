"""Tools and the choice among them, as a client of this dialect declares them."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import TOOLS_MAX
from switchgear.wire.gemini_generate.from_client.schema import json_schema_of
from switchgear.wire.gemini_generate.values import (
    Json,
    check_count,
    pick,
    snake,
    text,
    texts_in,
    wrong_type,
    wrong_value,
)
from switchgear.wire.neutral.request import FunctionTool, HostedKind, HostedTool, Tool, ToolChoice
from switchgear.wire.neutral.tool_ids import declared_once

_encode = msgspec.json.Encoder().encode
_HOSTED: dict[str, HostedKind] = {
    "googleSearch": "web_search",
    "googleSearchRetrieval": "web_search",
    "urlContext": "web_fetch",
    "codeExecution": "code_execution",
    "fileSearch": "file_search",
    "computerUse": "computer",
    "mcpServers": "mcp",
}
_PLAIN = frozenset({"web_search", "web_fetch", "code_execution"})
"""Nothing in them belongs to one account or one machine."""
_FUNCTIONS = "functionDeclarations"
_FIELDS = ("name", "description", "parameters", "parametersJsonSchema")
_READ = frozenset((*_FIELDS, *map(snake, _FIELDS)))
_SEARCHES = frozenset({"googleSearch", "google_search"})
_EXCLUDES = frozenset({"excludeDomains", "exclude_domains"})


def read_tools(tools: Any) -> tuple[Tool, ...]:
    """Raises ApiError that names the tool."""
    if tools is None:
        return ()
    found: list[Tool] = []
    listed = tools if isinstance(tools, list) else [tools]
    check_count(len(listed), TOOLS_MAX, "tools", "tools")
    for index, tool in enumerate(listed):
        place = f"tools[{index}]"
        if not isinstance(tool, dict):
            raise wrong_type(place, "an object")
        declared = pick(tool, _FUNCTIONS)
        if declared is not None and not isinstance(declared, list):
            raise wrong_type(f"{place}.{_FUNCTIONS}", "an array")
        check_count(len(found) + len(declared or ()), TOOLS_MAX, "functions", "tools")
        found += [_function(item, f"{place}.{_FUNCTIONS}[{at}]") for at, item in enumerate(declared or ())]
        found += _hosted(tool)
    return declared_once(found)


def unread_of_tools(tools: Any, config: Json) -> dict[str, Raw]:
    """What tools and ``toolConfig`` say that no other dialect knows, by its full name."""
    found: dict[str, Any] = {}
    for tool in tools if isinstance(tools, list) else [tools]:
        for key, value in tool.items() if isinstance(tool, dict) else ():
            if key in (_FUNCTIONS, "function_declarations"):
                unread = [(name, item[name]) for item in value or () for name in item if name not in _READ]
            else:
                unread = list(value.items()) if isinstance(value, dict) and key in _SEARCHES else []
                unread = [(name, inner) for name, inner in unread if name not in _EXCLUDES]
            found |= {f"tools.{key}.{name}": inner for name, inner in unread if inner is not None}
    for key, value in config.items():
        if key not in ("functionCallingConfig", "function_calling_config") and value is not None:
            found[f"toolConfig.{key}"] = value
    return {name: Raw(_encode(value)) for name, value in found.items()}


def read_choice(config: Json) -> ToolChoice | None:
    """``toolConfig``. Raises ApiError."""
    place = "toolConfig.functionCallingConfig"
    calling = pick(config, "functionCallingConfig")
    if calling is None:
        return None
    if not isinstance(calling, dict):
        raise wrong_type(place, "an object")
    names = texts_in(calling, "allowedFunctionNames", place)
    mode = text(calling.get("mode")).upper()
    if mode == "NONE":
        return ToolChoice("none")
    if mode == "ANY":
        return ToolChoice("named", names[0]) if len(names) == 1 else ToolChoice("required", allowed=names)
    if mode in ("", "AUTO", "VALIDATED", "MODE_UNSPECIFIED"):
        return ToolChoice("auto", allowed=names)
    raise wrong_value(f"{place}.mode", "expected AUTO, ANY, NONE or VALIDATED")


def _function(declared: Any, place: str) -> FunctionTool:
    if not isinstance(declared, dict):
        raise wrong_type(place, "an object")
    name = declared.get("name")
    if not isinstance(name, str) or not name:
        raise wrong_type(f"{place}.name", "a string")
    schema = pick(declared, "parametersJsonSchema")
    if schema is None and (subset := declared.get("parameters")) is not None:
        schema = json_schema_of(subset)
    return FunctionTool(
        name,
        text(declared.get("description")),
        Raw(_encode(schema)) if isinstance(schema, dict) else None,
    )


def _hosted(tool: Json) -> list[Tool]:
    found: list[Tool] = []
    for key in tool:
        if key in (_FUNCTIONS, "function_declarations") or tool[key] is None:
            continue
        name = next((known for known in _HOSTED if pick({key: True}, known)), key)
        kind = _HOSTED.get(name, "other")
        options = tool[key] if isinstance(tool[key], dict) else {}
        blocked = pick(options, "excludeDomains")
        found.append(
            HostedTool(
                kind,
                "gemini_generate",
                Raw(_encode({key: tool[key]})),
                name[:64],
                blocked_domains=tuple(map(str, blocked)) if isinstance(blocked, list) else (),
                is_plain=kind in _PLAIN,
            )
        )
    return found
