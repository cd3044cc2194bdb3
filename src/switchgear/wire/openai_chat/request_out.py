"""The neutral form as a request for an upstream of this dialect."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.wire.ir import (
    CustomTool,
    FunctionTool,
    HostedTool,
    Request,
    Tool,
    ToolChoice,
    Upstream,
    Written,
)
from switchgear.wire.loss import Carriage
from switchgear.wire.openai_chat.messages_out import write_messages
from switchgear.wire.openai_chat.switches import write_thinking
from switchgear.wire.origin import OPENAI
from switchgear.wire.tool_ids import PLAIN_NAME, short_name
from switchgear.wire.wrapped import SCHEMA, described

CARRIES: Mapping[str, Carriage] = {
    "image": "map",
    "image_url": "map",
    "audio": "map",
    "audio_url": "map",
    "answer_audio_id": "map",
    "file": "map",
    "file_url": "refuse",
    "file_id": "refuse",
    "image_file_id": "refuse",
    "file_text": "emulate",
    "video": "map",
    "tool_result_image": "emulate",
    "tool_result_file": "emulate",
    "cache_marker": "drop",
    "tools": "map",
    "custom_tool": "map",
    "strict_tool": "map",
    "web_search": "map",
    "web_search_domains": "drop",
    "tool_choice": "map",
    "allowed_tools": "emulate",
    "parallel": "map",
    "thinking": "map",
    "temperature": "map",
    "top_p": "map",
    "top_k": "drop",
    "stop": "map",
    "n": "map",
    "seed": "map",
    "presence_penalty": "map",
    "frequency_penalty": "map",
    "logit_bias": "map",
    "logprobs": "map",
    "json_object": "map",
    "json_schema": "map",
    "verbosity": "map",
    "user": "map",
    "prompt_cache_key": "map",
    "service_tier": "map",
    "store": "drop",
    "metadata": "drop",
    "answer_audio": "map",
    "answer_image": "map",
    "prediction": "map",
    "safety": "drop",
    "extras": "drop",
}
FIELDS: Mapping[str, str] = {
    "image": "messages",
    "image_url": "messages",
    "image_file_id": "messages",
    "audio": "messages",
    "audio_url": "messages",
    "answer_audio_id": "messages",
    "file": "messages",
    "file_url": "messages",
    "file_id": "messages",
    "file_text": "messages",
    "video": "messages",
    "tool_result_image": "messages",
    "tool_result_file": "messages",
    "cache_marker": "cache_control",
    "custom_tool": "tools",
    "strict_tool": "tools.strict",
    "web_search": "web_search_options",
    "web_search_domains": "web_search_options",
    "web_fetch": "tools",
    "code_execution": "tools",
    "hosted_tool": "tools",
    "allowed_tools": "tool_choice",
    "parallel": "parallel_tool_calls",
    "thinking": "reasoning_effort",
    "json_object": "response_format",
    "json_schema": "response_format",
    "answer_audio": "modalities",
    "answer_image": "modalities",
    "safety": "safety_settings",
}

_encode = msgspec.json.Encoder().encode


def write_request(request: Request, upstream: Upstream) -> Written:
    """Never refuses: what can't be carried was refused by the table above."""
    body: dict[str, Any] = {"model": upstream.model, "messages": write_messages(request, upstream)}
    dropped: list[str] = []
    _sampling(body, request, upstream, dropped)
    _tools(body, request, upstream, dropped)
    _form(body, request, upstream)
    _rest(body, request)
    if request.stream:
        body["stream"] = True
        if upstream.asks_usage:
            body["stream_options"] = {"include_usage": True}
    fields = {key: Raw(_encode(value)) for key, value in body.items()}
    thinking = request.thinking
    if _must_not_think(request, upstream):
        thinking = msgspec.structs.replace(thinking, effort="none") if thinking else None
        dropped.append("thinking")
    fields |= write_thinking(thinking, upstream.facts)
    return Written(fields, tuple(dropped), names=_renamed(request))


def _renamed(request: Request) -> dict[str, str]:
    """Names that were too long or had other letters → the client's own."""
    tools = (tool.name for tool in request.tools if isinstance(tool, FunctionTool))
    return {short: name for name in tools if (short := short_name(name, PLAIN_NAME)) != name}


def _must_not_think(request: Request, upstream: Upstream) -> bool:
    """Some reason only while they choose freely among tools; the choice is kept and the reasoning goes."""
    forced = request.tool_choice is not None and request.tool_choice.mode in ("required", "named")
    thinks = request.thinking is not None and not request.thinking.is_off
    return forced and thinks and upstream.facts.thinking_auto_only and upstream.facts.thinking_off


