"""Tools of a request and the choice among them, in the neutral form.

A namespace (Codex declares one for each MCP server) becomes one function for each of its tools, named by both
names; a call goes back to the client under the two. Tools that a client brings along in its input, deferred
ones among them, are simply declared.
"""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import TOOLS_MAX
from switchgear.wire.framing.splice import NULL
from switchgear.wire.neutral.request import CustomTool, FunctionTool, HostedKind, HostedTool, Tool, ToolChoice
from switchgear.wire.openai_responses.values import (
    Fields,
    check_count,
    decoded,
    invalid_type,
    invalid_value,
)

_decode_list = msgspec.json.Decoder(list[Raw]).decode
_HOSTED: dict[str, HostedKind] = {
    "web_search": "web_search",
    "file_search": "file_search",
    "code_interpreter": "code_execution",
    "image_generation": "image_generation",
    "mcp": "mcp",
    "computer": "computer",
}
_BOUND_CONTAINER = ("file_ids", "network_policy", "skills")
"""What a container of another maker would not have, or not keep to."""
_PLAIN_SEARCH = frozenset(
    {"type", "filters", "search_context_size", "user_location", "external_web_access", "search_content_types"}
)


class _Tool(msgspec.Struct, gc=False):
    type: Any = None
    name: Any = None
    description: Any = None
    parameters: Raw = NULL
    strict: Any = None
    format: Raw = NULL
    tools: Raw = NULL
    function: Raw = NULL
    custom: Raw = NULL
    """The forms of Chat Completions, which people send by mistake."""


_decode_tool = msgspec.json.Decoder(_Tool).decode


def flat_name(namespace: str, name: str) -> str:
    """One name for a tool of a namespace: ``mcp__srv`` and ``look`` give ``mcp__srv__look``."""
    if not namespace:
        return name
    return f"{namespace}{name}" if namespace.endswith("__") else f"{namespace}__{name}"


def own_name(name: str, namespace: str) -> str:
    """The reverse: what the tool is called within its namespace."""
    return name[len(flat_name(namespace, "")) :] if namespace else name


