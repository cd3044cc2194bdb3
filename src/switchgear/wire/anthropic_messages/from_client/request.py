"""A client's request of this dialect in the neutral form."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import UNSUPPORTED_PARAMETER, ApiError
from switchgear.kernel.limits import MESSAGES_MAX, PARTS_MAX, STOPS_MAX
from switchgear.wire.anthropic_messages.frames import ABSENT
from switchgear.wire.anthropic_messages.from_client.parts import read_content
from switchgear.wire.anthropic_messages.from_client.tools import read_choice, read_tools, unread_of_tools
from switchgear.wire.anthropic_messages.system import is_billing_header
from switchgear.wire.anthropic_messages.values import (
    Fields,
    check_count,
    decoded,
    is_there,
    param_of,
    read_bool,
    read_number,
    read_whole,
    reason_of,
    wrong_type,
    wrong_value,
)
from switchgear.wire.call import Call
from switchgear.wire.framing.splice import NULL, repair_surrogates
from switchgear.wire.neutral.effort import EFFORTS
from switchgear.wire.neutral.request import (
    Effort,
    Format,
    HostedTool,
    Part,
    Request,
    Seals,
    Text,
    Thinking,
    ToolResult,
    Turn,
)


class _Message(msgspec.Struct, gc=False):
    role: str
    content: Raw = ABSENT


_decode_messages = msgspec.json.Decoder(list[_Message]).decode
_encode = msgspec.json.Encoder().encode

_OF_ACCOUNT = ("thread", "container", "compaction")
"""What is kept at the maker's, or done by it: without it the answer would be another."""
_TIERS = {"auto": "auto", "standard_only": "default"}
_KNOWN = frozenset(
    {
        "model",
        "messages",
        "system",
        "max_tokens",
        "stream",
        "stop_sequences",
        "temperature",
        "top_p",
        "top_k",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "output_format",
        "metadata",
        "service_tier",
        "mcp_servers",
    }
)

_CONFIG = frozenset({"effort", "format"})
_METADATA = frozenset({"user_id"})
_THINKING = frozenset({"type", "budget_tokens", "display"})


def read_request(call: Call, seals: Seals) -> Request:
    """Raises ApiError INVALID_TYPE, INVALID_VALUE for what can't be read."""
    fields = call.fields
    for key in _OF_ACCOUNT:
        if is_there(fields, key):
            raise ApiError(
                UNSUPPORTED_PARAMETER,
                f"'{key}' can't be carried to this model: only the maker of the dialect knows what it names.",
                param=key,
            )
    choice, parallel = read_choice(fields)
    config = _object(fields, "output_config")
    return Request(
        turns=(*_system(fields, seals), *_turns(fields["messages"], seals)),
        tools=(*read_tools(fields), *_mcp_servers(fields)),
        tool_choice=choice,
        parallel=parallel,
        thinking=_thinking(_object(fields, "thinking"), config),
        output_tokens_max=_cap(fields),
        temperature=read_number(fields, "temperature"),
        top_p=read_number(fields, "top_p"),
        top_k=_top_k(fields),
        stop=_stop(fields),
        format=_format(config, _object(fields, "output_format")),
        user=_user(_object(fields, "metadata")),
        service_tier=_TIERS.get(_word(decoded(fields, "service_tier")), ""),
        stream=call.operation == "anthropic_messages" and read_bool(fields, "stream"),
        extras=_extras(fields, config),
    )


def _cap(fields: Fields) -> int | None:
    """None = no limit, which clients write as -1. Zero asks its maker to fill a cache and to say nothing: no
    other upstream can do that. Raises ApiError."""
    cap = read_whole(fields, "max_tokens")
    if cap == 0:
        raise wrong_value("max_tokens", "must be at least 1 for this model")
    return None if cap is None or cap < 0 else cap


def _top_k(fields: Fields) -> int | None:
    """Less than one switches it off."""
    count = read_whole(fields, "top_k")
    return None if count is None or count < 1 else count


def _extras(fields: Fields, config: dict[str, Any]) -> dict[str, Raw]:
    """What has no place in the neutral form, by its full name."""
    extras = {key: value for key, value in fields.items() if key not in _KNOWN and is_there(fields, key)}
    for holder, found, known in (
        ("output_config", config, _CONFIG),
        ("thinking", _object(fields, "thinking"), _THINKING),
        ("metadata", _object(fields, "metadata"), _METADATA),
    ):
        for key, value in found.items():
            if key not in known and value is not None:
                extras[f"{holder}.{key}"] = Raw(_encode(value))
    extras |= dict.fromkeys(unread_of_tools(fields), NULL)
    return extras


