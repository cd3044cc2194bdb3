"""Checks a request as the vendor's published schema does, so that a relay that sends nonsense is told so."""

import json
import re
from typing import Any

Json = dict[str, Any]
ROLES = {"developer", "system", "user", "assistant", "tool", "function"}
PART_TYPES = {"text", "image_url", "input_audio", "file", "refusal"}
NULL_REFUSED = ("parallel_tool_calls", "tools", "messages", "model")


class Invalid(Exception):
    """The request breaks the schema at ``param``."""

    def __init__(self, message: str, param: str = "", code: str = "invalid_value") -> None:
        super().__init__(message)
        self.message, self.param, self.code = message, param, code


def check_chat(call: Json) -> None:
    """Raises Invalid for what the vendor answers with 400."""
    _check_shared(call)
    messages = call.get("messages")
    if messages is None:
        raise Invalid("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    if not isinstance(messages, list):
        raise Invalid("Invalid type for 'messages': expected an array.", "messages", "invalid_type")
    if not messages:
        raise Invalid("Invalid 'messages': empty array.", "messages", "empty_array")
    awaited: list[str] = []
    for index, message in enumerate(messages):
        awaited = _check_message(message, f"messages.[{index}]", awaited)
    if awaited:
        raise Invalid("An assistant message with 'tool_calls' must be followed by tool messages.", "messages")
    _check_tools(call)
    _check_format(call)
    _check_reasoning(call)
    _check_reasoning_back(call)


def efforts_of(model: str) -> tuple[str, ...] | None:
    """What the effort of reasoning may be; None for a name of no known family, () for no reasoning at all."""
    if re.match(r"o\d", model):
        return ("low", "medium", "high")
    if re.match(r"gpt-5(-|$)", model):
        return ("minimal", "low", "medium", "high")
    if re.match(r"gpt-5\.1", model):
        return ("none", "low", "medium", "high")
    if re.match(r"gpt-5\.", model):
        return ("none", "low", "medium", "high", "xhigh", "max")
    if re.match(r"gpt-(3|4)|chatgpt", model):
        return ()
    return None


def _check_reasoning(call: Json) -> None:
    effort, allowed = call.get("reasoning_effort"), efforts_of(call["model"])
    if effort is not None and allowed is not None and effort not in allowed:
        message = f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model."
        raise Invalid(message, "reasoning_effort", "unsupported_value")
    if not re.match(r"o\d", call["model"]):
        return
    if call.get("max_tokens") is not None:
        message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
        raise Invalid(f"{message} 'max_completion_tokens' instead.", "max_tokens", "unsupported_parameter")
    for name in ("temperature", "top_p", "stop"):
        if call.get(name) not in (None, 1):
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise Invalid(message, name, "unsupported_parameter")


def _check_format(call: Json) -> None:
    form = call.get("response_format") or {}
    if form.get("type") == "json_object" and "json" not in json.dumps(call["messages"]).lower():
        message = "'messages' must contain the word 'json' in some form, to use 'response_format' of type"
        raise Invalid(f"{message} 'json_object'.", "messages")
    if form.get("type") == "json_schema":
        for name in ("name", "schema"):
            if name not in (form.get("json_schema") or {}):
                at = f"response_format.json_schema.{name}"
                raise Invalid(f"Missing required parameter: '{at}'.", at, "missing_required_parameter")


def _check_reasoning_back(call: Json) -> None:
    """DeepSeek alone: with tools and thinking, each earlier assistant turn must give its reasoning back."""
    if not call["model"].startswith("deepseek") or not call.get("tools"):
        return
    if (call.get("thinking") or {}).get("type") == "disabled":
        return
    for message in call["messages"]:
        if message["role"] == "assistant" and not message.get("reasoning_content"):
            text = "The `reasoning_content` in the thinking mode must be passed back to the API."
            raise Invalid(text, "messages", "invalid_request_error")


def check_completion(call: Json) -> None:
    _check_shared(call)
    if not isinstance(call.get("prompt"), str | list):
        raise Invalid("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter")


def check_embeddings(call: Json) -> None:
    _check_shared(call)
    if "input" not in call:
        raise Invalid("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    if not isinstance(call["input"], str | list) or not call["input"]:
        raise Invalid("'$.input' is invalid.", "input")
    if call.get("encoding_format", "float") not in ("float", "base64"):
        raise Invalid("Unsupported value: 'encoding_format'.", "encoding_format")


def _check_shared(call: Json) -> None:
    for name in NULL_REFUSED:
        if name in call and call[name] is None:
            raise Invalid(f"Invalid type for '{name}': null.", name, "invalid_type")
    if not isinstance(call.get("model"), str):
        raise Invalid("you must provide a model parameter", "model", "missing_required_parameter")
    if call.get("stream") is not None and not isinstance(call["stream"], bool):
        raise Invalid("Invalid type for 'stream': expected a boolean.", "stream", "invalid_type")
    if call.get("stream_options") is not None and not call.get("stream"):
        raise Invalid("'stream_options' is only allowed when 'stream' is enabled.", "stream_options")
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("presence_penalty", -2, 2)):
        value = call.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise Invalid(f"Invalid type for '{name}': expected a number.", name, "invalid_type")
        if value is not None and not low <= value <= high:
            raise Invalid(f"Invalid '{name}': {value} is out of range.", name, "decimal_out_of_range")
    for name in ("max_tokens", "max_completion_tokens", "n"):
        value = call.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise Invalid(f"Invalid type for '{name}': expected an integer.", name, "invalid_type")
        if value is not None and value < 1:
            raise Invalid(f"Invalid '{name}': below minimum.", name, "integer_below_min_value")


def _check_message(message: Any, at: str, awaited: list[str]) -> list[str]:
    """One message. ``awaited``: ids of tool calls not answered before it; returned are those after it."""
    if not isinstance(message, dict):
        raise Invalid(f"Invalid type for '{at}': expected an object.", at, "invalid_type")
    role = message.get("role")
    if role not in ROLES:
        raise Invalid(f"Invalid value: '{role}' for '{at}.role'.", f"{at}.role")
    if role == "tool":
        if message.get("tool_call_id") not in awaited:
            raise Invalid("A message with role 'tool' must answer a preceding 'tool_calls'.", at)
        return [call_id for call_id in awaited if call_id != message["tool_call_id"]]
    if awaited:
        raise Invalid("An assistant message with 'tool_calls' must be followed by tool messages.", at)
    calls = message.get("tool_calls") or []
    content = message.get("content")
    if content is None and not (role == "assistant" and (calls or message.get("function_call"))):
        raise Invalid(f"Invalid value for 'content': expected a string, got null at '{at}'.", f"{at}.content")
    if content is not None and not isinstance(content, str):
        _check_parts(content, f"{at}.content")
    return [call.get("id", "") for call in calls]


def _check_parts(content: Any, at: str) -> None:
    if not isinstance(content, list):
        raise Invalid(f"Invalid type for '{at}'.", at, "invalid_type")
    for part in content:
        if not isinstance(part, dict) or part.get("type") not in PART_TYPES:
            raise Invalid(f"Invalid part in '{at}'.", at)


def _check_tools(call: Json) -> None:
    tools = call.get("tools")
    if tools is None:
        for name in ("tool_choice", "parallel_tool_calls"):
            if call.get(name) not in (None, "none"):
                raise Invalid(f"'{name}' is only allowed when 'tools' are specified.", name)
        return
    if not isinstance(tools, list) or not tools:
        raise Invalid("Invalid 'tools': expected a non-empty array.", "tools", "empty_array")
    for index, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        if tool.get("type") == "function" and not (isinstance(function, dict) and function.get("name")):
            raise Invalid(f"Missing required parameter: 'tools[{index}].function'.", "tools")
    _check_names(call, [tool.get("function") or tool.get("custom") or {} for tool in tools])


def _check_names(call: Json, tools: list[Json]) -> None:
    names = {tool.get("name") for tool in tools}
    for name in names:
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", str(name)):
            raise Invalid("Invalid 'tools.function.name': string does not match pattern.", "tools")
    choice = call.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") in ("function", "custom"):
        if (choice.get(choice["type"]) or {}).get("name") not in names:
            raise Invalid("Tool choice not found in 'tools' parameter.", "tool_choice")
    elif isinstance(choice, str) and choice not in ("none", "auto", "required"):
        raise Invalid(f"Invalid value: '{choice}'.", "tool_choice")