def _sampling(body: dict[str, Any], request: Request, upstream: Upstream, dropped: list[str]) -> None:
    facts = upstream.facts
    if request.output_tokens_max is not None:
        body["max_completion_tokens" if facts.no_max_tokens else "max_tokens"] = request.output_tokens_max
    refused = {
        "temperature": facts.no_sampling,
        "top_p": facts.no_sampling or (facts.one_sampling and request.temperature is not None),
        "presence_penalty": facts.no_penalties,
        "frequency_penalty": facts.no_penalties,
        "seed": False,
    }
    for name, is_refused in refused.items():
        value = getattr(request, name)
        if value is None:
            continue
        if is_refused:
            dropped.append(name)
        else:
            body[name] = value
    if request.stop:
        if facts.no_stop:
            dropped.append("stop")
        else:
            body["stop"] = list(request.stop)
    if request.n > 1:
        body["n"] = request.n
    if request.logit_bias is not None:
        body["logit_bias"] = request.logit_bias
    if request.logprobs or request.top_logprobs:
        body["logprobs"] = True
        if request.top_logprobs:
            body["top_logprobs"] = request.top_logprobs


def _tools(body: dict[str, Any], request: Request, upstream: Upstream, dropped: list[str]) -> None:
    wanted = request.tool_choice.allowed if request.tool_choice else ()
    tools = [
        written
        for tool in request.tools
        if not (wanted and isinstance(tool, FunctionTool | CustomTool) and tool.name not in wanted)
        and (written := _tool(tool, upstream)) is not None
    ]
    if tools:
        body["tools"] = tools
    search = next((t for t in request.tools if isinstance(t, HostedTool) and t.kind == "web_search"), None)
    if search is not None:
        body["web_search_options"] = _search(search)
    if not tools:
        return
    if request.tool_choice is not None:
        choice = _choice(request.tool_choice, upstream)
        if choice is None:
            dropped.append("tool_choice")
        else:
            body["tool_choice"] = choice
    if request.parallel is not None:
        if upstream.facts.no_parallel:
            dropped.append("parallel")
        else:
            body["parallel_tool_calls"] = request.parallel


def _tool(tool: Tool, upstream: Upstream) -> dict[str, Any] | None:
    if isinstance(tool, HostedTool):
        return None
    if isinstance(tool, CustomTool):
        if upstream.origin != OPENAI:
            wrapped = {"name": tool.name, "description": described(tool), "parameters": SCHEMA}
            return {"type": "function", "function": wrapped}
        custom: dict[str, Any] = {"name": tool.name, "description": tool.description}
        if tool.format is not None:
            custom["format"] = tool.format
        return {"type": "custom", "custom": custom}
    function: dict[str, Any] = {"name": short_name(tool.name, PLAIN_NAME)}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.schema or {"type": "object", "properties": {}}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice, upstream: Upstream) -> Any:
    """None: the model takes no such choice, and the nearest one is what it does anyway."""
    taken = upstream.facts.tool_choices
    if choice.mode == "named" and (not taken or "named" in taken):
        return {"type": "function", "function": {"name": short_name(choice.name, PLAIN_NAME)}}
    mode = "required" if choice.mode == "named" else choice.mode
    return mode if not taken or mode in taken else None


def _search(tool: HostedTool) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if tool.context_size:
        options["search_context_size"] = tool.context_size
    if tool.location is not None:
        options["user_location"] = {"type": "approximate", "approximate": tool.location}
    return options


def _form(body: dict[str, Any], request: Request, upstream: Upstream) -> None:
    format = request.format
    if format is None:
        return
    if format.kind == "json_object" or format.schema is None or not upstream.facts.json_schema:
        body["response_format"] = {"type": "json_object"}
        if format.schema is not None:
            schema = bytes(format.schema).decode("utf-8", "replace")
            hint = f"Answer with one JSON object that fits this JSON schema: {schema}"
            body["messages"] = [*body["messages"], {"role": "system", "content": hint}]
        return
    inner: dict[str, Any] = {"name": short_name(format.name or "answer", PLAIN_NAME), "schema": format.schema}
    if format.strict is not None:
        inner["strict"] = format.strict
    if format.description:
        inner["description"] = format.description
    body["response_format"] = {"type": "json_schema", "json_schema": inner}


def _rest(body: dict[str, Any], request: Request) -> None:
    for name in ("verbosity", "user", "prompt_cache_key", "service_tier"):
        if value := getattr(request, name):
            body[name] = value
    if request.modalities and request.modalities != ("text",):
        body["modalities"] = list(request.modalities)
    if request.audio is not None:
        body["audio"] = request.audio
    if request.prediction is not None:
        body["prediction"] = request.prediction
