"""Reasoning of an answer with tool calls, kept for clients that lose it, or its order, on the way to the next
turn.

Several makers want their reasoning, or its signature, back beside the calls that came from it, in the order
in which they gave them. Dialects have places for that, many clients keep only what they know, and chat keeps
reasoning, text and calls apart. So it is kept under each call's id, and put back where a history comes
without it or in no order; what the client has of its own always goes first.
"""

from collections import deque
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from switchgear.wire.neutral.events import (
    Event,
    ReasoningDelta,
    Redacted,
    Signature,
    TextDelta,
    ToolStart,
)
from switchgear.wire.neutral.request import Opaque, Part, Reasoning, Text, ToolCall, Turn
from switchgear.wire.neutral.tool_ids import clean_id


class Thoughts(msgspec.Struct, frozen=True, array_like=True):
    """What belongs to the calls of one answer."""

    origin: str
    """Whose it is; it goes back to this maker only."""
    reasoning: tuple[Reasoning, ...] = ()
    """In its order."""
    signatures: dict[str, Opaque] = {}
    """Call id → the token on the call itself."""
    order: tuple[int | str, ...] = ()
    """What came after what: ``-1`` stands for the next piece of ``reasoning``, another number for so many
    characters of text, an id for a call."""
    source: str = ""
    """The very upstream that said it, where reasoning has no token to tell whose it is."""


_REASONED = -1
"""In ``Thoughts.order``."""
_KEPT = frozenset((ReasoningDelta, Signature, Redacted, ToolStart))
"""Events that bring some of it."""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Thoughts)


def encode(thoughts: Thoughts) -> bytes:
    return _encoder.encode(thoughts)


def decode(data: bytes) -> Thoughts | None:
    """None for what another version wrote."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


class ThoughtsReader:
    """Push the events of an answer; get what is to be kept of it."""

    __slots__ = (
        "_calls",
        "_order",
        "_origin",
        "_pieces",
        "_reasoning",
        "_said",
        "_signatures",
        "_size",
        "_size_max",
        "_source",
    )

    def __init__(self, origin: str, size_max: int, source: str = "") -> None:
        """``size_max``: an answer with more reasoning than so many characters is not kept."""
        self._origin = origin
        self._source = source
        self._size_max = size_max
        self._size = 0
        self._said = 0
        """Characters of text since the last piece of reasoning or call."""
        self._pieces: list[str] = []
        self._reasoning: list[Reasoning] = []
        self._signatures: dict[str, Opaque] = {}
        self._calls: list[str] = []
        self._order: list[int | str] = []

    def take(self, event: Event) -> None:
        if type(event) is TextDelta:  # nearly all are
            if self._pieces:
                self._close(None)
            self._said += len(event.text)
            return
        if type(event) not in _KEPT:
            return
        if self._said:
            self._order.append(self._said)
            self._said = 0
        match event:
            case ReasoningDelta() if self._size <= self._size_max:
                self._size += len(event.text)
                self._pieces.append(event.text)
            case Signature() if event.of == "reasoning":
                self._close(event.opaque)
            case Redacted():
                self._close(None)
                self._add(Reasoning("", event.opaque))
                self._size += len(event.opaque.payload)
            case ToolStart():
                self._close(None)
                self._calls.append(event.id)
                self._order.append(event.id)
                if event.opaque is not None:
                    self._signatures[event.id] = event.opaque
                    self._size += len(event.opaque.payload)

    def found(self) -> dict[str, Thoughts]:
        """Call id → what belongs to it; empty when there is nothing to keep."""
        self._close(None)
        if not self._calls or self._size > self._size_max or not (self._reasoning or self._signatures):
            return {}
        order = (*self._order, self._said) if self._said else tuple(self._order)
        thoughts = Thoughts(self._origin, tuple(self._reasoning), self._signatures, order, self._source)
        # The client may know a call by another spelling of its id.
        return {spelt: thoughts for id in self._calls if id for spelt in (id, clean_id(id))}

    def _close(self, opaque: Opaque | None) -> None:
        if self._pieces or opaque is not None:
            self._add(Reasoning("".join(self._pieces), opaque))
            self._pieces.clear()

    def _add(self, reasoning: Reasoning) -> None:
        self._reasoning.append(reasoning)
        self._order.append(_REASONED)


def lacking(turns: tuple[Turn, ...], origin: str, is_flat: bool = False) -> tuple[str, ...]:
    """Ids of calls, one for each turn, whose history came without the reasoning that its maker reads, or
    without a part of it. ``is_flat``: or without its order, as the client's dialect has none."""
    found: list[str] = []
    for turn in turns:
        if turn.role == "assistant" and (is_flat or not _has_thoughts(turn, origin)):
            id = next((part.id for part in turn.parts if isinstance(part, ToolCall) and part.id), None)
            if id is not None:
                found.append(id)
    return tuple(found)


