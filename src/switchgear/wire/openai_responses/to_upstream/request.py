"""A neutral request for an upstream of this dialect.

Nothing is kept at the upstream unless the client asked for that: history goes along whole, and reasoning
comes back encrypted so that it can.
"""

import hashlib
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.convert.stop_cut import share_stops
from switchgear.wire.neutral.effort import is_lost
from switchgear.wire.neutral.history import paired
from switchgear.wire.neutral.maker import OPENAI
from switchgear.wire.neutral.request import HostedTool, Request, Thinking, Tool, Turn, Upstream, Written
from switchgear.wire.neutral.tool_ids import PLAIN_NAME, ToolNames, short_name
from switchgear.wire.openai_responses.from_client.request import ENCRYPTED, LOGPROBS, SOURCES
from switchgear.wire.openai_responses.to_upstream.reasoning import write_reasoning
from switchgear.wire.openai_responses.to_upstream.tools import write_choice, write_tools
from switchgear.wire.openai_responses.to_upstream.turns import ItemWriter

OUTPUT_TOKENS_MIN = 16
"""Less is refused."""

_KEEPS_REASONING = frozenset({OPENAI, "xai"})
"""Makers whose reasoning comes encrypted when asked for; others give it as plain text."""
_LOOKS_FOR_NONE = ModelFacts(no_stop=True)
_USER_CHARS_MAX = 64
_FILLER = "."
"""What the user says where nothing is said at all."""
_encode = msgspec.json.Encoder().encode


def write_request(request: Request, upstream: Upstream) -> Written:
    """Raises ApiError for content that has no place here."""
    _, cut = share_stops(request.stop, _LOOKS_FOR_NONE, 0)
    maker = upstream.origin.partition(":")[0]
    names = ToolNames(_tool_names(request.tools), PLAIN_NAME)
    role = "developer" if maker == OPENAI else "system"
    instructions, turns = _instructions(request.turns)
    items = ItemWriter(upstream.origin, role, maker == OPENAI, maker not in _KEEPS_REASONING, names)
    for turn in paired(turns):
        items.write(turn)
    body: dict[str, Any] = {"model": upstream.model}
    said = items.close()
    if instructions and said:
        body["instructions"] = instructions
    body["input"] = said or [_only_message(instructions, role)]
    body["stream"] = request.stream
    body["store"] = bool(request.store)
    thinking, dropped = _fit_thinking(request, upstream.facts)
    include = _write_thinking(thinking, upstream, maker, body)
    dropped += _write_knobs(request, upstream, maker, body)
    dropped += _write_tools(request, upstream.facts, maker == OPENAI, names, body)
    if request.logprobs or request.top_logprobs:
        include.append(LOGPROBS)
        body["top_logprobs"] = request.top_logprobs or 0
    if maker == OPENAI and any(tool["type"] == "web_search" for tool in body.get("tools", ())):
        include.append(SOURCES)
    if include:
        body["include"] = include
    _write_text(request, upstream.facts, role, body)
    return Written(
        {key: value if isinstance(value, Raw) else Raw(_encode(value)) for key, value in body.items()},
        tuple(dropped),
        names=names.renamed(),
        stops=cut,
    )


def _tool_names(tools: tuple[Tool, ...]) -> list[str]:
    return [tool.name for tool in tools if not isinstance(tool, HostedTool)]


def _instructions(turns: tuple[Turn, ...]) -> tuple[str, tuple[Turn, ...]]:
    """A single leading text of the system is the instructions; several stay messages, each by itself."""
    leading = 0
    while leading < len(turns) and turns[leading].role in ("system", "developer"):
        leading += 1
    if leading != 1 or len(turns[0].parts) != 1:
        return "", turns
    text = getattr(turns[0].parts[0], "text", "")
    return (text, turns[1:]) if isinstance(text, str) and text else ("", turns)


def _only_message(instructions: str, role: str) -> dict[str, Any]:
    """Where the conversation says nothing: instructions without any input are refused."""
    return {"role": role, "content": instructions} if instructions else {"role": "user", "content": _FILLER}


def _fit_thinking(request: Request, facts: ModelFacts) -> tuple[Thinking | None, list[str]]:
    """Some reason only while they choose freely among tools: the choice is kept and the reasoning goes."""
    thinking, choice = request.thinking, request.tool_choice
    is_forced = choice is not None and choice.mode in ("required", "named")
    if not is_forced or not facts.thinking_auto_only or not facts.thinking_off:
        return thinking, ["thinking"] if is_lost(thinking, facts) else []
    return Thinking("none"), [] if thinking is None or thinking.is_off else ["thinking"]


