"""The input of a request as turns: strings, easy messages, and items as earlier answers left them.

Neighbouring reasoning, assistant messages and calls are one assistant turn, which ends at the next message of
another role or at a tool's result. What ran at the upstream stays as it came.
"""

from collections.abc import Iterable
from typing import Any, Literal, get_args

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import MISSING_PARAMETER, UNSUPPORTED_PARAMETER, ApiError
from switchgear.kernel.limits import MESSAGES_MAX, PARTS_MAX
from switchgear.wire.framing.data_urls import clean_base64
from switchgear.wire.framing.splice import NULL
from switchgear.wire.neutral.maker import GOOGLE
from switchgear.wire.neutral.request import (
    HostedItem,
    Image,
    Opaque,
    Part,
    Reasoning,
    Seals,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from switchgear.wire.neutral.text_signatures import sign_text
from switchgear.wire.openai_responses.from_client.parts import read_content, read_output
from switchgear.wire.openai_responses.from_client.tools import ToolReader, flat_name, hosted_kind
from switchgear.wire.openai_responses.values import (
    Fields,
    check_count,
    decoded,
    invalid_type,
    invalid_value,
)

_decode_list = msgspec.json.Decoder(list[Raw]).decode
_encode = msgspec.json.Encoder().encode

Role = Literal["system", "developer", "user", "assistant"]
_ROLES: dict[str, Role] = {role: role for role in get_args(Role)}
_CALLS = frozenset({"function_call", "custom_tool_call"})
_RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})
_OF_CLIENTS = frozenset(
    {
        "computer_call_output",
        "shell_call_output",
        "local_shell_call_output",
        "apply_patch_call_output",
        "mcp_approval_response",
    }
)
"""What the client did for a tool of the maker's: the model has seen it nowhere else."""
_TOOL_LISTS = frozenset({"additional_tools", "tool_search_output"})


class Item(msgspec.Struct, gc=False):
    """An input item of any type; what isn't looked at is not decoded."""

    type: Any = None
    role: Any = None
    content: Raw = NULL
    id: Any = None
    call_id: Any = None
    name: Any = None
    namespace: Any = None
    arguments: Raw = NULL
    input: Raw = NULL
    output: Raw = NULL
    summary: Raw = NULL
    encrypted_content: Any = None
    tools: Raw = NULL
    result: Any = None


_decode_item = msgspec.json.Decoder(Item).decode


def read_input(fields: Fields, seals: Seals, tools: ToolReader) -> tuple[Turn, ...]:
    """The turns of ``input``; tools that stand among its items go to ``tools``. Raises ApiError."""
    raw = fields.get("input", NULL)
    if raw == NULL:
        raise ApiError(MISSING_PARAMETER, "Missing required parameter: 'input'.", param="input")
    if memoryview(raw)[0] == 0x22:
        text = decoded(raw, "input")
        return (Turn("user", (Text(text),)),) if text else ()
    try:
        items = _decode_list(raw)
    except (ValueError, RecursionError):
        raise invalid_type("input", "a string or an array of items") from None
    check_count(len(items), MESSAGES_MAX, "items", "input")
    reader = _InputReader(seals, tools)
    for at, item in enumerate(items):
        reader.read(item, f"input.{at}")
        check_count(reader.count, PARTS_MAX, "parts", "input")
    return reader.close()


