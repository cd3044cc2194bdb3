"""A neutral request for an upstream of this dialect."""

import hashlib
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.wire.anthropic_messages.to_upstream.output_schema import (
    can_be_closed,
    close_schema,
    is_object,
)
from switchgear.wire.anthropic_messages.to_upstream.parts import Block, ContentWriter
from switchgear.wire.anthropic_messages.to_upstream.thinking import Switched, switch_thinking, write_sampling
from switchgear.wire.anthropic_messages.to_upstream.tools import (
    BETAS,
    Tool,
    fit_choice,
    write_choice,
    write_tools,
)
from switchgear.wire.anthropic_messages.to_upstream.turns import (
    blocks_of,
    bound_cache_markers,
    lacks_reasoning,
    settle_prefill,
    split_system,
    write_messages,
)
from switchgear.wire.neutral.effort import is_lost
from switchgear.wire.neutral.history import shown_by_user
from switchgear.wire.neutral.maker import ANTHROPIC
from switchgear.wire.neutral.object_schema import object_schema
from switchgear.wire.neutral.request import Format, HostedTool, Request, ToolChoice, Upstream, Written
from switchgear.wire.neutral.tool_ids import MESSAGES_NAME, ToolNames

ANSWER_TOOL = "json_output"
"""Called in place of an answer by a schema, for models that know no other way."""

_LONG_CACHE_BETA = "extended-cache-ttl-2025-04-11"
_JSON_ONLY = "Answer with one JSON object and with nothing before or after it."
_TIERS = {"auto": "auto", "default": "standard_only"}
_USER_CHARS_MAX = 256
_encode = msgspec.json.Encoder().encode


def write_request(request: Request, upstream: Upstream) -> Written:
    """Raises ApiError for content that has no place here."""
    names = ToolNames(
        [tool.name for tool in request.tools if not isinstance(tool, HostedTool)], MESSAGES_NAME, 128
    )
    writer = ContentWriter(upstream, names)
    leading, turns = split_system(shown_by_user(request.turns))
    system = [block for turn in leading for block in writer.texts(turn)]
    messages = write_messages(turns, writer)
    tools, dropped = write_tools(request, upstream, names)
    choice, tools, not_chosen = fit_choice(request.tool_choice, upstream, tools, names)
    dropped += not_chosen
    unwrap = ""
    output: dict[str, Any] = {}
    if request.format is not None:
        choice, unwrap = _write_format(request.format, upstream, choice, tools, system, output)
    tool_choice = write_choice(choice, request.parallel, tools, names)
    switched = _switch(request, upstream, tool_choice, messages, dropped)
    settle_prefill(messages, not (upstream.facts.no_prefill or switched.is_on))
    if switched.effort:
        output["effort"] = switched.effort
    sampling, not_sampled = write_sampling(request, upstream, switched.is_on)
    has_long_cache = bound_cache_markers([*tools, *system, *blocks_of(messages)], dropped)
    body: dict[str, Any] = {"model": upstream.model, "max_tokens": switched.max_tokens}
    if system:
        body["system"] = system
    body["messages"] = [_spelt(message) for message in messages]
    if tools:
        body["tools"] = tools
    if tool_choice is not None:
        body["tool_choice"] = tool_choice
    if switched.thinking is not None:
        body["thinking"] = switched.thinking
    if output:
        body["output_config"] = output
    body |= sampling
    dropped += not_sampled + _write_rest(request, upstream, body)
    return Written(
        {key: Raw(_encode(value)) for key, value in body.items()},
        tuple(dict.fromkeys(dropped)),
        _beta_headers(tools, has_long_cache, upstream),
        names=names.renamed(),
        unwrap_tool=unwrap,
        stops=_refused_stops(request, upstream),
    )


def _switch(
    request: Request,
    upstream: Upstream,
    tool_choice: dict[str, Any] | None,
    messages: list[Block],
    dropped: list[str],
) -> Switched:
    """A forced call and reasoning exclude each other, and a loop that was begun without reasoning can't go on
    with it; the call is what the client can't do without."""
    forced = tool_choice is not None and tool_choice["type"] in ("any", "tool")
    manual = upstream.facts.thinking in ("manual", "manual_adaptive") and upstream.origin == ANTHROPIC
    broken = manual and lacks_reasoning(messages)
    switched = switch_thinking(request, upstream.facts, not forced and not broken)
    thinking = request.thinking
    if request.output_tokens_max is not None and switched.max_tokens > request.output_tokens_max:
        dropped.append("output_cap")
    if thinking is None:
        return switched
    # Without the field no model of this dialect reasons, so there is always a word for none.
    is_off = thinking.is_off and upstream.facts.thinking == ""
    if (not thinking.is_off and not switched.is_on) or (is_lost(thinking, upstream.facts) and not is_off):
        dropped.append("thinking")
    return switched


def _write_format(
    form: Format,
    upstream: Upstream,
    choice: ToolChoice | None,
    tools: list[Tool],
    system: list[Block],
    output: dict[str, Any],
) -> tuple[ToolChoice | None, str]:
    """The form of the answer: ``output_config.format``, or a tool that takes the answer, where that field is
    not known or can't say the schema, or words. Returns the choice of tools and the tool whose call is the
    answer."""
    if form.kind == "json_object" or form.schema is None:
        system.append({"type": "text", "text": _JSON_ONLY})
        return choice, ""
    if upstream.facts.json_schema and (can_be_closed(form.schema) or not is_object(form.schema)):
        output["format"] = {"type": "json_schema", "schema": close_schema(form.schema)}
        return choice, ""
    may_call = bool(tools) and (choice is None or choice.mode != "none")
    tools.append(
        {
            "name": ANSWER_TOOL,
            "description": form.description or "Give the answer by calling this, and in no other way.",
            "input_schema": object_schema(form.schema),
        }
    )
    if choice is not None and choice.mode == "named":
        return choice, ""
    return ToolChoice("required") if may_call else ToolChoice("named", ANSWER_TOOL), ANSWER_TOOL


def _write_rest(request: Request, upstream: Upstream, body: dict[str, Any]) -> list[str]:
    """Plain values; returns the concepts that are left out."""
    dropped: list[str] = []
    refused = _refused_stops(request, upstream)
    if stops := [stop for stop in request.stop if stop not in refused]:
        body["stop_sequences"] = stops
    if request.user:
        body["metadata"] = {"user_id": _short_user(request.user)}
    if request.service_tier:
        if upstream.origin == ANTHROPIC and request.service_tier in _TIERS:
            body["service_tier"] = _TIERS[request.service_tier]
        else:
            dropped.append("service_tier")
    if request.stream:
        body["stream"] = True
    return dropped


def _refused_stops(request: Request, upstream: Upstream) -> tuple[str, ...]:
    """A sequence of blanks alone is taken by no model."""
    return tuple(stop for stop in request.stop if upstream.facts.no_stop or not stop.strip())


def _beta_headers(tools: list[Tool], has_long_cache: bool, upstream: Upstream) -> tuple[tuple[str, str], ...]:
    if upstream.origin != ANTHROPIC:
        return ()
    betas = [BETAS[kind] for tool in tools if (kind := tool.get("type")) in BETAS]
    if has_long_cache:
        betas.append(_LONG_CACHE_BETA)
    return (("anthropic-beta", ",".join(betas)),) if betas else ()


def _spelt(message: Block) -> Block:
    """Blocks that are kept as they came take the place of their holders."""
    return {**message, "content": [block.get("raw", block) for block in message["content"]]}


def _short_user(user: str) -> str:
    return user if len(user) <= _USER_CHARS_MAX else hashlib.sha256(user.encode()).hexdigest()