def _write_thinking(
    thinking: Thinking | None, upstream: Upstream, maker: str, body: dict[str, Any]
) -> list[str]:
    """``reasoning``; returns what has to be included for it."""
    reasoning = write_reasoning(thinking, upstream.facts)
    if reasoning:
        body["reasoning"] = reasoning
    reasons = upstream.facts.thinking not in ("", "none") or bool(reasoning)
    return [ENCRYPTED] if reasons and maker in _KEEPS_REASONING else []


def _write_tools(
    request: Request, facts: ModelFacts, is_openai: bool, names: ToolNames, body: dict[str, Any]
) -> list[str]:
    """Tools and what belongs to them; returns the concepts that were left out."""
    choice = request.tool_choice
    tools, dropped = write_tools(request.tools, names, is_openai)
    if "image" in request.modalities and all(tool["type"] != "image_generation" for tool in tools):
        tools.append({"type": "image_generation"})
    if not tools:
        return dropped
    if choice is not None:
        tools, written, is_lost = write_choice(choice, tools, names, facts, is_openai)
        if written is not None:
            body["tool_choice"] = written
        if is_lost:
            dropped.append("tool_choice")
    if not tools:
        return dropped
    body["tools"] = tools
    if request.parallel is not None and facts.no_parallel:
        dropped.append("parallel")
    elif request.parallel is not None:
        body["parallel_tool_calls"] = request.parallel
    return dropped


def _write_knobs(request: Request, upstream: Upstream, maker: str, body: dict[str, Any]) -> list[str]:
    """Plain values; returns the concepts that this model doesn't take."""
    dropped: list[str] = []
    if request.output_tokens_max is not None:
        wanted = max(request.output_tokens_max, OUTPUT_TOKENS_MIN)
        if wanted > request.output_tokens_max:
            dropped.append("output_cap")
        most = upstream.facts.output_tokens_max
        body["max_output_tokens"] = min(wanted, most) if most else wanted
    for key in ("temperature", "top_p"):
        value = getattr(request, key)
        if value is None:
            continue
        if upstream.facts.no_sampling or (upstream.facts.one_sampling and "temperature" in body):
            dropped.append(key)
        else:
            body[key] = value
    if request.user:
        # OpenAI has renamed its field, others know the old one.
        body["safety_identifier" if maker == OPENAI else "user"] = _short_user(request.user)
    for key in ("prompt_cache_key", "service_tier"):
        if getattr(request, key):
            body[key] = getattr(request, key)
    if request.metadata is not None:
        body["metadata"] = request.metadata
    return dropped


def _short_user(user: str) -> str:
    return user if len(user) <= _USER_CHARS_MAX else hashlib.sha256(user.encode()).hexdigest()


def _write_text(request: Request, facts: ModelFacts, role: str, body: dict[str, Any]) -> None:
    text: dict[str, Any] = {}
    form = request.format
    if form is not None and (form.kind == "json_object" or not facts.json_schema):
        text["format"] = {"type": "json_object"}
        if form.schema is not None:
            schema = bytes(form.schema).decode("utf-8", "replace")
            hint = f"Answer with one JSON object that fits this JSON schema: {schema}"
            body["input"] = [*body["input"], {"role": role, "content": hint}]
        elif not any(_says_json(item) for item in body["input"]):
            body["input"] = [*body["input"], {"role": role, "content": "Answer with one JSON object."}]
    elif form is not None:
        text["format"] = {
            "type": "json_schema",
            "name": short_name(form.name or "answer", PLAIN_NAME),
            "schema": form.schema if form.schema is not None else {"type": "object"},
            # Absent means strict here, and not strict where most requests come from.
            "strict": bool(form.strict),
        }
        if form.description:
            text["format"]["description"] = form.description
    if request.verbosity:
        text["verbosity"] = request.verbosity
    if text:
        body["text"] = text


def _says_json(item: dict[str, Any]) -> bool:
    """The word has to stand in a message: the upstream does not look for it in the instructions."""
    content = item.get("content")
    texts = [content] if isinstance(content, str) else [part.get("text", "") for part in content or ()]
    return any("json" in text.lower() for text in texts)
