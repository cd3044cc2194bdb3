"""An upstream's answer in this dialect as events, streamed or whole."""

from typing import Any

from switchgear.kernel.limits import CHOICES_MAX, FRAME_BYTES_MAX
from switchgear.kernel.usage import Usage, with_calls
from switchgear.wire.faults.failed_finishes import failure_of, is_failed
from switchgear.wire.faults.upstream_error import UpstreamError, broken, counted, has_error, upstream_error_of
from switchgear.wire.framing.filler import is_filler
from switchgear.wire.framing.repeated_frames import AlikeTexts
from switchgear.wire.framing.splice import any_of
from switchgear.wire.framing.sse import Frame, FrameTooLong, SseReader, parse_frame
from switchgear.wire.neutral.events import (
    Choice,
    Cite,
    End,
    Event,
    Fault,
    Finish,
    Start,
    TextDelta,
    UsageSeen,
)
from switchgear.wire.neutral.request import Citation
from switchgear.wire.openai_chat.from_upstream.parts import ChoiceReader
from switchgear.wire.openai_chat.from_upstream.sources import sources_beside
from switchgear.wire.openai_chat.hosted_calls import SearchCounter
from switchgear.wire.openai_chat.plain_frame import PlainChoice, plain_choice
from switchgear.wire.openai_chat.usage import merge_reports, usage_beside, usage_of, with_timings


class ChatReader:
    """See ``wire.dialect.Reader``."""

    def __init__(self) -> None:
        self._frames = SseReader(FRAME_BYTES_MAX)
        self._answer = AnswerReader()
        self._alike = AlikeTexts(b'"content"')
        self._over = False

    @property
    def is_told(self) -> bool:
        """See ``wire.dialect.Tap.is_told``."""
        return self._over or self._answer.is_told

    def feed(self, chunk: bytes) -> list[Event]:
        events: list[Event] = []
        if (known := self._alike.known) is not None:
            start, end, texts, _ = self._alike.split(chunk)
            if texts:
                if start:
                    self._feed_any(chunk[:start], events)
                if self._frames.rest or self._over or self._alike.known != known:
                    end = start
                else:
                    events += [TextDelta(text) for text in texts if text]
                if end == len(chunk):
                    return events
                chunk = chunk[end:]
        self._feed_any(chunk, events)
        return events

    def _feed_any(self, chunk: bytes, events: list[Event]) -> None:
        too_long = False
        try:
            frames = self._frames.feed(chunk)
        except FrameTooLong as error:
            frames, too_long = error.frames, True
        for frame in frames:
            if self._over:
                return
            begun = len(events)
            self._take(frame, events)
            last = events[-1] if len(events) == begun + 1 else None
            if type(last) is TextDelta and last.logprobs is None and self._answer.takes_text_as_it_is:
                self._alike.learn(frame.raw, last.text)
            else:
                self._alike.forget()
        if too_long and not self._over:
            self._fail(broken("an event is too long"), events)

    def finish(self) -> list[Event]:
        events: list[Event] = []
        rest = self._frames.peek_rest()
        if not self._over and rest.strip():
            self._take_rest(rest, events)
        if not self._over:
            self._over = True
            self._answer.end(events, marked=False)
        return events

    def _take_rest(self, rest: bytes, events: list[Event]) -> None:
        """What stands at the end of file without a blank line: a last frame, or half of one, which says
        nothing. Some hosts answer whole where a stream was asked for."""
        frame = parse_frame(rest + b"\n\n")
        whole = any_of(rest) if not frame.data and rest.lstrip().startswith(b"{") else None
        if isinstance(whole, dict) and whole.get("choices") and not has_error(whole):
            self._over = True
            _take_whole(whole, rest, events)
        elif not frame.data or frame.data.strip() == b"[DONE]" or isinstance(any_of(frame.data), dict):
            self._take(frame, events)

    def _take(self, frame: Frame, events: list[Event]) -> None:
        data = frame.data
        if not data:
            if frame.raw.lstrip().startswith((b"{", b"<")):
                self._fail(_error_in(frame.raw) or broken("the answer is not an event stream"), events)
            return
        if not frame.event and (plain := plain_choice(data)) is not None and self._answer.say(plain, events):
            return
        if data.strip() == b"[DONE]":
            self._over = True
            self._answer.end(events, marked=True)
            return
        if frame.event == "error":
            self._fail(_error_in(data) or broken("an error event"), events, usage_beside(any_of(data)))
            return
        found = any_of(data)
        if not isinstance(found, dict):
            if is_filler(data):
                return
            self._fail(_error_in(data) or broken("a frame is not a JSON object"), events)
            return
        self._answer.searches.take(data)
        if (error := self._answer.take(found, events)) is not None:
            self._fail(error, events, usage_beside(found))

    def _fail(self, error: UpstreamError, events: list[Event], beside: Usage | None = None) -> None:
        """``beside``: usage that stands beside the error."""
        self._over = True
        events.append(Fault(counted(error, merge_reports(self._answer.usage, beside))))


