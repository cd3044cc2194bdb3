"""Tools, the choice among them, and the form of the answer, as a client of this dialect declares them."""

from typing import Any, Literal

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.kernel.limits import TOOLS_MAX
from switchgear.wire.neutral.request import CustomTool, Format, FunctionTool, HostedTool, Tool, ToolChoice
from switchgear.wire.neutral.tool_ids import declared_once
from switchgear.wire.openai_chat.values import check_count, value_of, wrong_type

_encode = msgspec.json.Encoder().encode
_WORDS: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "none": "none",
    "required": "required",
    "any": "required",
}
"""``any`` is the word of Messages and of Mistral."""
_DECLARING = frozenset({"tools", "functions", "web_search_options"})
_BUILT_IN = {"googleSearch": "web_search", "codeExecution": "code_execution", "urlContext": "web_fetch"}
"""Functions without parameters that are, by a habit of relays, switches for tools that Gemini runs itself."""


def read_tools(fields: dict[str, Raw]) -> tuple[Tool, ...]:
    """``tools``, the older ``functions``, and ``web_search_options``. Raises ApiError."""
    if _DECLARING.isdisjoint(fields):
        return ()
    tools: list[Tool] = []
    declared = value_of(fields, "tools")
    if declared is not None:
        if not isinstance(declared, list):
            raise wrong_type("tools", "an array of tools")
        check_count(len(declared), TOOLS_MAX, "tools", "tools")
        tools += [_tool(item, f"tools.{index}") for index, item in enumerate(declared)]
    functions = value_of(fields, "functions")
    if isinstance(functions, list):
        check_count(len(functions), TOOLS_MAX, "functions", "functions")
        tools += [_function(item, f"functions.{index}", {}) for index, item in enumerate(functions)]
    if (options := value_of(fields, "web_search_options")) is not None:
        tools.append(_search(options))
    return declared_once(tools)


def _tool(item: Any, place: str) -> Tool:
    if not isinstance(item, dict):
        raise wrong_type(place, "an object")
    kind = item.get("type", "function")
    if kind == "function":
        # Some clients declare their tools flat, as Responses has them.
        flat = "function" not in item and "name" in item
        return _function(item if flat else item.get("function"), f"{place}.function", item)
    if kind == "custom":
        return _custom(item, place)
    return HostedTool("other", "openai_chat", Raw(_encode(item)), str(kind)[:64], is_plain=False)


def _custom(item: dict[str, Any], place: str) -> Tool:
    """Nested as this dialect has it, flat as Responses has it, or a function by the word of Messages."""
    custom = item.get("custom", item)
    if not isinstance(custom, dict):
        raise wrong_type(f"{place}.custom", "an object")
    if "input_schema" in custom or "parameters" in custom:
        return _function(custom, place, item)
    format = custom.get("format")
    return CustomTool(
        _name(custom, place if custom is item else f"{place}.custom"),
        _text(custom.get("description")),
        None if format is None else Raw(_encode(format)),
    )


def _function(function: Any, place: str, item: dict[str, Any]) -> Tool:
    if not isinstance(function, dict):
        raise wrong_type(place, "an object")
    name = _name(function, place)
    # Some clients write the tools of Claude models as Messages has them.
    schema = function.get("parameters", function.get("input_schema"))
    if name in _BUILT_IN and not schema:
        return HostedTool(_BUILT_IN[name], "openai_chat", Raw(_encode(item)), name)  # type: ignore[arg-type]
    strict = function.get("strict")
    control = item.get("cache_control")
    cache = ("1h" if control.get("ttl") == "1h" else "5m") if isinstance(control, dict) else ""
    return FunctionTool(
        name,
        _text(function.get("description")),
        Raw(_encode(schema)) if isinstance(schema, dict) else None,
        strict if isinstance(strict, bool) else None,
        cache,  # type: ignore[arg-type]
    )


def _name(holder: dict[str, Any], place: str) -> str:
    name = holder.get("name")
    if not isinstance(name, str) or not name:
        raise wrong_type(f"{place}.name", "a string")
    return name


def _search(options: Any) -> HostedTool:
    found = options if isinstance(options, dict) else {}
    location = found.get("user_location")
    nearby = location.get("approximate") if isinstance(location, dict) else None
    return HostedTool(
        "web_search",
        "openai_chat",
        Raw(_encode(found)),
        "web_search_options",
        context_size=_text(found.get("search_context_size")),
        location=Raw(_encode(nearby)) if isinstance(nearby, dict) else None,
    )


def read_choice(fields: dict[str, Raw]) -> ToolChoice | None:
    """``tool_choice`` or the older ``function_call``. Raises ApiError."""
    choice = value_of(fields, "tool_choice") or None
    if choice is None:
        choice = value_of(fields, "function_call") or None
        if isinstance(choice, dict):
            choice = {"type": "function", "function": choice}
    if choice is None:
        return None
    if isinstance(choice, dict) and choice.get("type") in _WORDS:
        choice = choice["type"]
    if isinstance(choice, str) and choice in _WORDS:
        return ToolChoice(_WORDS[choice])
    if isinstance(choice, dict):
        kind = choice.get("type")
        if kind in ("function", "custom", "tool") and isinstance(name := choice.get("name"), str) and name:
            return ToolChoice("named", name)
        holder = choice.get(kind) if isinstance(kind, str) else None
        if isinstance(holder, dict):
            if kind == "allowed_tools":
                return _allowed(holder)
            if isinstance(name := holder.get("name"), str) and name:
                return ToolChoice("named", name)
    raise ApiError(
        INVALID_VALUE,
        "Invalid value for 'tool_choice': expected none, auto, required, or a tool by its name.",
        param="tool_choice",
    )


def _allowed(holder: dict[str, Any]) -> ToolChoice:
    tools = holder.get("tools")
    names = [
        inner["name"]
        for tool in (tools if isinstance(tools, list) else ())
        if isinstance(tool, dict)
        and isinstance(kind := tool.get("type"), str)
        and isinstance(inner := tool.get(kind), dict)
        and isinstance(inner.get("name"), str)
    ]
    mode = "required" if holder.get("mode") == "required" else "auto"
    return ToolChoice(mode, allowed=tuple(names))  # type: ignore[arg-type]


def read_format(fields: dict[str, Raw]) -> Format | None:
    """``response_format``; None = text. Raises ApiError."""
    found = value_of(fields, "response_format")
    if found in (None, "", {}):
        return None
    kind = found.get("type") if isinstance(found, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return Format("json_object")
    inner = found.get("json_schema") if isinstance(found, dict) else None
    if kind == "json_schema" and isinstance(inner, dict):
        schema, strict = inner.get("schema"), inner.get("strict")
        return Format(
            "json_schema",
            Raw(_encode(schema)) if isinstance(schema, dict) else None,
            _text(inner.get("name")),
            strict if isinstance(strict, bool) else None,
            _text(inner.get("description")),
        )
    raise ApiError(
        INVALID_VALUE,
        "Invalid value for 'response_format': expected type text, json_object or json_schema.",
        param="response_format",
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
