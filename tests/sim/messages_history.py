"""The vendor's rules on the history of a Messages request: blocks, pairs of calls and results, signatures."""

import re
from typing import Any

from tests.sim import seal
from tests.sim.facts import Json
from tests.sim.strict import Invalid

BLOCK_FIELDS = {
    "text": {"type", "text", "cache_control", "citations"},
    "image": {"type", "source", "cache_control"},
    "document": {"type", "source", "title", "context", "citations", "cache_control"},
    "search_result": {"type", "source", "title", "content", "citations", "cache_control"},
    "tool_use": {"type", "id", "name", "input", "cache_control", "caller"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
}
OF_USER = {"text", "image", "document", "search_result", "tool_result", "container_upload"}
OF_RESULT = {"text", "image", "document", "search_result", "tool_reference"}
NOT_OF_ASSISTANT = {"image", "document", "search_result", "tool_result", "container_upload"}
SERVER_BLOCK = re.compile(
    r"server_tool_use|\w+_tool_result|mcp_tool_use|compaction|container_upload|tool_reference"
)
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
ID = re.compile(r"[a-zA-Z0-9_-]+")
THINKING = ("thinking", "redacted_thinking")

Message = tuple[str, list[Json]]
"""Role and blocks."""


def check_history(call: Json, thinking: str, newest: bool) -> None:
    """``thinking``: how it is switched on, or empty. ``newest``: system messages may stand anywhere."""
    messages = call["messages"]
    if not isinstance(messages, list) or not messages:
        raise Invalid("messages: at least one message is required", "messages")
    turns: list[Message] = []
    for index, message in enumerate(messages):
        role, blocks = _checked(message, f"messages.{index}", index == len(messages) - 1, newest)
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, list(blocks)))
    turns = [turn for turn in turns if turn[0] != "system"]
    if not turns or turns[0][0] != "user":
        raise Invalid('messages: first message must use the "user" role', "messages")
    _check_pairs(turns)
    _check_end(call["model"], turns, thinking)
    _check_thinking_kept(turns, thinking)


def _checked(message: Any, at: str, last: bool, newest: bool) -> Message:
    role = message.get("role") if isinstance(message, dict) else None
    for name in message:
        if name not in ("role", "content"):
            raise Invalid(f"{at}.{name}: Extra inputs are not permitted", at)
    if role not in ("user", "assistant") and not (role == "system" and newest):
        raise Invalid(f"{at}.role: Input should be 'user' or 'assistant'", f"{at}.role")
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list):
        raise Invalid(f"{at}.content: Input should be a valid list", at)
    if not content and not (last and role == "assistant"):
        raise Invalid(f"{at}: all messages must have non-empty content", at)
    for number, block in enumerate(content):
        _check_block(block, role, f"{at}.content.{number}")
    return str(role), content


def _check_block(block: Any, role: str, at: str) -> None:
    kind = str(block.get("type")) if isinstance(block, dict) else ""
    if kind not in BLOCK_FIELDS and not SERVER_BLOCK.fullmatch(kind):
        raise Invalid(
            f"{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags", at
        )
    if (role != "assistant" and kind not in OF_USER) or (role == "assistant" and kind in NOT_OF_ASSISTANT):
        raise Invalid(f"{at}: `{kind}` blocks are not permitted in {role} messages", at)
    for name in block:
        if kind in BLOCK_FIELDS and name not in BLOCK_FIELDS[kind]:
            raise Invalid(f"{at}.{kind}.{name}: Extra inputs are not permitted", at)
    match kind:
        case "text":
            _check_text(block, at)
        case "image" | "document":
            _check_source(block.get("source"), kind, f"{at}.{kind}.source")
        case "tool_use":
            _check_id(block.get("id"), f"{at}.tool_use.id")
            if not isinstance(block.get("input"), dict):
                raise Invalid(f"{at}.tool_use.input: Input should be a valid dictionary", at)
        case "tool_result":
            _check_id(block.get("tool_use_id"), f"{at}.tool_result.tool_use_id")
            _check_result(block.get("content"), at)
        case "thinking":
            issued = seal.unseal("messages", block.get("signature"))
            if issued is None or block.get("thinking") not in (issued, ""):
                raise Invalid(f"{at}: Invalid `signature` in `thinking` block", at)
        case "redacted_thinking":
            if seal.unseal("messages-redacted", block.get("data")) is None:
                raise Invalid(f"{at}: Invalid `data` in `redacted_thinking` block", at)


