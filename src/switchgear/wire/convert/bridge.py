"""Answers on their way from one dialect to another: a reader on the upstream's side, a writer on the
client's.

To the relay a bridge looks like a tap, so both kinds of answer take the same way through it.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import REPLY_BYTES_MAX
from switchgear.kernel.usage import Usage
from switchgear.wire.convert.answer_form import read_answer
from switchgear.wire.convert.answer_tool import Unwrapper
from switchgear.wire.convert.box_tags import BoxTags
from switchgear.wire.convert.fan_in import join_whole, unpacked
from switchgear.wire.convert.hosted_steps import StepCounter
from switchgear.wire.convert.stop_cut import StopCut
from switchgear.wire.dialect import Dialect, Head, Reader, Writer
from switchgear.wire.faults.upstream_error import UpstreamError, counted
from switchgear.wire.neutral.events import (
    AudioOut,
    End,
    Event,
    Fault,
    Finish,
    Hosted,
    ImageOut,
    ReasoningDelta,
    Redacted,
    RefusalDelta,
    Signature,
    TextDelta,
    ToolDelta,
    ToolStart,
    UsageSeen,
)

_SAYS = (TextDelta, ReasoningDelta, ToolStart, RefusalDelta, Redacted, ImageOut, AudioOut, Hosted, Finish)
_SIGNED = frozenset((Signature, Redacted, ToolStart))

Notice = Callable[[Event], None]
"""Called with each event as the client's writer gets it."""


class Passage(msgspec.Struct, frozen=True):
    """What has to be known of a request as it was written, to read its answer rightly."""

    origin: str
    """Whose opaque tokens the answer brings; see ``wire.neutral.maker``."""
    source: str = ""
    """Which upstream gives the answer, where no token tells."""
    names: Mapping[str, str] = {}
    """Names of tools as they were sent → as the client knows them."""
    unwrap_tool: str = ""
    """A tool whose call is the answer itself; see ``wire.unwrap``."""
    stops: tuple[str, ...] = ()
    """Stop sequences that the upstream knows nothing of; see ``wire.convert.stop_cut``."""
    box_tags: bool = False
    """The model marks its answer; see ``wire.box_tags``."""


class _Settler:
    """Events as the upstream's reader gave them → as the client's writer wants them."""

    __slots__ = ("_boxes", "_cut", "_passage", "_unwrapper")

    def __init__(self, passage: Passage) -> None:
        self._passage = passage
        self._unwrapper = Unwrapper(passage.unwrap_tool) if passage.unwrap_tool else None
        self._cut = StopCut(passage.stops) if passage.stops else None
        self._boxes = BoxTags() if passage.box_tags else None

    def settle(self, events: list[Event]) -> list[Event]:
        if self._boxes is not None:
            events = self._boxes.take(events)
        if self._unwrapper is not None:
            events = self._unwrapper.take(events)
        if self._cut is not None:
            events = self._cut.feed(events)
        for event in events:
            if type(event) in _SIGNED:
                self._settle_one(event)
        return events

    def _settle_one(self, event: Event) -> None:
        if isinstance(event, (Signature, Redacted, ToolStart)):
            sign(event, self._passage.origin)
        if isinstance(event, ToolStart) and event.name in self._passage.names:
            event.name = self._passage.names[event.name]


def sign(event: Signature | Redacted | ToolStart, origin: str) -> None:
    """Says whose token an event carries, which its reader can't know."""
    if event.opaque is not None and not event.opaque.origin:
        event.opaque = msgspec.structs.replace(event.opaque, origin=origin)


