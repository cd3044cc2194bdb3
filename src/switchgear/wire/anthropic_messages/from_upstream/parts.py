"""The content of an answer, block by block, as events."""

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import MESSAGES_BLOCKS_MAX
from switchgear.wire.anthropic_messages.frames import Block, Delta, is_given, read_block
from switchgear.wire.anthropic_messages.hosted import HostedSteps, citation_of, is_hosted
from switchgear.wire.framing.splice import any_of
from switchgear.wire.neutral.events import (
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
from switchgear.wire.neutral.request import Citation, Opaque


class _Call(msgspec.Struct, gc=False):
    """A call that is open."""

    key: int
    input: Raw | None
    has_arguments: bool = False


class Blocks:
    """The content of one answer, block by block: what both modes have in common.

    Blocks come one after the other, but some hosts begin a call before the one before it is complete.
    """

    __slots__ = (
        "_calls",
        "_citations",
        "_count",
        "_hosted",
        "_index",
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
        self._index = 0
        """Of the block that began last."""
        self._calls: dict[int, _Call] = {}
        """Open ones by the index of their block."""
        self._text_chars = 0
        self._text_start = 0
        self._citations: list[Citation] = []
        self._hosted = HostedSteps()
        self.has_calls = False

    def start(self, raw: Raw, out: list[Event], index: int = 0) -> None:
        """A block opens. One that is still open is closed first, whatever the upstream forgot, but for a call
        beside another."""
        block = read_block(raw)
        if index in self._calls or block.type != "tool_use":
            self.stop_all(out)
        elif self._kind and self._kind != "tool_use":
            self.stop(out, self._index)
        self._count += 1
        self._index = index
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

    def take(self, delta: Delta, out: list[Event], index: int = 0) -> None:
        """A piece of an open block: of the last one, if none is at its index."""
        if delta.text:
            self._add_text(delta.text, out)
        elif delta.partial_json:
            call = self._calls.get(index) or self._calls.get(self._index)
            if call is None:
                self._hosted.add_input(delta.partial_json)
            elif call.has_arguments or delta.partial_json != "null":
                call.has_arguments = True
                out.append(ToolDelta(call.key, delta.partial_json))
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

    def stop(self, out: list[Event], index: int = 0) -> None:
        """A block is complete: the last one, if none is open at the index and it is not of one before."""
        if index < self._index and index not in self._calls:
            return
        if self._kind == "tool_use":
            at = index if index in self._calls else self._index
            if (call := self._calls.pop(at, None)) is not None:
                _end_call(call, out)
            self._kind = "tool_use" if self._calls else ""
            return
        if is_hosted(self._kind):
            self._hosted.stop(out)
        for citation in self._citations:
            placed = msgspec.structs.replace(citation, start=self._text_start, end=self._text_chars)
            out.append(Cite(placed))
        self._citations = []
        self._kind = ""

    def stop_all(self, out: list[Event]) -> None:
        """Whatever is open is complete."""
        while self._kind:
            self.stop(out, next(iter(self._calls), self._index))

    @property
    def has_too_many(self) -> bool:
        return self._count > MESSAGES_BLOCKS_MAX

    def _start_call(self, block: Block, out: list[Event]) -> None:
        self._key += 1
        self.has_calls = True
        self._calls[self._index] = _Call(self._key, block.input if is_given(block.input) else None)
        out.append(ToolStart(self._key, block.id or "", block.name or ""))

    def _add_text(self, text: str, out: list[Event]) -> None:
        self._text_chars += len(text)
        out.append(TextDelta(text))

    def _cite(self, raw: Raw) -> None:
        citation = citation_of(any_of(raw))
        if citation is not None:
            self._citations.append(citation)


def _end_call(call: _Call, out: list[Event]) -> None:
    if not call.has_arguments:
        # Some send the arguments with the start, as JSON or as its text, and none at all for a call without.
        given = b"{}" if call.input is None else bytes(call.input)
        found = any_of(given)
        text = found if isinstance(found, str) else given.decode("utf-8", "replace")
        out.append(ToolDelta(call.key, text or "{}"))
    out.append(ToolEnd(call.key))
