"""Bytes of an upstream's answer as neutral events; see ``answer``."""

import msgspec

from switchgear.wire.faults.upstream_error import UpstreamError, broken, counted, has_error, upstream_error_of
from switchgear.wire.framing.filler import is_filler
from switchgear.wire.framing.splice import any_of
from switchgear.wire.framing.sse import Frame, FrameTooLong, SseReader, parse_frame
from switchgear.wire.neutral.events import Event, Fault
from switchgear.wire.openai_responses.frames import error_of, read_event, read_response
from switchgear.wire.openai_responses.from_upstream.parts import Answer
from switchgear.wire.openai_responses.usage import usage_beside

_encode = msgspec.json.Encoder().encode
_DONE = b"[DONE]"
_SAY_WHY = ("incomplete", "failed", "cancelled")
"""States in which a whole response may have no output."""
_TRUNCATED = "the stream ended before its end"


class Reader:
    """A stream. See ``wire.dialect.Reader``."""

    __slots__ = ("_answer", "_sse")

    def __init__(self) -> None:
        self._answer = Answer()
        self._sse = SseReader()

    @property
    def is_told(self) -> bool:
        """See ``wire.dialect.Tap.is_told``."""
        return self._answer.is_over

    def feed(self, chunk: bytes) -> list[Event]:
        if self._answer.is_over:
            return []
        too_long = False
        try:
            frames = self._sse.feed(chunk)
        except FrameTooLong as error:
            frames, too_long = error.frames, True
        for frame in frames:
            self._take(frame)
        if too_long and not self._answer.is_over:
            self._answer.fail(Fault(broken("an event is too long")))
        return self._drain()

    def finish(self) -> list[Event]:
        if not self._answer.is_over:
            self._take_rest(self._sse.peek_rest())
        if not self._answer.is_over:
            self._answer.fail(Fault(broken(_TRUNCATED), truncated=True))
        return self._drain()

    def _drain(self) -> list[Event]:
        events, self._answer.events = self._answer.events, []
        return events

    def _take(self, frame: Frame) -> None:
        if self._answer.is_over or not frame.data or frame.data.strip() == _DONE:
            return
        event = read_event(frame.data)
        if event is None:
            if is_filler(frame.data) and frame.event != "error":
                return
            self._answer.fail(Fault(broken("a frame is not JSON")))
            return
        kind = event.type or frame.event
        if kind == "error" or (not kind and has_error(any_of(frame.data))):
            self._answer.fail(Fault(error_in(frame.data)))
            return
        event.type = kind
        self._answer.take(event)

    def _take_rest(self, rest: bytes) -> None:
        """What stands after the last whole frame: an event without its blank line, or no stream at all."""
        if not rest.strip():
            return
        frame = parse_frame(rest + b"\n\n")
        if frame.data:
            if any_of(frame.data) is not None:
                self._take(frame)
        elif isinstance(found := any_of(rest), dict) and has_error(found):
            self._answer.fail(Fault(upstream_error_of(200, found)))


def error_in(data: bytes) -> UpstreamError:
    """The fault that an ``error`` event names: flat, or nested as in a reply."""
    found = any_of(data)
    if isinstance(found, dict) and not found.get("error"):
        flat = {key: found[key] for key in ("code", "message", "param") if key in found}
        return counted(error_of(_encode(flat)), usage_beside(found))
    return counted(upstream_error_of(200, found), usage_beside(found))


def read_events(body: bytes) -> list[Event]:
    """A whole reply as events, ``End`` or ``Fault`` last. Never raises."""
    answer = Answer()
    response = read_response(body)
    found = any_of(body) if response is None or response.output is None else None
    if response is None or (found is not None and has_error(found)):
        fault = broken("the answer is not JSON") if found is None else upstream_error_of(200, found)
        fault = counted(fault, usage_beside(found))
        answer.fail(Fault(fault))
    elif not response.output and response.status not in _SAY_WHY:
        answer.fail(Fault(broken("the response holds no answer")))
    else:
        answer.take_whole(response)
    return answer.events
