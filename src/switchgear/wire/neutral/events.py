"""The neutral form of an answer: events in the order in which they happen.

A reader turns an upstream's bytes into these, a writer turns them into the client's. A whole reply goes the
same way, as the list of all its events, so that both modes say the same. Grammar:

    Start (content)* Usage? Finish End | … Fault

where content is any of the others; a ``Choice`` says to which answer the following events belong when there
are several. Texts are deltas: they add up. Nothing comes after ``End`` or ``Fault``.
"""

from typing import Literal

import msgspec
from msgspec import Raw

from switchgear.kernel.dialects import DialectName
from switchgear.kernel.usage import Usage
from switchgear.wire.faults.upstream_error import UpstreamError
from switchgear.wire.neutral.request import Citation, HostedKind, Opaque

FinishReason = Literal["stop", "stop_sequence", "length", "tool_calls", "content_filter", "pause"]


class Start(msgspec.Struct, gc=False):
    """The upstream began to answer; nothing is said yet."""

    id: str = ""
    model: str = ""


class Choice(msgspec.Struct, gc=False):
    """What follows belongs to this answer, until the next of these. Without one: 0."""

    index: int


class ReasoningDelta(msgspec.Struct, gc=False):
    text: str


class Signature(msgspec.Struct):
    """Ends the reasoning, text or call before it; the next delta of the same kind opens a new one."""

    opaque: Opaque
    of: Literal["reasoning", "text"] = "reasoning"


class Redacted(msgspec.Struct):
    """A piece of reasoning that has no text: redacted, or encrypted only."""

    opaque: Opaque


class TextDelta(msgspec.Struct, gc=False):
    text: str
    logprobs: Raw | None = None
    """``choices[].logprobs.content`` of chat, for this text."""


class RefusalDelta(msgspec.Struct, gc=False):
    text: str


class ToolStart(msgspec.Struct):
    key: int
    """Counts the calls of an answer, from 0; names the call in the events that follow."""
    id: str
    name: str
    kind: Literal["function", "custom"] = "function"
    opaque: Opaque | None = None


class ToolDelta(msgspec.Struct, gc=False):
    """The next piece of a call's arguments (JSON text), or of a custom call's input."""

    key: int
    text: str


class ToolEnd(msgspec.Struct, gc=False):
    key: int


class Hosted(msgspec.Struct):
    """A finished step of a tool that the upstream ran."""

    dialect: DialectName
    kind: HostedKind
    raw: Raw
    """The item as the upstream spells it."""
    queries: tuple[str, ...] = ()
    """Of a search."""
    sources: tuple[Citation, ...] = ()
    code: str = ""
    output: str = ""
    id: str = ""
    is_free: bool = False
    """It costs nothing beside its tokens: the upstream asks nothing for its kind, or it failed."""


class Cite(msgspec.Struct):
    """A source of the text so far; offsets count code points of the answer's whole text."""

    citation: Citation


class ImageOut(msgspec.Struct):
    data: str
    media_type: str


class AudioOut(msgspec.Struct):
    """A piece of a spoken answer: data (base64), transcript, or the id by which it may be named later."""

    data: str = ""
    transcript: str = ""
    media_type: str = ""
    id: str = ""
    expires_at: int = 0


class UsageSeen(msgspec.Struct):
    """What the upstream has counted so far; later ones hold more."""

    usage: Usage


class Finish(msgspec.Struct, gc=False):
    """An answer ended (of the current choice)."""

    reason: FinishReason
    stop_sequence: str = ""
    message: str = ""
    """The upstream's explanation of a refusal, if it gave one."""


class End(msgspec.Struct, gc=False):
    """The upstream said everything."""


class Fault(msgspec.Struct):
    """The answer broke: an error of the upstream, or its end before the end."""

    error: UpstreamError
    truncated: bool = False
    """The stream ended without its end marker."""


Event = (
    Start
    | Choice
    | ReasoningDelta
    | Signature
    | Redacted
    | TextDelta
    | RefusalDelta
    | ToolStart
    | ToolDelta
    | ToolEnd
    | Hosted
    | Cite
    | ImageOut
    | AudioOut
    | UsageSeen
    | Finish
    | End
    | Fault
)
