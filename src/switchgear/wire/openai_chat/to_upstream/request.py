"""The neutral form as a request for an upstream of this dialect."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.convert.stop_cut import share_stops
from switchgear.wire.neutral.effort import is_lost, reasons
from switchgear.wire.neutral.request import (
    Format,
    HostedTool,
    Request,
    Text,
    Thinking,
    Turn,
    Upstream,
    Written,
)
from switchgear.wire.neutral.tool_ids import PLAIN_NAME, ToolNames, short_name
from switchgear.wire.openai_chat.switches import write_thinking
from switchgear.wire.openai_chat.to_upstream.reasoning import loses_reasoning
from switchgear.wire.openai_chat.to_upstream.tools import write_tools
from switchgear.wire.openai_chat.to_upstream.turns import write_messages

STOPS_MAX = 4
"""As many as OpenAI takes."""

_encode = msgspec.json.Encoder().encode


def write_request(request: Request, upstream: Upstream) -> Written:
    """Never refuses: what can't be carried was refused by the table above."""
    names = ToolNames((tool.name for tool in request.tools if not isinstance(tool, HostedTool)), PLAIN_NAME)
    stops, cut = share_stops(request.stop, upstream.facts, STOPS_MAX)
    turns = _hinted(request, upstream.facts)
    body: dict[str, Any] = {"model": upstream.model}
    body["messages"] = write_messages(turns, request, upstream, names)
    dropped = ["earlier_reasoning"] if loses_reasoning(turns, upstream) else []
    _sampling(body, request, upstream, dropped)
    if stops:
        body["stop"] = list(stops)
    write_tools(body, request, upstream, dropped, names)
    _form(body, request, upstream)
    _rest(body, request)
    if request.stream:
        body["stream"] = True
        if upstream.asks_usage:
            body["stream_options"] = {"include_usage": True}
    fields = {key: Raw(_encode(value)) for key, value in body.items()}
    thinking = request.thinking
    if _must_not_think(request, upstream.facts) and not (thinking and thinking.is_off):
        # Said even where the client said nothing: many of these reason unless they are told not to.
        if thinking is not None:
            dropped.append("thinking")
        thinking = Thinking(effort="none")
    fields |= write_thinking(thinking, upstream.facts)
    if is_lost(thinking, upstream.facts):
        dropped.append("thinking")
    return Written(fields, tuple(dropped), names=names.renamed(), stops=cut)


def hinders(request: Request, facts: ModelFacts) -> bool:
    """Whether the model reasons over this request behind another door of its maker's, and not behind this."""
    return facts.tools_unreasoned and _declares(request) and reasons(request.thinking, facts)


def _declares(request: Request) -> bool:
    return any(not isinstance(tool, HostedTool) for tool in request.tools)


def _must_not_think(request: Request, facts: ModelFacts) -> bool:
    """Some reason only while they choose freely among tools, or only without tools: tools and choice are kept
    and the reasoning goes."""
    if hinders(request, facts):
        return True
    forced = request.tool_choice is not None and request.tool_choice.mode in ("required", "named")
    return forced and bool(request.tools) and facts.thinking_auto_only and facts.thinking_off


def _sampling(body: dict[str, Any], request: Request, upstream: Upstream, dropped: list[str]) -> None:
    facts = upstream.facts
    if request.output_tokens_max is not None:
        body["max_completion_tokens" if facts.no_max_tokens else "max_tokens"] = request.output_tokens_max

    def write(name: str, value: float, is_refused: bool) -> None:
        if is_refused:
            dropped.append(name)
        else:
            body[name] = value

    if request.temperature is not None:
        write("temperature", request.temperature, facts.no_sampling)
    if request.top_p is not None:
        is_second = facts.one_sampling and request.temperature is not None
        write("top_p", request.top_p, facts.no_sampling or is_second)
    if request.presence_penalty is not None:
        write("presence_penalty", request.presence_penalty, facts.no_penalties)
    if request.frequency_penalty is not None:
        write("frequency_penalty", request.frequency_penalty, facts.no_penalties)
    if request.seed is not None:
        body["seed"] = request.seed
    if request.n > 1:
        body["n"] = request.n
    if request.logit_bias is not None:
        body["logit_bias"] = request.logit_bias
    if request.logprobs or request.top_logprobs:
        body["logprobs"] = True
        if request.top_logprobs:
            body["top_logprobs"] = request.top_logprobs


def _has_schema(format: Format, facts: ModelFacts) -> bool:
    """The answer's schema is told by a field of its own."""
    return format.kind == "json_schema" and format.schema is not None and facts.json_schema


def _hinted(request: Request, facts: ModelFacts) -> tuple[Turn, ...]:
    """The turns, with an instruction after the leading ones where a field alone won't do: upstreams of this
    dialect refuse to answer in JSON unless the word is said."""
    format, turns = request.format, request.turns
    if format is None or _has_schema(format, facts):
        return turns
    if format.schema is not None:
        schema = bytes(format.schema).decode("utf-8", "replace")
        hint = f"Answer with one JSON object that fits this JSON schema: {schema}"
    elif any("json" in part.text.lower() for turn in turns for part in turn.parts if isinstance(part, Text)):
        return turns
    else:
        hint = "Answer with one JSON object."
    leading = next((i for i, turn in enumerate(turns) if turn.role in ("user", "assistant")), len(turns))
    return (*turns[:leading], Turn("system", (Text(hint),)), *turns[leading:])


def _form(body: dict[str, Any], request: Request, upstream: Upstream) -> None:
    format = request.format
    if format is None:
        return
    if not _has_schema(format, upstream.facts):
        body["response_format"] = {"type": "json_object"}
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