def thinking_of(fields: Fields) -> Thinking | None:
    """What the fields say about reasoning. Raises ApiError."""
    return _thinking(_object(fields, "thinking"), _object(fields, "output_config"))


def _system(fields: Fields, seals: Seals) -> tuple[Turn, ...]:
    if not is_there(fields, "system"):
        return ()
    raw = Raw(repair_surrogates(bytes(fields["system"])))
    parts = _without_billing(read_content(raw, "system", seals))
    return (Turn("system", parts),) if parts else ()


def _without_billing(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    return tuple(part for part in parts if not (isinstance(part, Text) and is_billing_header(part.text)))


def _turns(raw: Raw, seals: Seals) -> list[Turn]:
    # Half a surrogate pair anywhere is mended once, before the texts inside are read.
    raw = Raw(repair_surrogates(bytes(raw)))
    try:
        messages = _decode_messages(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(param_of(error, "messages"), reason_of(error)) from None
    except (ValueError, RecursionError):
        raise wrong_type("messages", "an array of messages") from None
    check_count(len(messages), MESSAGES_MAX, "messages", "messages")
    turns: list[Turn] = []
    count = 0
    for at, message in enumerate(messages):
        parts = read_content(message.content, f"messages.{at}.content", seals)
        count += len(parts)
        check_count(count, PARTS_MAX, "blocks", "messages")
        match message.role:
            case "user":
                turns.append(Turn("user", _results_first(parts)))
            case "assistant":
                turns.append(Turn("assistant", parts))
            case "system" | "developer":
                turns.append(Turn("system", _without_billing(parts)))
            case _:
                raise wrong_value(f"messages.{at}.role", "expected user, assistant or system")
    return turns


def _results_first(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    return tuple(sorted(parts, key=lambda part: not isinstance(part, ToolResult)))


def _thinking(found: dict[str, Any], config: dict[str, Any]) -> Thinking | None:
    effort = _effort(config.get("effort"))
    show = found.get("display") != "omitted"
    match found.get("type"):
        case "enabled":
            budget = found.get("budget_tokens")
            if isinstance(budget, bool) or not isinstance(budget, int | float) or budget < 0:
                return Thinking(effort=effort or "high", show=show)
            return Thinking(effort=effort, budget_tokens=int(budget), show=show)
        case "adaptive":
            return Thinking(effort=effort or "high", show=show)
        case "between_tools":
            return Thinking(effort=effort, budget_tokens=None if effort else -1, show=show)
        case "disabled":
            return Thinking(effort="none")
        case None:
            return Thinking(effort=effort) if effort else None
    raise wrong_value("thinking.type", "expected enabled, adaptive or disabled")


def _effort(word: Any) -> Effort | None:
    if word is None:
        return None
    effort = next((effort for effort in EFFORTS if effort == word), None)
    if effort is None:
        raise wrong_value("output_config.effort", f"expected one of {', '.join(EFFORTS)}")
    return effort


def _format(config: dict[str, Any], output_format: dict[str, Any]) -> Format | None:
    """``output_config.format``, which older clients send as ``output_format``."""
    inner = config.get("format")
    found = inner if isinstance(inner, dict) else output_format
    if not found:
        return None
    schema = found.get("schema")
    if found.get("type") != "json_schema" or not isinstance(schema, dict):
        raise wrong_value("output_config.format", "expected a type of json_schema and a schema")
    return Format("json_schema", Raw(_encode(schema)), name=_word(found.get("name")), strict=True)


def _stop(fields: Fields) -> tuple[str, ...]:
    found = decoded(fields, "stop_sequences")
    if found is None:
        return ()
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise wrong_type("stop_sequences", "an array of strings")
    check_count(len(found), STOPS_MAX, "sequences", "stop_sequences")
    return tuple(item for item in found if item)


def _user(metadata: dict[str, Any]) -> str:
    return _word(metadata.get("user_id"))


def _mcp_servers(fields: Fields) -> tuple[HostedTool, ...]:
    if not decoded(fields, "mcp_servers"):
        return ()
    return (HostedTool("mcp", "anthropic_messages", fields["mcp_servers"], type="mcp_servers"),)


def _object(fields: Fields, key: str) -> dict[str, Any]:
    """Empty where absent. Raises ApiError INVALID_TYPE."""
    if not is_there(fields, key):
        return {}
    found = decoded(fields, key)
    if not isinstance(found, dict):
        raise wrong_type(key, "an object")
    return found


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""
