"""The content of an answer, block by block, as events."""

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import MESSAGES_BLOCKS_MAX
from switchgear.wire.anthropic_messages.frames import Block, Delta, is_given, read_block
from switchgear.wire.anthropic_messages.hosted import HostedSteps, citation_of, is_hosted
from switchgear.wire.events import (
    Cite,
    Event,
    ReasoningDelta,
    Redacted,
    Signature,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
)
from switchgear.wire.ir import Citation, Opaque
from switchgear.wire.splice import any_of


class Blocks:
    """The content of one answer, block by block: what both modes have in common."""

    __slots__ = (
        "_citations",
        "_count",
        "_has_arguments",
        "_hosted",
        "_input",
        "_key",
        "_kind",
        "_text_chars",
        "_text_start",
        "has_calls",
    )

    def __init__(self) -> None:
        self._kind = ""
        self._key = -1
        self._count = 0
        self._input: Raw | None = None
        self._has_arguments = False
        self._text_chars = 0
        self._text_start = 0
        self._citations: list[Citation] = []
        self._hosted = HostedSteps()
        self.has_calls = False

    def start(self, raw: Raw, out: list[Event]) -> None:
        """A block opens. One that is still open is closed first, whatever the upstream forgot."""
        if self._kind:
            self.stop(out)
        block = read_block(raw)
        self._count += 1
        self._kind = block.type or "text"
        if self._kind == "tool_use":
            self._start_call(block, out)
        elif is_hosted(self._kind):
            self._hosted.start(self._kind, raw, out)
        elif self._kind == "redacted_thinking":
            out.append(Redacted(Opaque("", "redacted", block.data or "")))
        else:
            self._text_start = self._text_chars
            if block.text:
                self._add_text(block.text, out)
            if block.thinking:
                out.append(ReasoningDelta(block.thinking))
            if block.signature:
                out.append(Signature(Opaque("", "signature", block.signature)))
            for citation in block.citations or ():
                self._cite(citation)

    def take(self, delta: Delta, out: list[Event]) -> None:
        """A piece of the open block."""
        if delta.text:
            self._add_text(delta.text, out)
        elif delta.partial_json:
            if self._kind == "tool_use":
                self._has_arguments = True
                out.append(ToolDelta(self._key, delta.partial_json))
            else:
                self._hosted.add_input(delta.partial_json)
        elif delta.thinking:
            out.append(ReasoningDelta(delta.thinking))
        elif delta.signature:
            out.append(Signature(Opaque("", "signature", delta.signature)))
        elif is_given(delta.citation):
            self._cite(delta.citation)

    def add_texts(self, texts: list[str], out: list[Event]) -> None:
        """Pieces of text one after the other."""
        for text in texts:
            if text:
                self._add_text(text, out)

    def stop(self, out: list[Event]) -> None:
        """The open block is complete."""
        if self._kind == "tool_use":
            if not self._has_arguments:
                # Some send the arguments with the start, and none at all for a call without.
                given = bytes(self._input) if self._input is not None else b"{}"
                out.append(ToolDelta(self._key, given.decode("utf-8", "replace")))
            out.append(ToolEnd(self._key))
        elif is_hosted(self._kind):
            self._hosted.stop(out)
        for citation in self._citations:
            placed = msgspec.structs.replace(citation, start=self._text_start, end=self._text_chars)
            out.append(Cite(placed))
        self._citations = []
        self._kind = ""

    @property
    def is_open(self) -> bool:
        return bool(self._kind)

    @property
    def has_too_many(self) -> bool:
        return self._count > MESSAGES_BLOCKS_MAX

    def _start_call(self, block: Block, out: list[Event]) -> None:
        self._key += 1
        self.has_calls = True
        self._has_arguments = False
        self._input = block.input if is_given(block.input) else None
        out.append(ToolStart(self._key, block.id or "", block.name or ""))

    def _add_text(self, text: str, out: list[Event]) -> None:
        self._text_chars += len(text)
        out.append(TextDelta(text))

    def _cite(self, raw: Raw) -> None:
        citation = citation_of(any_of(raw))
        if citation is not None:
            self._citations.append(citation)