class _InputReader:
    def __init__(self, seals: Seals, tools: ToolReader) -> None:
        self._seals = seals
        self._tools = tools
        self.count = 0
        """Of parts so far."""
        self._turns: list[Turn] = []
        self._role: Role = "user"
        self._parts: list[Part] = []
        self._is_results = False
        self._signature: Opaque | None = None
        """Google signs the part after the reasoning."""

    def close(self) -> tuple[Turn, ...]:
        self._end_turn()
        return tuple(self._turns)

    def read(self, raw: Raw, param: str) -> None:
        try:
            item = _decode_item(raw)
        except (ValueError, RecursionError):
            item = _patient(raw, param)
        kind = item.type if isinstance(item.type, str) else "message" if item.role is not None else ""
        if kind == "message":
            self._read_message(item, param)
        elif kind in _CALLS:
            self._read_call(item, kind, param)
        elif kind in _RESULTS:
            self._read_result(item, kind, param)
        elif kind == "reasoning":
            self._read_reasoning(item, param)
        elif kind in _TOOL_LISTS:
            self._tools.read(item.tools, f"{param}.tools")
        else:
            self._read_other(raw, item, kind, param)

    def _read_message(self, item: Item, param: str) -> None:
        role = _ROLES.get(item.role) if isinstance(item.role, str) else None
        if role is None:
            raise invalid_value(f"{param}.role", "'user', 'assistant', 'system' or 'developer' is expected")
        parts = read_content(item.content, f"{param}.content")
        self.count += len(parts)
        if role == "assistant":
            self._say(parts)
        elif parts:
            self._end_turn()
            self._turns.append(Turn(role, parts))

    def _read_call(self, item: Item, kind: str, param: str) -> None:
        name = _required_text(item.name, f"{param}.name")
        call_id = _required_text(item.call_id or item.id, f"{param}.call_id")
        namespace = item.namespace if isinstance(item.namespace, str) else ""
        is_custom = kind == "custom_tool_call"
        said = item.input if is_custom else item.arguments
        self._open_assistant()
        text = _text_or_json(said, f"{param}.{'input' if is_custom else 'arguments'}")
        if text and not is_custom and not text.strip():
            text = "{}"  # blanks alone, which no upstream takes for JSON
        call = ToolCall(
            call_id,
            flat_name(namespace, name),
            text,
            "custom" if is_custom else "function",
            self._signature,
            namespace,
        )
        self._signature = None
        self._say((call,))

    def _read_result(self, item: Item, kind: str, param: str) -> None:
        parts = read_output(item.output, f"{param}.output")
        self.count += len(parts)
        if not item.call_id and isinstance(item.name, str) and item.name:
            # Codex tells by such items what a tool of the application itself has to say: nobody called it.
            self._end_turn()
            self._turns.append(Turn("user", parts))
            return
        call_id = _required_text(item.call_id, f"{param}.call_id")
        if not self._is_results:
            self._end_turn()
            self._role, self._is_results = "user", True
        self._parts.append(
            ToolResult(call_id, parts, kind="custom" if kind == "custom_tool_call_output" else "function")
        )

    def _read_reasoning(self, item: Item, param: str) -> None:
        text = _joined(item.content, f"{param}.content", "") or _joined(
            item.summary, f"{param}.summary", "\n\n"
        )
        opaque = None
        if isinstance(item.encrypted_content, str) and item.encrypted_content:
            opaque = self._seals.open(item.encrypted_content)
            if opaque is None:
                # A token of the dialect itself; whose, it doesn't say.
                opaque = Opaque("", "encrypted", item.encrypted_content)
        self._open_assistant()
        if opaque is not None and opaque.origin == GOOGLE and opaque.kind == "signature":
            self._signature, opaque = opaque, None
        if text or opaque is not None:
            self._say((Reasoning(text, opaque),))
            sign_text(self._parts)

    def _read_other(self, raw: Raw, item: Item, kind: str, param: str) -> None:
        if kind == "item_reference":
            raise invalid_value(param, f"item '{item.id}' is not stored here")
        if kind.startswith("compaction"):
            raise ApiError(
                UNSUPPORTED_PARAMETER,
                f"'{param}' ({kind}) can be read by the model that wrote it only.",
                param=param,
            )
        if kind in _OF_CLIENTS:
            raise ApiError(
                UNSUPPORTED_PARAMETER,
                f"'{param}' ({kind}) can't be carried to this model: no upstream of it knows such a tool.",
                param=param,
            )
        if kind == "image_generation_call" and isinstance(item.result, str):
            data = clean_base64(item.result)
            if not data:
                raise invalid_value(f"{param}.result", "base64 is expected")
            self._say((Image(data, "image/png"),))
        elif kind == "agent_message":
            item.role = "user"
            self._read_message(item, param)
        elif kind:
            self._say((HostedItem("openai_responses", hosted_kind(kind), raw),))
        else:
            raise invalid_value(f"{param}.type", "the type of an item is expected")

    def _say(self, parts: Iterable[Part]) -> None:
        """Parts of an assistant turn."""
        self._open_assistant()
        for part in parts:
            if self._signature is not None and isinstance(part, Text):
                part = msgspec.structs.replace(part, opaque=self._signature)
                self._signature = None
            self._parts.append(part)

    def _open_assistant(self) -> None:
        if self._is_results or self._role != "assistant":
            self._end_turn()
            self._role = "assistant"

    def _end_turn(self) -> None:
        if self._parts:
            self._turns.append(Turn(self._role, tuple(self._parts)))
            self._parts = []
        self._role, self._is_results, self._signature = "user", False, None


def _patient(raw: Raw, param: str) -> Item:
    """For items with text that only repairs make readable."""
    found = decoded(raw, param)
    if not isinstance(found, dict):
        raise invalid_type(param, "an object")
    return _decode_item(_encode(found))


def _required_text(found: Any, param: str) -> str:
    if not isinstance(found, str) or not found:
        if found is None:
            raise ApiError(MISSING_PARAMETER, f"Missing required parameter: '{param}'.", param=param)
        raise invalid_type(param, "a string")
    return found


def _text_or_json(raw: Raw, param: str) -> str:
    """A string; some send the object that it should spell."""
    if raw == NULL:
        return ""
    if memoryview(raw)[0] == 0x22:
        text = decoded(raw, param)
        return text if isinstance(text, str) else ""
    return bytes(raw).decode("utf-8", "replace")


def _joined(raw: Raw, param: str, between: str) -> str:
    """The texts of parts, or of a string."""
    if raw == NULL:
        return ""
    found = decoded(raw, param)
    if isinstance(found, str):
        return found
    if not isinstance(found, list):
        raise invalid_type(param, "an array of parts")
    texts = (part.get("text") for part in found if isinstance(part, dict))
    return between.join(text for text in texts if isinstance(text, str) and text)
