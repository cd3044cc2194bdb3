"""Reasoning of an answer with tool calls, kept for clients that lose it on the way to the next turn.

Several makers want their reasoning, or its signature, back beside the calls that came from it. Dialects have
places for that, and many clients keep only what they know. So it is kept under each call's id, and put back
where a history comes without it; what the client sent itself always goes first.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from switchgear.wire.events import (
    Event,
    ReasoningDelta,
    Redacted,
    Signature,
    TextDelta,
    ToolStart,
)
from switchgear.wire.ir import Opaque, Reasoning, ToolCall, Turn
from switchgear.wire.tool_ids import clean_id


class Thoughts(msgspec.Struct, frozen=True, array_like=True):
    """What belongs to the calls of one answer."""

    origin: str
    """Whose it is; it goes back to this maker only."""
    reasoning: tuple[Reasoning, ...] = ()
    """Before the calls, in its order."""
    signatures: dict[str, Opaque] = {}
    """Call id → the token on the call itself."""


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

    __slots__ = ("_calls", "_origin", "_pieces", "_reasoning", "_signatures", "_size", "_size_max")

    def __init__(self, origin: str, size_max: int) -> None:
        """``size_max``: an answer with more reasoning than so many characters is not kept."""
        self._origin = origin
        self._size_max = size_max
        self._size = 0
        self._pieces: list[str] = []
        self._reasoning: list[Reasoning] = []
        self._signatures: dict[str, Opaque] = {}
        self._calls: list[str] = []

    def take(self, event: Event) -> None:
        if type(event) is TextDelta:  # nearly all are
            if self._pieces:
                self._close(None)
            return
        if type(event) not in _KEPT:
            return
        match event:
            case ReasoningDelta() if self._size <= self._size_max:
                self._size += len(event.text)
                self._pieces.append(event.text)
            case Signature() if event.of == "reasoning":
                self._close(event.opaque)
            case Redacted():
                self._close(None)
                self._reasoning.append(Reasoning("", event.opaque))
                self._size += len(event.opaque.payload)
            case ToolStart():
                self._close(None)
                self._calls.append(event.id)
                if event.opaque is not None:
                    self._signatures[event.id] = event.opaque
                    self._size += len(event.opaque.payload)

    def found(self) -> dict[str, Thoughts]:
        """Call id → what belongs to it; empty when there is nothing to keep."""
        self._close(None)
        if not self._calls or self._size > self._size_max or not (self._reasoning or self._signatures):
            return {}
        thoughts = Thoughts(self._origin, tuple(self._reasoning), self._signatures)
        # The client may know a call by another spelling of its id.
        return {spelt: thoughts for id in self._calls if id for spelt in (id, clean_id(id))}

    def _close(self, opaque: Opaque | None) -> None:
        if self._pieces or opaque is not None:
            self._reasoning.append(Reasoning("".join(self._pieces), opaque))
            self._pieces.clear()


def lacking(turns: tuple[Turn, ...], origin: str) -> tuple[str, ...]:
    """Ids of calls, one for each turn, whose history came without the reasoning that its maker reads."""
    found: list[str] = []
    for turn in turns:
        if turn.role == "assistant" and not _has_thoughts(turn, origin):
            id = next((part.id for part in turn.parts if isinstance(part, ToolCall) and part.id), None)
            if id is not None:
                found.append(id)
    return tuple(found)


def restored(turns: tuple[Turn, ...], kept: Mapping[str, Thoughts], origin: str) -> tuple[Turn, ...]:
    """The turns with what was kept for them, where it is this maker's."""
    return tuple(_restored(turn, kept, origin) for turn in turns) if kept else turns


def _restored(turn: Turn, kept: Mapping[str, Thoughts], origin: str) -> Turn:
    if turn.role != "assistant" or _has_thoughts(turn, origin):
        return turn
    calls = [part for part in turn.parts if isinstance(part, ToolCall)]
    thoughts = next((kept[call.id] for call in calls if call.id in kept), None)
    if thoughts is None or thoughts.origin != origin:
        return turn
    rest = [
        replace(part, opaque=thoughts.signatures[part.id])
        if isinstance(part, ToolCall) and part.id in thoughts.signatures
        else part
        for part in turn.parts
        if not isinstance(part, Reasoning)
    ]
    return replace(turn, parts=(*thoughts.reasoning, *rest))


def _has_thoughts(turn: Turn, origin: str) -> bool:
    return any(
        isinstance(part, Reasoning | ToolCall) and part.opaque is not None and part.opaque.origin == origin
        for part in turn.parts
    )