def restored(
    turns: tuple[Turn, ...], kept: Mapping[str, Thoughts], origin: str, source: str = ""
) -> tuple[Turn, ...]:
    """The turns with what was kept for them, where it is this maker's; what ``source`` itself said is marked
    as its own."""
    return tuple(_restored(turn, kept, origin, source) for turn in turns) if kept else turns


def _restored(turn: Turn, kept: Mapping[str, Thoughts], origin: str, source: str) -> Turn:
    if turn.role != "assistant":
        return turn
    calls = [part for part in turn.parts if isinstance(part, ToolCall)]
    thoughts = next((kept[call.id] for call in calls if call.id in kept), None)
    if thoughts is None or thoughts.origin != origin or not _is_all_of(turn, thoughts):
        return turn
    if source and thoughts.source == source:
        own = tuple(replace(piece, is_own=True) for piece in thoughts.reasoning)
        thoughts = replace(thoughts, reasoning=own)
    return replace(turn, parts=_Layout(turn, thoughts).parts())


def _is_all_of(turn: Turn, thoughts: Thoughts) -> bool:
    """Whether the client has no token of this maker but those of this answer."""
    known = {piece.opaque for piece in thoughts.reasoning} | {*thoughts.signatures.values()}
    return all(
        part.opaque in known
        for part in turn.parts
        if isinstance(part, Reasoning | ToolCall)
        and part.opaque is not None
        and part.opaque.origin == thoughts.origin
    )


class _Layout:
    """A client's turn in the order of the answer that it was."""

    def __init__(self, turn: Turn, thoughts: Thoughts) -> None:
        self._reasoning = iter(thoughts.reasoning)
        self._order = thoughts.order or (_REASONED,) * len(thoughts.reasoning)
        self._signatures = {clean_id(id): token for id, token in thoughts.signatures.items()}
        self._calls: dict[str, deque[ToolCall]] = {}
        for part in turn.parts:
            if isinstance(part, ToolCall):
                self._calls.setdefault(clean_id(part.id), deque()).append(part)
        self._rest = deque(part for part in turn.parts if not isinstance(part, Reasoning | ToolCall))
        said = sum(len(part.text) for part in self._rest if isinstance(part, Text))
        told = sum(step for step in self._order if isinstance(step, int) and step != _REASONED)
        self._is_exact = said == told
        self._out: list[Part] = []
        self._led: list[Part] = []
        """What leads to the next call."""

    def parts(self) -> tuple[Part, ...]:
        """Reasoning goes with the call that it led to, be that of this turn or of another one."""
        for step in self._order:
            if isinstance(step, str):
                self._add_call(clean_id(step))
            elif step == _REASONED:
                self._led.append(next(self._reasoning))
            else:
                self._led += self._text(step)
        self._out += self._led
        self._out += self._rest
        self._out += (call for left in self._calls.values() for call in left)
        return tuple(self._out)

    def _add_call(self, id: str) -> None:
        waiting = self._calls.get(id)
        if not waiting:
            self._led = [part for part in self._led if not isinstance(part, Reasoning)]
            return
        call = waiting.popleft()
        if id in self._signatures:
            call = replace(call, opaque=self._signatures[id])
        if not self._is_exact:
            # Text that the answer did not have, or not in so many pieces.
            self._led += self._text(0)
        self._out += (*self._led, call)
        self._led = []

    def _text(self, size: int) -> list[Part]:
        """The next so many characters of what the client sent, in its own parts; all of it where that is no
        longer what the answer was."""
        taken: list[Part] = []
        while self._rest and (size > 0 or not self._is_exact or not isinstance(self._rest[0], Text)):
            part = self._rest.popleft()
            if self._is_exact and isinstance(part, Text) and len(part.text) > size:
                self._rest.appendleft(replace(part, text=part.text[size:]))
                part = replace(part, text=part.text[:size], cache="", opaque=None)
            size -= len(part.text) if isinstance(part, Text) else 0
            taken.append(part)
        return taken


def _has_thoughts(turn: Turn, origin: str) -> bool:
    """Whole ones: a text whose signature alone is left is not."""
    own = [
        part
        for part in turn.parts
        if isinstance(part, Reasoning | ToolCall) and part.opaque is not None and part.opaque.origin == origin
    ]
    return bool(own) and not any(isinstance(part, Reasoning) and _is_bare_signature(part) for part in own)


def _is_bare_signature(part: Reasoning) -> bool:
    return not part.text and part.opaque is not None and part.opaque.kind == "signature"
