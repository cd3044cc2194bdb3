"""The vendor's rules on the items of a Responses request: their parts, ids, pairs and reasoning."""

from collections.abc import Callable
from typing import Any

from tests.sim import seal
from tests.sim.facts import Json
from tests.sim.responses import CALLS, RESULTS
from tests.sim.responses_strict import missing, unknown
from tests.sim.strict import Invalid

ITEM_FIELDS = {
    "message": {"type", "role", "content", "id", "status", "phase"},
    "function_call": {"type", "call_id", "name", "arguments", "id", "status", "namespace", "caller", "async"},
    "function_call_output": {"type", "call_id", "output", "id", "status", "name", "namespace", "caller"},
    "custom_tool_call": {"type", "call_id", "name", "input", "id", "status", "namespace", "caller"},
    "custom_tool_call_output": {"type", "call_id", "output", "id", "status", "caller"},
    "reasoning": {"type", "id", "summary", "content", "encrypted_content", "status"},
    "item_reference": {"type", "id"},
    "compaction": {"type", "id", "encrypted_content"},
}
REQUIRED = {
    "message": ("role", "content"),
    "function_call": ("call_id", "name", "arguments"),
    "function_call_output": ("call_id", "output"),
    "custom_tool_call": ("call_id", "name", "input"),
    "custom_tool_call_output": ("call_id", "output"),
    "reasoning": ("summary",),
    "item_reference": ("id",),
    "compaction": ("encrypted_content",),
}
OTHER_TYPES = {
    "web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "computer_call",
    "computer_call_output", "mcp_list_tools", "mcp_call", "mcp_approval_request", "mcp_approval_response",
    "local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output", "apply_patch_call",
    "apply_patch_call_output", "tool_search_call", "tool_search_output", "additional_tools", "agent_message",
}  # fmt: skip
PREFIXES = {"message": "msg", "function_call": "fc", "reasoning": "rs", "custom_tool_call": "ctc"}
INPUT_PARTS = ("input_text", "input_image", "input_file", "input_audio")
OUTPUT_PARTS = ("output_text", "refusal")
PART_FIELDS = {
    "input_text": {"type", "text", "prompt_cache_breakpoint"},
    "input_image": {"type", "image_url", "file_id", "detail", "prompt_cache_breakpoint"},
    "input_file": {
        "type",
        "file_data",
        "file_id",
        "file_url",
        "filename",
        "detail",
        "prompt_cache_breakpoint",
    },
    "input_audio": {"type", "input_audio"},
    "output_text": {"type", "text", "annotations", "logprobs"},
    "refusal": {"type", "refusal"},
}

Find = Callable[[str], Json | None]
"""An item that the vendor has stored, by its id."""


class NotFound(Invalid):
    """Answered with 404."""


