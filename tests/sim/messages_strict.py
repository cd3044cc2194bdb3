"""Checks a Messages request as strictly as the vendor does; the messages are worded as its own."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.sim.facts import Json
from tests.sim.messages_history import check_history
from tests.sim.strict import Invalid

VERSIONS = ("2023-01-01", "2023-06-01", "2026-10-21")
FIELDS = {
    "model", "messages", "max_tokens", "system", "stream", "stop_sequences", "temperature", "top_p", "top_k",
    "tools", "tool_choice", "thinking", "output_config", "metadata", "service_tier", "speed", "container",
    "cache_control", "inference_geo", "diagnostics", "user_profile_id", "workspace_id",
}  # fmt: skip
BETA_FIELDS = {
    "context_management": ("context-management-", "compact-"),
    "mcp_servers": ("mcp-client-",),
    "output_format": ("structured-outputs-",),
    "fallbacks": ("fallback",),
}
ONLY_CREATE = {
    "max_tokens", "stream", "stop_sequences", "temperature", "top_p", "top_k", "metadata", "service_tier",
}  # fmt: skip
TOOL_FIELDS = {
    "name", "description", "input_schema", "type", "cache_control", "strict", "eager_input_streaming",
    "defer_loading", "allowed_callers", "input_examples",
}  # fmt: skip
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
OWN_TOOL = re.compile(
    r"(bash|text_editor|computer|memory|web_search|web_fetch|code_execution|tool_search_tool_(bm25|regex))_\d{8}"
    r"|mcp_toolset"
)
CHOICE_FIELDS = {
    "auto": {"type", "disable_parallel_tool_use"},
    "any": {"type", "disable_parallel_tool_use"},
    "tool": {"type", "name", "disable_parallel_tool_use"},
    "none": {"type"},
}
THINKING_FIELDS = {
    "enabled": {"type", "budget_tokens", "display"},
    "adaptive": {"type", "display"},
    "disabled": {"type"},
    "between_tools": {"type"},
}
EFFORTS = ("low", "medium", "high", "xhigh", "max")
BUDGET_MIN = 1024
CACHE_MARKS_MAX = 4


def thinking_modes(model: str) -> tuple[str, ...]:
    """What ``thinking.type`` may be to switch it on; for a name of no known family, either."""
    if re.search(r"claude-3-[05]|claude-3-(opus|haiku|sonnet)", model):
        return ()
    if re.search(r"3-7|-4-[0-5](-|$)|claude-(opus|sonnet)-4(-\d{8}|$)", model):
        return ("enabled",)
    if re.search(r"-4-[7-9](-|$)|claude-\w+-5(-|$)", model):
        return ("adaptive",)
    return ("enabled", "adaptive")


def is_newest(model: str) -> bool:
    return thinking_modes(model) == ("adaptive",)


def check(call: Json, headers: Mapping[str, str], counting: bool = False) -> None:
    """Raises Invalid for what the vendor answers with 400. ``counting``: a count_tokens request."""
    if (version := headers.get("anthropic-version")) is None:
        raise Invalid("anthropic-version: header is required", "anthropic-version")
    if version not in VERSIONS:
        raise Invalid(f'anthropic-version: "{version}" is not a valid version.', "anthropic-version")
    betas = [name.strip() for name in headers.get("anthropic-beta", "").split(",") if name.strip()]
    _check_fields(call, betas, counting)
    thinking = _check_thinking(call, betas, counting)
    _check_sampling(call, thinking)
    _check_output(call)
    _check_tools(call, thinking)
    _check_system(call.get("system"))
    check_history(call, thinking, is_newest(call["model"]))
    _check_cache_marks(call, betas)


def extra(at: str) -> Invalid:
    return Invalid(f"{at}: Extra inputs are not permitted", at)


def _check_fields(call: Json, betas: list[str], counting: bool) -> None:
    for beta in betas:
        if not re.fullmatch(r"[a-z0-9-]+", beta):
            raise Invalid(f"Unexpected value(s) `{beta}` for the `anthropic-beta` header.", "anthropic-beta")
    for name in call:
        if name in BETA_FIELDS and any(beta.startswith(BETA_FIELDS[name]) for beta in betas):
            continue
        if name not in FIELDS or (counting and name in ONLY_CREATE):
            raise extra(name)
    required = ("model", "messages") if counting else ("model", "max_tokens", "messages")
    for name in required:
        if call.get(name) is None:
            raise Invalid(f"{name}: Field required", name)
    if not isinstance(call["model"], str) or not call["model"]:
        raise Invalid("model: Input should be a valid string", "model")
    cap = call.get("max_tokens")
    if not counting and (type(cap) is not int or cap < 1):
        raise Invalid("max_tokens: Input should be greater than or equal to 1", "max_tokens")
    if not isinstance(call.get("stream", False), bool):
        raise Invalid("stream: Input should be a valid boolean", "stream")
    for index, stop in enumerate(call.get("stop_sequences") or ()):
        if not isinstance(stop, str) or not stop.strip():
            at = f"stop_sequences.{index}"
            raise Invalid(f"{at}: each stop sequence must contain non-whitespace", at)
    for name in call.get("metadata") or {}:
        if name != "user_id":
            raise extra(f"metadata.{name}")


def _check_thinking(call: Json, betas: list[str], counting: bool) -> str:
    """How thinking is switched on: ``enabled``, ``adaptive`` or empty."""
    thinking = call.get("thinking")
    if thinking is None:
        return ""
    kind, model = thinking.get("type"), call["model"]
    if kind not in THINKING_FIELDS:
        raise Invalid(
            f"thinking: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        )
    for name in thinking:
        if name not in THINKING_FIELDS[kind]:
            raise extra(f"thinking.{kind}.{name}")
    if kind in ("disabled", "between_tools"):
        return ""
    if kind not in thinking_modes(model):
        raise Invalid(f'"thinking.type.{kind}" is not supported for this model.', "thinking.type")
    if kind == "enabled":
        _check_budget(call, thinking.get("budget_tokens"), betas, counting)
    return str(kind)


def _check_budget(call: Json, budget: Any, betas: list[str], counting: bool) -> None:
    at = "thinking.enabled.budget_tokens"
    if budget is None:
        raise Invalid(f"{at}: Field required", at)
    if type(budget) is not int or budget < BUDGET_MIN:
        raise Invalid(f"{at}: Input should be greater than or equal to {BUDGET_MIN}", at)
    interleaved = call.get("tools") and any(beta.startswith("interleaved-thinking-") for beta in betas)
    if not counting and not interleaved and budget >= call["max_tokens"]:
        raise Invalid("`max_tokens` must be greater than `thinking.budget_tokens`.", at)


def _check_sampling(call: Json, thinking: str) -> None:
    temperature, top_p, top_k = (call.get(name) for name in ("temperature", "top_p", "top_k"))
    for name, value in (("temperature", temperature), ("top_p", top_p)):
        if value is not None and (type(value) not in (int, float) or not 0 <= value <= 1):
            raise Invalid(f"{name}: Input should be between 0 and 1", name)
    if is_newest(call["model"]):
        for name in ("temperature", "top_p", "top_k"):
            if call.get(name) is not None:
                raise Invalid(f"`{name}` is not supported for this model.", name)
    if temperature is not None and top_p is not None and re.search(r"-4-[1-6](-|$)", call["model"]):
        message = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        raise Invalid(message, "temperature")
    if not thinking:
        return
    if temperature not in (None, 1):
        message = "`temperature` may only be set to 1 when thinking is enabled."
        raise Invalid(message, "temperature")
    if top_k is not None:
        raise Invalid("`top_k` must be unset when thinking is enabled.", "top_k")
    if top_p is not None and top_p < 0.95:
        raise Invalid(
            "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.", "top_p"
        )


def _check_output(call: Json) -> None:
    output = call.get("output_config") or {}
    for name in output:
        if name not in ("effort", "format", "task_budget"):
            raise extra(f"output_config.{name}")
    effort = output.get("effort")
    if effort is not None and effort not in EFFORTS:
        raise Invalid("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
    if effort in ("xhigh", "max") and thinking_modes(call["model"]) == ("enabled",):
        raise Invalid(f"output_config.effort: '{effort}' is not supported by this model.")
    for at, form in (
        ("output_config.format", output.get("format")),
        ("output_format", call.get("output_format")),
    ):
        if form is None:
            continue
        if form.get("type") != "json_schema" or not isinstance(form.get("schema"), dict):
            raise Invalid(f"{at}.schema: Field required", at)
        for name in form:
            if name not in ("type", "schema"):
                raise extra(f"{at}.{name}")
        for inner in _schemas(form["schema"]):
            if inner.get("type") == "object" and inner.get("additionalProperties") is not False:
                message = (
                    f"{at}.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
                )
                raise Invalid(message, at)


def _schemas(item: Any) -> Iterator[Json]:
    if isinstance(item, dict):
        yield item
        for value in item.values():
            yield from _schemas(value)
    elif isinstance(item, list):
        for value in item:
            yield from _schemas(value)


def _check_tools(call: Json, thinking: str) -> None:
    tools = call.get("tools") or []
    for index, tool in enumerate(tools):
        if tool.get("type") in (None, "custom"):
            _check_custom_tool(tool, f"tools.{index}.custom")
        elif not OWN_TOOL.fullmatch(str(tool["type"])):
            message = (
                f"tools.{index}: Input tag '{tool['type']}' found using 'type' does not match any of the"
            )
            raise Invalid(f"{message} expected tags", f"tools.{index}")
    names = [tool["name"] for tool in tools if "name" in tool]
    if len(set(names)) < len(names):
        raise Invalid("tools: Tool names must be unique.", "tools")
    choice = call.get("tool_choice")
    if choice is None:
        return
    kind = choice.get("type")
    if kind not in CHOICE_FIELDS:
        raise Invalid(
            f"tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        )
    for name in choice:
        if name not in CHOICE_FIELDS[kind]:
            raise extra(f"tool_choice.{kind}.{name}")
    if not tools:
        raise Invalid("tool_choice may only be specified while providing tools.", "tool_choice")
    if kind == "tool" and choice.get("name") not in names:
        raise Invalid(f"Tool '{choice.get('name')}' not found in provided tools", "tool_choice")
    if kind in ("any", "tool") and thinking:
        raise Invalid("Thinking may not be enabled when tool_choice forces tool use.", "tool_choice")


def _check_custom_tool(tool: Json, at: str) -> None:
    for name in tool:
        if name not in TOOL_FIELDS:
            raise extra(f"{at}.{name}")
    if not isinstance(tool.get("name"), str) or not TOOL_NAME.fullmatch(tool["name"]):
        message = f"{at}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        raise Invalid(message, f"{at}.name")
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        raise Invalid(f"{at}.input_schema: Field required", at)
    if schema.get("type") != "object":
        raise Invalid(f"{at}.input_schema.type: Input should be 'object'", at)
    if any(name in schema for name in ("oneOf", "allOf", "anyOf")):
        message = f"{at}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"
        raise Invalid(message, at)
    if not isinstance(tool.get("description", ""), str):
        raise Invalid(f"{at}.description: Input should be a valid string", at)


def _check_system(system: Any) -> None:
    if system is None or isinstance(system, str):
        return
    for index, block in enumerate(system):
        if block.get("type") != "text":
            raise Invalid(f"system.{index}.type: Input should be 'text'", "system")
        if not block.get("text"):
            raise Invalid("system: text content blocks must be non-empty", "system")


def _check_cache_marks(call: Json, betas: list[str]) -> None:
    scoped = any(beta.startswith("prompt-caching-scope-") for beta in betas)
    marks = list(_cache_marks([call.get("tools"), call.get("system"), call["messages"]]))
    if call.get("cache_control") is not None:
        marks.append(call["cache_control"])
    if len(marks) > CACHE_MARKS_MAX:
        message = (
            f"A maximum of {CACHE_MARKS_MAX} blocks with cache_control may be provided. Found {len(marks)}."
        )
        raise Invalid(message, "cache_control")
    short_seen = False
    for mark in marks:
        if mark.get("type") != "ephemeral" or mark.get("ttl", "5m") not in ("5m", "1h"):
            raise Invalid("cache_control: Input should be 'ephemeral' with ttl '5m' or '1h'", "cache_control")
        for name in mark:
            if name not in ("type", "ttl", "scope" if scoped else ""):
                raise extra(f"cache_control.{mark['type']}.{name}")
        if mark.get("ttl", "5m") == "1h" and short_seen:
            message = "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"
            raise Invalid(message, "cache_control")
        short_seen = short_seen or mark.get("ttl", "5m") == "5m"


def _cache_marks(item: Any) -> Iterator[Json]:
    """Those of blocks only: a tool's input or schema may hold any key."""
    if isinstance(item, list):
        for value in item:
            yield from _cache_marks(value)
    elif isinstance(item, dict):
        if isinstance(item.get("cache_control"), dict):
            yield item["cache_control"]
        yield from _cache_marks(item.get("content"))