def _check_text(block: Json, at: str) -> None:
    text = block.get("text")
    if not isinstance(text, str):
        raise Invalid(f"{at}.text.text: Field required", at)
    if not text:
        raise Invalid("messages: text content blocks must be non-empty", at)
    if not text.strip():
        raise Invalid("messages: text content blocks must contain non-whitespace text", at)


def _check_source(source: Any, kind: str, at: str) -> None:
    form = source.get("type") if isinstance(source, dict) else None
    if form == "base64":
        allowed = IMAGE_TYPES if kind == "image" else ("application/pdf",)
        if source.get("media_type") not in allowed:
            raise Invalid(f"{at}.base64.media_type: Input should be one of {', '.join(allowed)}", at)
        if not source.get("data") or not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", source["data"]):
            raise Invalid(f"{at}.base64: invalid base64 data", at)
    elif form == "url":
        if not str(source.get("url")).startswith(("http://", "https://")):
            raise Invalid(f"{at}.url: Only HTTP(S) URLs are supported.", at)
    elif form not in ("file", *(("text", "content") if kind == "document" else ())):
        raise Invalid(
            f"{at}: Input tag '{form}' found using 'type' does not match any of the expected tags", at
        )


def _check_result(content: Any, at: str) -> None:
    if content is None or isinstance(content, str):
        return
    for number, block in enumerate(content):
        if block.get("type") not in OF_RESULT:
            raise Invalid(
                f"{at}.tool_result.content.{number}: Input tag '{block.get('type')}' is not expected", at
            )
        _check_block(block, "user", f"{at}.tool_result.content.{number}")


def _check_id(value: Any, at: str) -> None:
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise Invalid(f"{at}: String should match pattern '^[a-zA-Z0-9_-]+$'", at)


def _check_pairs(turns: list[Message]) -> None:
    awaited: list[str] = []
    seen: set[str] = set()
    for index, (role, blocks) in enumerate(turns):
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        for name in results:
            if name not in awaited:
                message = (
                    f"messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {name}. Each"
                )
                message += (
                    " `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
                raise Invalid(message, "messages")
        if len(set(results)) < len(results):
            raise Invalid(f"messages.{index}: each tool_use must have a single result.", "messages")
        leading = [block["type"] for block in blocks[: len(results)]]
        if set(awaited) - set(results) or leading != ["tool_result"] * len(results):
            missing = ", ".join(sorted(set(awaited) - set(results)) or awaited)
            message = (
                f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after:"
            )
            message += (
                f" {missing}. Each `tool_use` block must have a corresponding `tool_result` block in the"
            )
            raise Invalid(f"{message} next message.", "messages")
        awaited = (
            [block["id"] for block in blocks if block["type"] == "tool_use"] if role == "assistant" else []
        )
        if len(set(awaited)) < len(awaited) or seen & set(awaited):
            raise Invalid("messages: `tool_use` ids must be unique", "messages")
        seen |= set(awaited)
    if awaited:
        message = (
            f"messages.{len(turns)}: `tool_use` ids were found without `tool_result` blocks immediately after"
        )
        raise Invalid(f"{message}: {', '.join(awaited)}.", "messages")


def _check_end(model: str, turns: list[Message], thinking: str) -> None:
    role, blocks = turns[-1]
    if role == "user":
        return
    if thinking or re.search(r"-4-[6-9](-|$)|claude-\w+-5(-|$)", model):
        message = (
            "This model does not support assistant message prefill. The conversation must end with a user"
        )
        raise Invalid(f"{message} message.", "messages")
    if blocks and blocks[-1]["type"] == "text" and blocks[-1]["text"] != blocks[-1]["text"].rstrip():
        raise Invalid("messages: final assistant content cannot end with trailing whitespace", "messages")


def _check_thinking_kept(turns: list[Message], thinking: str) -> None:
    """In a tool loop the turn that calls must start with its thinking. Models with adaptive thinking may have
    called without any, so they accept a turn that has none; so does this one for calls of its own."""
    if thinking != "enabled" or len(turns) < 2 or turns[-1][1][0]["type"] != "tool_result":
        return
    blocks = turns[-2][1]
    without = all(block["id"].startswith("toolu_plain_") for block in blocks if block["type"] == "tool_use")
    if blocks[0]["type"] not in THINKING and not without:
        at = f"messages.{len(turns) - 2}.content.0.type"
        message = f"{at}: Expected `thinking` or `redacted_thinking`, but found `{blocks[0]['type']}`."
        message += (
            " When `thinking` is enabled, a final `assistant` message must start with a thinking block."
        )
        raise Invalid(message, at)