def read_input(call: Json, find: Find) -> list[Json]:
    """The items of the request itself, references resolved."""
    given = call.get("input")
    if given is None:
        raise missing("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    if not isinstance(given, list):
        raise Invalid("Invalid type for 'input': expected a string or an array.", "input", "invalid_type")
    return [_checked(item, f"input[{index}]", find) for index, item in enumerate(given)]


def _checked(item: Any, at: str, find: Find) -> Json:
    if not isinstance(item, dict):
        raise Invalid(f"Invalid type for '{at}': expected an object.", at, "invalid_type")
    kind = item.get("type") or "message"
    if kind not in ITEM_FIELDS and kind not in OTHER_TYPES:
        raise Invalid(f"Invalid value: '{kind}'.", f"{at}.type")
    for name in item:
        if kind in ITEM_FIELDS and name not in ITEM_FIELDS[kind]:
            raise unknown(f"{at}.{name}")
    for name in REQUIRED.get(kind, ()):
        if item.get(name) is None:
            raise missing(f"{at}.{name}")
    if (prefix := PREFIXES.get(kind)) and item.get("id") and not item["id"].startswith(f"{prefix}_"):
        message = f"Invalid '{at}.id': '{item['id']}'. Expected an ID that begins with '{prefix}'."
        raise Invalid(message, f"{at}.id")
    match kind:
        case "message":
            _check_message(item, at)
        case "function_call" if not isinstance(item["arguments"], str):
            message = f"Invalid type for '{at}.arguments': expected a string."
            raise Invalid(message, f"{at}.arguments", "invalid_type")
        case "function_call_output" | "custom_tool_call_output":
            if not isinstance(item["output"], str):
                _check_parts(item["output"], INPUT_PARTS, f"{at}.output")
        case "reasoning":
            _check_reasoning(item, at, find)
        case "item_reference":
            return _found(item["id"], find)
    return item


def _check_message(item: Json, at: str) -> None:
    role = item["role"]
    if role not in ("user", "assistant", "system", "developer"):
        raise Invalid(f"Invalid value: '{role}'.", f"{at}.role")
    if not isinstance(item["content"], str):
        allowed = OUTPUT_PARTS if role == "assistant" else INPUT_PARTS
        _check_parts(item["content"], allowed, f"{at}.content")


def _check_parts(parts: Any, allowed: tuple[str, ...], at: str) -> None:
    if not isinstance(parts, list):
        raise Invalid(f"Invalid type for '{at}': expected a string or an array.", at, "invalid_type")
    for index, part in enumerate(parts):
        place = f"{at}[{index}]"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in allowed:
            wanted = ", ".join(f"'{name}'" for name in allowed)
            raise Invalid(f"Invalid value: '{kind}'. Supported values are: {wanted}.", f"{place}.type")
        for name in part:
            if name not in PART_FIELDS[kind]:
                raise unknown(f"{place}.{name}")
        if kind in ("input_text", "output_text") and not isinstance(part.get("text"), str):
            raise missing(f"{place}.text")
        if kind == "input_image":
            _check_image(part, place)
        if kind == "input_file" and not any(part.get(name) for name in ("file_data", "file_id", "file_url")):
            raise missing(f"{place}.file_data")


def _check_image(part: Json, at: str) -> None:
    address = part.get("image_url")
    if address is None and not part.get("file_id"):
        raise missing(f"{at}.image_url")
    if address is not None and not isinstance(address, str):
        raise Invalid(f"Invalid type for '{at}.image_url': expected an image URL.", at, "invalid_type")
    if address is not None and not address.startswith(("http://", "https://", "data:image/")):
        raise Invalid(f"Invalid '{at}.image_url'. Expected a valid URL.", at, "invalid_image_url")


def _check_reasoning(item: Json, at: str, find: Find) -> None:
    sealed = item.get("encrypted_content")
    if sealed is not None:
        if seal.unseal("responses", sealed) is None:
            message = f"The encrypted content for item {item.get('id')} could not be verified."
            raise Invalid(message, at, "invalid_encrypted_content")
    elif item.get("id"):
        _found(item["id"], find)
    else:
        raise missing(f"{at}.encrypted_content")


def _found(item_id: str, find: Find) -> Json:
    found = find(item_id)
    if found is None:
        message = f"Item with id '{item_id}' not found. Items are not persisted when `store` is set to false."
        raise NotFound(f"{message} Try again with `store` set to true, or remove this item from your input.")
    return found


def check_history(items: list[Json], reasoning_of: Callable[[str], str | None]) -> None:
    """Pairs and order over the whole history. ``reasoning_of``: id of the reasoning that made an item."""
    calls: dict[str, bool] = {}
    for item in items:
        kind = item.get("type", "message")
        if kind in CALLS:
            calls[item["call_id"]] = False
        elif kind in RESULTS:
            if item["call_id"] not in calls:
                message = f"No tool call found for function call output with call_id {item['call_id']}."
                raise Invalid(message, "input")
            calls[item["call_id"]] = True
    for call_id, answered in calls.items():
        if not answered:
            raise Invalid(f"No tool output found for function call {call_id}.", "input")
    _check_reasoning_order(items, reasoning_of)


def _check_reasoning_order(items: list[Json], reasoning_of: Callable[[str], str | None]) -> None:
    present = {item.get("id") for item in items}
    for index, item in enumerate(items):
        after = items[index + 1] if index + 1 < len(items) else {}
        kind = item.get("type", "message")
        if kind == "reasoning" and not _is_produced(after):
            message = (
                f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following"
            )
            raise Invalid(f"{message} item.", "input")
        needed = reasoning_of(item.get("id") or "")
        if kind in CALLS and needed is not None and needed not in present:
            message = (
                f"Item '{item['id']}' of type '{kind}' was provided without its required 'reasoning' item:"
            )
            raise Invalid(f"{message} '{needed}'.", "input")


def _is_produced(item: Json) -> bool:
    kind = item.get("type", "message")
    if kind == "message":
        return item.get("role") == "assistant"
    return kind in CALLS or kind == "reasoning" or (kind.endswith("_call") and kind in OTHER_TYPES)
