"""Tools and their choice as the neutral form has them."""

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import TOOLS_MAX
from switchgear.wire.anthropic_messages.client_tools import client_tool
from switchgear.wire.anthropic_messages.frames import ABSENT, is_given
from switchgear.wire.anthropic_messages.from_client.parts import CacheControl, cache_of
from switchgear.wire.anthropic_messages.values import (
    Fields,
    check_count,
    is_there,
    param_of,
    reason_of,
    wrong_type,
    wrong_value,
)
from switchgear.wire.framing.splice import NULL, read_objects, repair_surrogates
from switchgear.wire.neutral.request import FunctionTool, HostedKind, HostedTool, Tool, ToolChoice
from switchgear.wire.neutral.tool_ids import declared_once


class _Tool(msgspec.Struct):
    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: Raw = ABSENT
    strict: bool | None = None
    cache_control: CacheControl | None = None
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None
    max_uses: int | None = None
    user_location: Raw = ABSENT


class _Choice(msgspec.Struct, gc=False):
    type: str = "auto"
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


_decode_tools = msgspec.json.Decoder(list[_Tool]).decode
_decode_raws = msgspec.json.Decoder(list[Raw]).decode
_decode_choice = msgspec.json.Decoder(_Choice).decode

_HOSTED: tuple[tuple[str, HostedKind], ...] = (
    ("web_search_", "web_search"),
    ("web_fetch_", "web_fetch"),
    ("code_execution_", "code_execution"),
    ("computer_", "computer"),
    ("mcp_toolset", "mcp"),
)
_SEARCH_OF_TOOLS = "tool_search_tool_"
"""All tools are declared whole without it, which costs more input."""
_MAKERS_KEYS = ("defer_loading", "input_examples", "allowed_callers", "eager_input_streaming")
"""Of a tool: how its maker's models are to meet it."""
_MODES = {"auto": "auto", "any": "required", "none": "none", "tool": "named"}


def read_tools(fields: Fields) -> tuple[Tool, ...]:
    """Raises ApiError INVALID_TYPE, INVALID_VALUE."""
    if not is_there(fields, "tools"):
        return ()
    raw = Raw(repair_surrogates(bytes(fields["tools"])))
    try:
        tools = _decode_tools(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(param_of(error, "tools"), reason_of(error)) from None
    except (ValueError, RecursionError):
        raise wrong_type("tools", "an array of tools") from None
    check_count(len(tools), TOOLS_MAX, "tools", "tools")
    raws: list[Raw] = []
    found: list[Tool] = []
    for at, tool in enumerate(tools):
        kind = tool.type or "custom"
        if kind.startswith(_SEARCH_OF_TOOLS):
            continue
        hosted = next((name for front, name in _HOSTED if kind.startswith(front)), None)
        if kind == "custom":
            found.append(_function(tool, at))
        elif hosted is not None:
            raws = raws or _decode_raws(raw)
            found.append(_hosted(tool, hosted, raws[at]))
        elif (known := client_tool(kind, tool.name, cache_of(tool.cache_control))) is not None:
            found.append(known)
        else:
            raise wrong_value(f"tools.{at}.type", f"'{kind[:64]}' is no type of tool that can be converted")
    return declared_once(found)


def unread_of_tools(fields: Fields) -> tuple[str, ...]:
    """What tools say that no other dialect knows, by its full name."""
    if "tools" not in fields:
        return ()
    raw = bytes(fields["tools"])
    found: dict[str, None] = {}
    if _SEARCH_OF_TOOLS.encode() in raw and any(
        (tool.type or "").startswith(_SEARCH_OF_TOOLS) for tool in _decode_tools(raw)
    ):
        found["tools.tool_search"] = None
    if any(key.encode() in raw for key in _MAKERS_KEYS):
        for tool in read_objects(raw):
            found |= dict.fromkeys(f"tools.{key}" for key in _MAKERS_KEYS if tool.get(key, NULL) != NULL)
    return tuple(found)


def read_choice(fields: Fields) -> tuple[ToolChoice | None, bool | None]:
    """(choice, whether calls may come in parallel; None = not said). Raises ApiError."""
    if not is_there(fields, "tool_choice"):
        return None, None
    try:
        choice = _decode_choice(fields["tool_choice"])
    except (ValueError, RecursionError):
        raise wrong_type("tool_choice", "an object with a type") from None
    parallel = None if choice.disable_parallel_tool_use is None else not choice.disable_parallel_tool_use
    match _MODES.get(choice.type):
        case "auto":
            return ToolChoice("auto"), parallel
        case "none":
            return ToolChoice("none"), parallel
        case "required":
            return ToolChoice("required"), parallel
        case "named" if choice.name:
            return ToolChoice("named", choice.name), parallel
    raise wrong_value("tool_choice", "expected a type of auto, any, none, or tool with a name")


def _function(tool: _Tool, at: int) -> FunctionTool:
    if not tool.name:
        raise wrong_value(f"tools.{at}.name", "a tool has a name")
    return FunctionTool(
        tool.name,
        tool.description or "",
        tool.input_schema if is_given(tool.input_schema) else None,
        tool.strict,
        cache_of(tool.cache_control),
    )


def _hosted(tool: _Tool, kind: HostedKind, raw: Raw) -> HostedTool:
    return HostedTool(
        kind,
        "anthropic_messages",
        raw,
        type=tool.type or "",
        allowed_domains=tuple(tool.allowed_domains or ()),
        blocked_domains=tuple(tool.blocked_domains or ()),
        uses_max=tool.max_uses,
        location=tool.user_location if is_given(tool.user_location) else None,
    )
