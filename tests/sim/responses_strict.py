"""Checks a Responses request as strictly as the vendor does; the messages are worded as its own."""

import re
from collections.abc import Iterator
from typing import Any

from tests.sim.facts import Json, compact
from tests.sim.strict import Invalid, efforts_of

FIELDS = {
    "model", "input", "instructions", "previous_response_id", "conversation", "store", "background",
    "background_options", "stream", "stream_options", "max_output_tokens", "max_tool_calls", "temperature",
    "top_p", "top_logprobs", "reasoning", "text", "tools", "tool_choice", "parallel_tool_calls", "include",
    "truncation", "prompt", "metadata", "user", "safety_identifier", "prompt_cache_key",
    "prompt_cache_retention", "prompt_cache_options", "service_tier", "context_management", "moderation",
    "access_programs", "image", "client_metadata",
}  # fmt: skip
COUNT_FIELDS = {
    "model", "input", "instructions", "previous_response_id", "conversation", "tools", "tool_choice",
    "parallel_tool_calls", "reasoning", "text", "truncation",
}  # fmt: skip
MOVED = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "messages": "input",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
    "functions": "tools",
}
INCLUDES = {
    "file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
    "message.input_image.image_url", "computer_call_output.output.image_url", "code_interpreter_call.outputs",
    "reasoning.encrypted_content", "message.output_text.logprobs",
}  # fmt: skip
TOOL_TYPES = {
    "function", "custom", "web_search", "web_search_2025_08_26", "web_search_preview",
    "web_search_preview_2025_03_11", "file_search", "code_interpreter", "image_generation", "mcp", "computer",
    "computer_use_preview", "local_shell", "shell", "apply_patch", "namespace", "tool_search",
    "programmatic_tool_calling",
}  # fmt: skip
FUNCTION_FIELDS = {"type", "name", "parameters", "strict", "description", "defer_loading", "allowed_callers"}
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
OUTPUT_TOKENS_MIN = 16


def check(call: Json) -> None:
    """Raises Invalid for what the vendor answers with 400, but for what is wrong with the items."""
    _check_names(call, FIELDS)
    _check_numbers(call)
    _check_state(call)
    _check_reasoning(call)
    _check_text(call)
    _check_tools(call)


def check_count(call: Json) -> None:
    _check_names(call, COUNT_FIELDS)
    _check_text(call)
    _check_tools(call)


def unknown(name: str) -> Invalid:
    return Invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def missing(name: str) -> Invalid:
    return Invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def unsupported(name: str) -> Invalid:
    message = f"Unsupported parameter: '{name}' is not supported with this model."
    return Invalid(message, name, "unsupported_parameter")


def _check_names(call: Json, allowed: set[str]) -> None:
    for name in call:
        if name in MOVED:
            message = f"Unsupported parameter: '{name}'. In the Responses API, this parameter has moved to"
            raise Invalid(f"{message} '{MOVED[name]}'.", name, "unsupported_parameter")
        if name not in allowed:
            raise unknown(name)
    if not isinstance(call.get("model"), str):
        raise missing("model")
    for name in ("stream", "store", "background", "parallel_tool_calls"):
        if not isinstance(call.get(name), bool | None):
            raise Invalid(f"Invalid type for '{name}': expected a boolean.", name, "invalid_type")
    for name in call.get("include") or ():
        if name not in INCLUDES:
            raise Invalid(f"Invalid value: '{name}'.", "include")
    if call.get("truncation") not in (None, "auto", "disabled"):
        raise Invalid(f"Invalid value: '{call['truncation']}'.", "truncation")
    for key, value in (call.get("metadata") or {}).items():
        if not isinstance(value, str) or len(key) > 64 or len(value) > 512:
            raise Invalid(f"Invalid type for 'metadata.{key}': expected a string.", f"metadata.{key}")


def _check_numbers(call: Json) -> None:
    cap = call.get("max_output_tokens")
    if cap is not None and type(cap) is not int:
        message = "Invalid type for 'max_output_tokens': expected an integer."
        raise Invalid(message, "max_output_tokens", "invalid_type")
    if cap is not None and cap < OUTPUT_TOKENS_MIN:
        message = "Invalid 'max_output_tokens': integer below minimum value. Expected a value >="
        message += f" {OUTPUT_TOKENS_MIN}, but got {cap} instead."
        raise Invalid(message, "max_output_tokens", "integer_below_min_value")
    for name, high in (("temperature", 2), ("top_p", 1), ("top_logprobs", 20)):
        value = call.get(name)
        if value is not None and (isinstance(value, bool) or not 0 <= value <= high):
            raise Invalid(f"Invalid '{name}': {value} is out of range.", name, "decimal_out_of_range")


def _check_state(call: Json) -> None:
    options = call.get("stream_options")
    if options is not None:
        if not call.get("stream"):
            message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
            raise Invalid(message, "stream_options")
        for name in options:
            if name != "include_obfuscation":
                raise unknown(f"stream_options.{name}")
    if call.get("background") and call.get("store") is False:
        raise Invalid("Background responses must be stored: 'store' may not be false.", "background")
    if call.get("conversation") is not None and call.get("previous_response_id") is not None:
        message = "Mutually exclusive parameters: 'conversation' and 'previous_response_id'."
        raise Invalid(message, "conversation", "mutually_exclusive_parameters")