def read_events(body: bytes) -> list[Event]:
    """A whole reply. Never raises."""
    found = any_of(body)
    if not isinstance(found, dict) or has_error(found):
        error = upstream_error_of(200, found) if found is not None else broken("the answer is not JSON")
        return [Fault(counted(error, usage_beside(found)))]
    events: list[Event] = []
    _take_whole(found, body, events)
    return events


def _take_whole(found: dict[str, Any], body: bytes, events: list[Event]) -> None:
    answer = AnswerReader()
    answer.searches.take(body)
    if (error := answer.take(found, events, key="message")) is not None:
        events.append(Fault(counted(error, merge_reports(answer.usage, usage_beside(found)))))
    else:
        answer.end(events, marked=True)


class AnswerReader:
    """The state of one answer: what was opened, which calls there are, how it ends."""

    def __init__(self) -> None:
        self._started = False
        self._choice = 0
        self._states: dict[int, ChoiceReader] = {}
        self.usage: Usage | None = None
        """As far as it was reported."""
        self._told: Usage | None = None
        self._sources: list[Citation] = []
        """That stand beside the choices."""
        self._failure: UpstreamError | None = None
        """What an answer says of itself in place of its end; it is told behind the usage."""
        self.searches = SearchCounter()

    def take(self, found: dict[str, Any], events: list[Event], key: str = "delta") -> UpstreamError | None:
        """One chunk, or with ``key`` ``message`` a whole reply; an error of the upstream instead of it."""
        choices = found.get("choices")
        if (not choices or "error" in found) and has_error(found):
            return upstream_error_of(200, found)
        if not self._started:
            self._started = True
            events.append(Start(_text(found.get("id")), _text(found.get("model"))))
        self._see_usage(found.get("usage"), found.get("timings"))
        self._sources = sources_beside(found) or self._sources
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and (error := self._take_choice(choice, events, key)) is not None:
                return error
        if key == "delta" and choices:
            self._tell_usage(events)  # a running count; what comes alone is the last, and waits for the end
        return None

    @property
    def is_told(self) -> bool:
        """Every answer has its finish, and usage came."""
        states = self._states.values()
        return self.usage is not None and bool(states) and all(state.finish for state in states)

    @property
    def takes_text_as_it_is(self) -> bool:
        """No tag is waited for in the text of the current answer."""
        state = self._states.get(self._choice)
        return state is not None and state.takes_text_as_it_is

    def say(self, plain: PlainChoice, events: list[Event]) -> bool:
        """One plain choice; False when it is the first that is seen of its answer."""
        state = self._states.get(plain.index)
        if state is None:
            return False
        self._switch(plain.index, events)
        state.say(plain.delta, events)
        return True

    def end(self, events: list[Event], *, marked: bool) -> None:
        """``marked``: the end was said; otherwise it counts as one only when every answer had finished."""
        states = sorted(self._states.items())
        if not marked and not (states and all(state.finish for _, state in states)):
            self._tell_usage(events)
            events.append(Fault(broken("the stream ended before its end"), truncated=True))
            return
        for index, state in states:
            self._switch(index, events)
            state.close(events)
            if not state.has_cited:
                events.extend(map(Cite, self._sources))
        self._tell_usage(events)
        if self._failure is not None:
            events.append(Fault(counted(self._failure, self.usage)))
            return
        for index, state in states:
            self._switch(index, events)
            events.append(Finish(state.reason))
        events.append(End())

    def _tell_usage(self, events: list[Event]) -> None:
        if self.usage is not None:
            usage = with_calls(self.usage, self.searches.calls)
            if usage != self._told:
                self._told = usage
                events.append(UsageSeen(usage))

    def _take_choice(self, choice: dict[str, Any], events: list[Event], key: str) -> UpstreamError | None:
        index = choice.get("index")
        index = index if isinstance(index, int) and 0 <= index < CHOICES_MAX else 0
        self._switch(index, events)
        state = self._states.get(index)
        if state is None:
            state = self._states[index] = ChoiceReader()
            if not isinstance(choice.get(key), dict):
                key = "message"  # some hosts send the whole answer as the only chunk
        self._see_usage(choice.get("usage"))
        message = choice.get(key)
        if isinstance(message, dict):
            if not state.take(message, choice.get("logprobs"), events, whole=key == "message"):
                return broken("too many tool calls")
        elif isinstance(text := choice.get("text"), str) and text:
            events.append(TextDelta(text))
        finish = choice.get("finish_reason")
        if isinstance(finish, str) and finish:
            state.finish = finish
            if is_failed(finish) and self._failure is None:
                inner = {"error": choice.get("error")}
                self._failure = upstream_error_of(200, inner) if has_error(inner) else failure_of(finish)
        return None

    def _switch(self, index: int, events: list[Event]) -> None:
        if index != self._choice:
            self._choice = index
            events.append(Choice(index))

    def _see_usage(self, found: Any, timings: Any = None) -> None:
        if found is not None:
            self.usage = merge_reports(self.usage, with_timings(usage_of(found), timings))


def _error_in(data: bytes) -> UpstreamError | None:
    found = any_of(data)
    holds_error = isinstance(found, dict | list) and has_error(found)
    return upstream_error_of(200, found) if holds_error else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
