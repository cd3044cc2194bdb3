"""A conversation in the order that this dialect asks for: system texts at the front, then users and
assistants by turns, a result for each call."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from switchgear.kernel.errors import UNSUPPORTED_PARAMETER, ApiError
from switchgear.kernel.limits import CACHE_MARKERS_MAX
from switchgear.wire.anthropic_messages.system import reminder
from switchgear.wire.anthropic_messages.to_upstream.parts import Block, ContentWriter
from switchgear.wire.neutral.history import merged, paired
from switchgear.wire.neutral.request import Image, Part, Text, ToolResult, Turn

_SYSTEM_ROLES = frozenset({"system", "developer"})
_REASONING = frozenset({"thinking", "redacted_thinking"})
_FILLER = "."
"""Stands for a turn of the user that has to be there, and for the text of an answer that was begun with
blanks."""


def split_system(turns: tuple[Turn, ...]) -> tuple[tuple[Turn, ...], tuple[Turn, ...]]:
    """(leading system turns, the conversation); later system turns are texts of the user there, in place."""
    leading = 0
    while leading < len(turns) and turns[leading].role in _SYSTEM_ROLES:
        leading += 1
    rest = tuple(_as_user(turn) if turn.role in _SYSTEM_ROLES else turn for turn in turns[leading:])
    return turns[:leading], rest


def write_messages(turns: tuple[Turn, ...], writer: ContentWriter) -> list[Block]:
    """The conversation as messages, by turns and none of them empty: one that says nothing here is left out,
    and its neighbours are one. Raises ApiError."""
    messages: list[Block] = []
    for turn in _shown(merged(paired(turns))):
        message = writer.message(turn)
        if not message["content"]:
            continue
        if not messages and turn.role == "assistant":
            messages.append(_filler())
        if messages and messages[-1]["role"] == turn.role:
            messages[-1]["content"] += message["content"]
        else:
            messages.append(message)
    return messages or [_filler()]


def _shown(turns: Iterable[Turn]) -> Iterator[Turn]:
    """The pictures that an assistant made are shown to it by the user's next turn, as it can't hold any."""
    made: list[Part] = []
    for turn in turns:
        if turn.role == "assistant":
            made += [part for part in turn.parts if isinstance(part, Image)]
            kept = tuple(part for part in turn.parts if not isinstance(part, Image))
            yield turn if len(kept) == len(turn.parts) else msgspec.structs.replace(turn, parts=kept)
        elif made:
            results = sum(1 for part in turn.parts if isinstance(part, ToolResult))
            parts = (*turn.parts[:results], *made, *turn.parts[results:])
            made = []
            yield msgspec.structs.replace(turn, parts=parts)
        else:
            yield turn
    if made:
        yield Turn("user", tuple(made))


def settle_prefill(messages: list[Block], is_taken: bool) -> None:
    """An answer that the client began may not end in a blank. Raises ApiError where the model takes none."""
    last = messages[-1]
    if last["role"] != "assistant":
        return
    if not is_taken:
        raise ApiError(
            UNSUPPORTED_PARAMETER,
            "The model can't go on with an answer that was begun for it: the last message must be a user's.",
            param="messages",
        )
    block = last["content"][-1]
    if block.get("type") == "text":
        block["text"] = block["text"].rstrip() or _FILLER


def lacks_reasoning(messages: list[Block]) -> bool:
    """Whether a loop of tool calls is running and its last answer does not begin with reasoning, as models
    with manual thinking ask for."""
    if len(messages) < 2 or messages[-1]["role"] != "user":
        return False
    if not any(block.get("type") == "tool_result" for block in messages[-1]["content"]):
        return False
    return messages[-2]["content"][0].get("type") not in _REASONING


def blocks_of(messages: list[Block]) -> Iterator[Block]:
    """All blocks in the order of the prompt, those inside a tool's result before it."""
    for message in messages:
        for block in message["content"]:
            inner = block.get("content")
            if isinstance(inner, list):
                yield from inner
            yield block


def bound_cache_markers(blocks: list[Block], dropped: list[str]) -> bool:
    """Of ``blocks`` in the order of the prompt, the last few keep their marker, and none asks for an hour
    after one that asks for less; adds to ``dropped`` what was lost by that. Returns whether any asks for an
    hour."""
    marked = [block for block in blocks if "cache_control" in block]
    for block in marked[: max(0, len(marked) - CACHE_MARKERS_MAX)]:
        del block["cache_control"]
    is_cut = len(marked) > CACHE_MARKERS_MAX
    short_seen = False
    long_seen = False
    for block in marked[-CACHE_MARKERS_MAX:]:
        if "ttl" not in block["cache_control"]:
            short_seen = True
        elif short_seen:
            del block["cache_control"]["ttl"]
            is_cut = True
        else:
            long_seen = True
    if is_cut:
        dropped.append("cache_marker")
    return long_seen


def _as_user(turn: Turn) -> Turn:
    parts: tuple[Part, ...] = tuple(
        msgspec.structs.replace(part, text=reminder(part.text))
        for part in turn.parts
        if isinstance(part, Text) and part.text
    )
    return Turn("user", parts)


def _filler() -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": _FILLER}]}