def _check_reasoning(call: Json) -> None:
    model, reasoning = call["model"], call.get("reasoning") or {}
    for name in reasoning:
        if name not in ("effort", "summary", "generate_summary", "context", "mode"):
            raise unknown(f"reasoning.{name}")
    effort, allowed = reasoning.get("effort"), efforts_of(model)
    if allowed == () and (effort or reasoning.get("summary")):
        raise unsupported("reasoning.effort")
    if effort is not None and allowed and effort not in allowed:
        message = f"Unsupported value: '{effort}' is not supported with the '{model}' model."
        raise Invalid(message, "reasoning.effort", "unsupported_value")
    if reasoning.get("summary") not in (None, "auto", "concise", "detailed"):
        raise Invalid(f"Invalid value: '{reasoning['summary']}'.", "reasoning.summary")
    reasons = bool(allowed) and ("none" not in (allowed or ()) or effort not in (None, "none"))
    for name in ("temperature", "top_p"):
        if reasons and call.get(name) not in (None, 1):
            raise unsupported(name)


def _check_text(call: Json) -> None:
    text = call.get("text") or {}
    for name in text:
        if name not in ("format", "verbosity"):
            raise unknown(f"text.{name}")
    form = text.get("format") or {"type": "text"}
    kind = form.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise Invalid(f"Invalid value: '{kind}'.", "text.format.type")
    for name in form:
        if name not in ("type", "name", "schema", "strict", "description"):
            raise unknown(f"text.format.{name}")
    if kind == "json_object" and "json" not in compact(call.get("input")).lower():
        message = (
            "Response input messages must contain the word 'json' in some form to use 'text.format' of type"
        )
        raise Invalid(f"{message} 'json_object'.", "input")
    if kind == "json_schema":
        for name in ("name", "schema"):
            if name not in form:
                raise missing(f"text.format.{name}")
        if form.get("strict"):
            check_strict_schema(form["schema"], f"response_format '{form['name']}'", "text.format.schema")


def check_strict_schema(schema: Any, of: str, param: str) -> None:
    for inner in _schemas(schema):
        if inner.get("type") != "object":
            continue
        start = f"Invalid schema for {of}: In context=(), "
        if inner.get("additionalProperties") is not False:
            message = f"{start}'additionalProperties' is required to be supplied and to be false."
            raise Invalid(message, param, "invalid_json_schema")
        if set(inner.get("required") or ()) != set(inner.get("properties") or ()):
            message = f"{start}'required' is required to be supplied and to be an array including every key."
            raise Invalid(message, param, "invalid_json_schema")


def _schemas(item: Any) -> Iterator[Json]:
    if isinstance(item, dict):
        yield item
        for value in item.values():
            yield from _schemas(value)
    elif isinstance(item, list):
        for value in item:
            yield from _schemas(value)


def _check_tools(call: Json) -> None:
    tools = call.get("tools") or []
    for index, tool in enumerate(tools):
        at = f"tools[{index}]"
        kind = tool.get("type")
        if kind not in TOOL_TYPES:
            raise Invalid(f"Invalid value: '{kind}'.", f"{at}.type")
        if kind in ("function", "custom") and not tool.get("name"):
            raise missing(f"{at}.name")
        if kind in ("function", "custom") and not NAME.fullmatch(tool["name"]):
            message = f"Invalid '{at}.name': string does not match pattern. Expected '^[a-zA-Z0-9_-]+$'."
            raise Invalid(message, f"{at}.name", "invalid_value")
        if kind == "function":
            _check_function(tool, at)
    _check_choice(call.get("tool_choice"), tools)


def _check_function(tool: Json, at: str) -> None:
    for name in tool:
        if name not in FUNCTION_FIELDS:
            raise unknown(f"{at}.{name}")
    schema = tool.get("parameters")
    if schema is None:
        return
    of = f"function '{tool['name']}'"
    if schema.get("type") != "object":
        message = f"Invalid schema for {of}: schema must be a JSON Schema of 'type: \"object\"'."
        raise Invalid(message, f"{at}.parameters", "invalid_function_parameters")
    # Left out it means "strict if the schema allows"; only the word itself makes a loose schema an error.
    if tool.get("strict") is True:
        check_strict_schema(schema, of, f"{at}.parameters")


def _check_choice(choice: Any, tools: list[Json]) -> None:
    if choice is None or choice in ("auto", "none"):
        return
    if choice == "required":
        if not tools:
            message = "Tool choice 'required' must be specified with 'tools' parameter."
            raise Invalid(message, "tool_choice")
        return
    if not isinstance(choice, dict):
        raise Invalid(f"Invalid value: '{choice}'.", "tool_choice")
    kind = choice.get("type")
    if kind in ("function", "custom"):
        if "name" not in choice:
            raise missing("tool_choice.name")
        if not any(tool["type"] == kind and tool["name"] == choice["name"] for tool in tools):
            raise Invalid(f"Tool choice '{choice['name']}' not found in 'tools' parameter.", "tool_choice")
    elif kind == "allowed_tools":
        if choice.get("mode") not in ("auto", "required") or not choice.get("tools"):
            raise Invalid("Invalid value for 'tool_choice.mode' or 'tool_choice.tools'.", "tool_choice")
    elif not any(tool["type"] == kind for tool in tools):
        raise Invalid(f"Tool choice '{kind}' not found in 'tools' parameter.", "tool_choice")
