"""Turns as input items for an upstream.

Ids of items are left out, as the upstream knows none that it didn't make in this account; reasoning goes back
only to whom it came from, and only before what it led to.
"""

from typing import Any

from switchgear.kernel.errors import UNSUPPORTED_PARAMETER, ApiError
from switchgear.wire.framing.data_urls import build_data_url
from switchgear.wire.neutral.documents import file_name, spelt_out
from switchgear.wire.neutral.free_text_tools import wrapped
from switchgear.wire.neutral.request import (
    Audio,
    File,
    HostedItem,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Video,
)
from switchgear.wire.neutral.tool_ids import ToolNames, clean_id


class ItemWriter:
    """Collects the items of one request. ``system_role``: what instructions within the conversation are
    called; ``takes_custom``: the upstream knows tools of free text; ``takes_plain``: it wants its reasoning
    back as text."""

    def __init__(
        self, origin: str, system_role: str, takes_custom: bool, takes_plain: bool, names: ToolNames
    ) -> None:
        self.items: list[dict[str, Any]] = []
        self._origin = origin
        self._system_role = system_role
        self._takes_custom = takes_custom
        self._takes_plain = takes_plain
        self._names = names
        self._shown: list[dict[str, Any]] = []
        """Pictures of answers, which can't hold any here: the next turn of the user shows them."""

    def close(self) -> list[dict[str, Any]]:
        """The items, once all turns are written."""
        self._add_message("user", self._shown)
        self._shown = []
        return self.items

    def write(self, turn: Turn) -> None:
        if turn.role == "assistant":
            self._write_assistant(turn)
            return
        content: list[dict[str, Any]] = []
        for part in spelt_out(turn.parts):
            if isinstance(part, ToolResult):
                self.items.append(_result(part, self._takes_custom))
            elif (written := input_part(part)) is not None:
                content.append(written)
        if turn.role == "user":
            content, self._shown = self._shown + content, []
        self._add_message("user" if turn.role == "user" else self._system_role, content)

    def _add_message(self, role: str, content: list[dict[str, Any]]) -> None:
        if len(content) == 1 and content[0]["type"] == "input_text":
            self.items.append({"role": role, "content": content[0]["text"]})
        elif content:
            self.items.append({"role": role, "content": content})

    def _write_assistant(self, turn: Turn) -> None:
        said: list[dict[str, Any]] = []
        for part in turn.parts:
            if isinstance(part, Text):
                if part.text:
                    said.append({"type": "output_text", "text": part.text})
            elif isinstance(part, Refusal):
                said.append({"type": "refusal", "refusal": part.text})
            elif isinstance(part, Audio) and part.transcript:
                said.append({"type": "output_text", "text": part.transcript})
            elif isinstance(part, Reasoning | ToolCall):
                said = self._end_message(said)
                self._add_step(part)
            elif (written := input_part(part)) is not None:
                self._shown.append(written)
        self._end_message(said)
        while self.items and self.items[-1].get("type") == "reasoning":
            # Refused without the item that it led to.
            self.items.pop()

    def _end_message(self, said: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if said:
            self.items.append({"type": "message", "role": "assistant", "content": said})
        return []

    def _add_step(self, part: Reasoning | ToolCall) -> None:
        if isinstance(part, ToolCall):
            self.items.append(_call(part, self._names, self._takes_custom))
        elif (reasoning := self._reasoning(part)) is not None:
            self.items.append(reasoning)

    def _reasoning(self, part: Reasoning) -> dict[str, Any] | None:
        opaque = part.opaque
        if opaque is not None and opaque.origin == self._origin and opaque.kind == "encrypted":
            summary = [{"type": "summary_text", "text": part.text}] if part.text else []
            return {"type": "reasoning", "summary": summary, "encrypted_content": opaque.payload}
        if self._takes_plain and part.text:
            content = [{"type": "reasoning_text", "text": part.text}]
            return {"type": "reasoning", "summary": [], "content": content}
        return None


def _call(part: ToolCall, names: ToolNames, takes_custom: bool) -> dict[str, Any]:
    call = {"call_id": clean_id(part.id), "name": names.shorten(part.name)}
    if part.kind == "custom" and takes_custom:
        return {"type": "custom_tool_call", **call, "input": part.arguments}
    said = wrapped(part.arguments) if part.kind == "custom" else part.arguments
    return {"type": "function_call", **call, "arguments": said or "{}"}


def _result(part: ToolResult, takes_custom: bool) -> dict[str, Any]:
    content = [written for inner in spelt_out(part.parts) if (written := input_part(inner)) is not None]
    is_custom = part.kind == "custom" and takes_custom
    kind = "custom_tool_call_output" if is_custom else "function_call_output"
    output: Any = content
    if all(written["type"] == "input_text" for written in content):
        output = "\n".join(written["text"] for written in content)
        output = f"Error: {output}" if part.is_error else output
    elif part.is_error:
        output = [{"type": "input_text", "text": "Error:"}, *content]
    return {"type": kind, "call_id": clean_id(part.call_id), "output": output}


def input_part(part: Part) -> dict[str, Any] | None:
    """A part of the user's content; None for what says nothing here. Raises ApiError for what can't be
    said."""
    if isinstance(part, Text | Refusal):
        return {"type": "input_text", "text": part.text} if part.text else None
    if isinstance(part, Image):
        return _image(part)
    if isinstance(part, File):
        return _file(part)
    if isinstance(part, Audio) and part.transcript:
        return {"type": "input_text", "text": part.transcript}
    if isinstance(part, Audio | Video):
        kind = "audio" if isinstance(part, Audio) else "video"
        raise ApiError(
            UNSUPPORTED_PARAMETER, f"This model takes no {kind} on its Responses endpoint.", param=kind
        )
    if isinstance(part, HostedItem | Reasoning):
        return None
    raise ApiError(UNSUPPORTED_PARAMETER, "A tool's call stands where a user's content is expected.")


def _image(part: Image) -> dict[str, Any]:
    written = {"type": "input_image"}
    if part.file_id:
        written["file_id"] = part.file_id
    else:
        written["image_url"] = part.url or build_data_url(part.media_type, part.data)
    if part.detail:
        written["detail"] = part.detail
    return written


def _file(part: File) -> dict[str, Any]:
    written = {"type": "input_file"}
    if part.file_id:
        written["file_id"] = part.file_id
    elif part.url:
        written["file_url"] = part.url
    else:
        # Without a name the upstream can't tell what kind of file it is.
        written["filename"] = file_name(part)
        written["file_data"] = build_data_url(part.media_type, part.data)
    return written