class Bridge:
    """A converted stream, as a ``Tap``."""

    feed_alike = None
    __slots__ = (
        "_notice",
        "_reader",
        "_settler",
        "_size",
        "_steps",
        "_tail",
        "_texts",
        "ended",
        "fault",
        "has_content",
        "text_bytes",
        "usage",
        "writer",
    )

    def __init__(
        self, reader: Reader, writer: Writer, passage: Passage, notice: Notice | None = None
    ) -> None:
        self._settler = _Settler(passage)
        self._reader = reader
        self.writer = writer
        self._notice = notice
        self._texts: list[str] = []
        self._steps = StepCounter()
        self._tail = b""
        self._size = 0
        """Bytes said so far: writers of some dialects repeat the whole answer at its end."""
        self.ended = False
        self.fault: UpstreamError | None = None
        self.has_content = False
        self.usage: Usage | None = None
        self.text_bytes = 0

    @property
    def is_told(self) -> bool:
        """See ``wire.dialect.Tap.is_told``."""
        return self._reader.is_told

    def feed(self, chunk: bytes) -> bytes:
        if self.ended or self.fault is not None:
            return b""
        return self._take(self._reader.feed(chunk))

    def finish(self) -> Literal["complete", "cut"]:
        if not self.ended and self.fault is None:
            # Nothing is pushed after the end of file, so what only that brings goes out with the closing.
            self._tail = self._take(self._reader.finish())
        return "complete" if self.ended else "cut"

    def take_text(self) -> str:
        text = "".join(self._texts)
        self._texts.clear()
        self.text_bytes = 0
        return text

    def made_ids(self) -> tuple[str, ...]:
        return ()

    def calls(self) -> dict[str, int]:
        """Of tools that the upstream ran so far, by unit."""
        return self._steps.calls

    def closing(self) -> bytes:
        return self._tail + self.writer.closing()

    def error_frame(self, err: ApiError, request_id: str) -> bytes:
        return self.writer.error_frame(err, request_id)

    def _take(self, events: list[Event]) -> bytes:
        events = self._settler.settle(events)
        for at, event in enumerate(events):
            if type(event) is TextDelta:
                self._count(event.text)
                self.has_content = True
            else:
                self._look(event)
            if self.fault is not None:
                events = events[:at]
                break
            if self._notice is not None:
                self._notice(event)
        return self.writer.feed(events) if events else b""

    def _look(self, event: Event) -> None:
        if isinstance(event, (ReasoningDelta, RefusalDelta, ToolDelta)):
            self._count(event.text)
        elif isinstance(event, (ImageOut, AudioOut)):
            self._grow(len(event.data))
        elif isinstance(event, Hosted):
            self._steps.take(event)
        elif isinstance(event, UsageSeen):
            self.usage = event.usage
        elif isinstance(event, End):
            self.ended = True
        elif isinstance(event, Fault) and not event.truncated:
            self.fault = event.error
            self.usage = event.error.usage or self.usage
        if not self.has_content and isinstance(event, _SAYS):
            self.has_content = True

    def _count(self, text: str) -> None:
        size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        self._texts.append(text)
        self.text_bytes += size
        self._grow(size)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > REPLY_BYTES_MAX:
            self.fault = UpstreamError("transient", 200, "the answer is too long", "server_error")


class BridgedReply(msgspec.Struct, frozen=True):
    """A converted whole reply, as a ``Reply``."""

    body: bytes
    usage: Usage | None = None
    error: UpstreamError | None = None
    empty: bool = False
    events: list[Event] = []

    def calls(self) -> dict[str, int]:
        """Of tools that the upstream ran, by unit."""
        steps = StepCounter()
        for event in self.events:
            if isinstance(event, Hosted):
                steps.take(event)
        return steps.calls

    def text(self) -> str:
        said = (TextDelta, ReasoningDelta, RefusalDelta, ToolDelta)
        return "".join(event.text for event in self.events if isinstance(event, said))


def convert_reply(
    upstream: Dialect, client: Dialect, body: bytes, head: Head, passage: Passage, copies: int = 1
) -> BridgedReply:
    """A whole reply of one dialect in another, or the stream of one read to its end; with ``copies``, as many
    of them packed. Never raises."""
    bodies = unpacked(body) if copies > 1 else [body]
    answers = [read_answer(upstream, one) for one in bodies]
    events = join_whole(answers) if copies > 1 else answers[0]
    events = _Settler(passage).settle(events)
    last = events[-1] if events else None
    if isinstance(last, Fault):
        told = (event.usage for event in reversed(events) if isinstance(event, UsageSeen))
        error = counted(last.error, next(told, None))
        return BridgedReply(body, error.usage, error=error, events=events)
    usage: Usage | None = None
    says = False
    for event in events:
        if isinstance(event, UsageSeen):
            usage = event.usage
        elif not says:
            says = isinstance(event, _SAYS)
    if not says:
        return BridgedReply(body, usage, empty=True, events=events)
    return BridgedReply(client.write_reply(events, head), usage, events=events)