class ToolReader:
    """Collects the tools of a request; a name that comes twice counts once."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}
        self._count = 0
        self.left_out: list[str] = []
        """Types of tools that have no meaning elsewhere and no effect of their own."""

    @property
    def tools(self) -> tuple[Tool, ...]:
        return tuple(self._tools.values())

    def read(self, raw: Raw, param: str, namespace: str = "") -> None:
        """An array of tools. Raises ApiError INVALID_TYPE, INVALID_VALUE."""
        if raw == NULL:
            return
        try:
            items = _decode_list(raw)
        except (ValueError, RecursionError):
            raise invalid_type(param, "an array of tools") from None
        self._count += len(items)
        check_count(self._count, TOOLS_MAX, "tools", param)
        for at, item in enumerate(items):
            self._read_tool(item, f"{param}.{at}", namespace)

    def _read_tool(self, raw: Raw, param: str, namespace: str) -> None:
        try:
            tool = _decode_tool(raw)
        except (ValueError, RecursionError):
            raise invalid_type(param, "an object") from None
        kind = tool.type if isinstance(tool.type, str) else ""
        if kind == "function":
            self._add_function(tool, param, namespace)
        elif kind == "custom":
            tool = _inner(tool, tool.custom, f"{param}.custom")
            name = flat_name(namespace, _name(tool, param))
            self._tools.setdefault(
                name,
                CustomTool(name, _text(tool.description), _raw(tool.format), namespace),
            )
        elif kind == "namespace" and not namespace:
            self.read(tool.tools, f"{param}.tools", _name(tool, param))
        elif kind == "tool_search":
            self.left_out.append("tool_search")
        elif kind:
            self._tools.setdefault(f"\0{param}", _hosted(raw, kind, param))
        else:
            raise invalid_value(f"{param}.type", "the type of a tool is expected")

    def _add_function(self, tool: _Tool, param: str, namespace: str) -> None:
        tool = _inner(tool, tool.function, f"{param}.function")
        name = flat_name(namespace, _name(tool, param))
        strict = tool.strict if isinstance(tool.strict, bool) else None
        self._tools.setdefault(
            name,
            FunctionTool(name, _text(tool.description), _raw(tool.parameters), strict, namespace=namespace),
        )


def _inner(tool: _Tool, nested: Raw, param: str) -> _Tool:
    """What a nested form declares; the tool itself where it is flat."""
    if nested == NULL or tool.name is not None:
        return tool
    try:
        return _decode_tool(nested)
    except (ValueError, RecursionError):
        raise invalid_type(param, "an object") from None


def read_choice(fields: Fields) -> ToolChoice | None:
    """Raises ApiError INVALID_TYPE, INVALID_VALUE."""
    raw = fields.get("tool_choice")
    if raw is None or raw == NULL:
        return None
    found = decoded(raw, "tool_choice")
    if found == "":
        return None
    if isinstance(found, str):
        return _plain_choice(found, "tool_choice")
    if not isinstance(found, dict):
        raise invalid_type("tool_choice", "a string or an object")
    kind = found.get("type")
    if kind == "allowed_tools":
        mode = found.get("mode", "auto")
        tools = found.get("tools")
        if not isinstance(tools, list):
            raise invalid_type("tool_choice.tools", "an array of tools")
        choice = _plain_choice(mode, "tool_choice.mode")
        allowed = tuple(_chosen(tool, "tool_choice.tools") for tool in tools)
        return ToolChoice(choice.mode, allowed=allowed)
    return ToolChoice("named", _chosen(found, "tool_choice"))


def _plain_choice(mode: Any, param: str) -> ToolChoice:
    if mode == "auto":
        return ToolChoice("auto")
    if mode == "none":
        return ToolChoice("none")
    if mode == "required":
        return ToolChoice("required")
    raise invalid_value(param, "'none', 'auto' or 'required' is expected")


def _chosen(found: Any, param: str) -> str:
    """The name of a function or custom tool; the kind of a hosted one, or its type where it has none."""
    if isinstance(found, dict):
        nested = found.get("function", found.get("custom"))
        name = found.get("name") or (nested.get("name") if isinstance(nested, dict) else None)
        if isinstance(name, str):
            namespace = found.get("namespace")
            return flat_name(namespace if isinstance(namespace, str) else "", name)
        if isinstance(kind := found.get("type"), str) and kind not in ("function", "custom"):
            hosted = hosted_kind(kind)
            return kind if hosted == "other" else hosted
    raise invalid_value(param, "a tool is expected by type and name")


def hosted_kind(type_: str) -> HostedKind:
    """The kind of a tool by any of its names: ``web_search_preview_2025_03_11`` is a ``web_search``."""
    return next((kind for name, kind in _HOSTED.items() if type_.startswith(name)), "other")


def _hosted(raw: Raw, type_: str, param: str) -> HostedTool:
    found = decoded(raw, param)
    kind = hosted_kind(type_)
    if kind == "code_execution":
        container = found.get("container")
        plain = isinstance(container, dict) and not any(container.get(key) for key in _BOUND_CONTAINER)
        return HostedTool(kind, "openai_responses", raw, type_, is_plain=plain)
    if kind != "web_search":
        return HostedTool(kind, "openai_responses", raw, type_)
    filters = found.get("filters")
    filters = filters if isinstance(filters, dict) else {}
    location = found.get("user_location")
    return HostedTool(
        kind,
        "openai_responses",
        raw,
        type_,
        _names(filters.get("allowed_domains")),
        _names(filters.get("blocked_domains")),
        context_size=_text(found.get("search_context_size")),
        location=_location(location) if isinstance(location, dict) else None,
        is_plain=found.keys() <= _PLAIN_SEARCH,
        offline=found.get("external_web_access") is False,
    )


def _location(found: dict[str, Any]) -> Raw:
    place = {key: found[key] for key in ("city", "country", "region", "timezone") if found.get(key)}
    return Raw(msgspec.json.encode(place))


def _names(found: Any) -> tuple[str, ...]:
    return tuple(name for name in found if isinstance(name, str)) if isinstance(found, list) else ()


def _name(tool: _Tool, param: str) -> str:
    if not isinstance(tool.name, str) or not tool.name:
        raise _nameless(param)
    return tool.name


def _nameless(param: str) -> ApiError:
    return invalid_value(f"{param}.name", "a name is expected")


def _text(found: Any) -> str:
    return found if isinstance(found, str) else ""


def _raw(raw: Raw) -> Raw | None:
    return None if raw == NULL else raw
