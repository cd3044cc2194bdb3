"""An upstream's answer as events, whether it comes as a stream or whole.

A stream has no end marker: it is complete when it ends after every candidate had a finish reason. Reasons are
therefore remembered and told at the end, as old models write one into every chunk, and calls may follow it.
"""

from msgspec import Raw

from switchgear.kernel.limits import CHOICES_MAX, FRAME_BYTES_MAX
from switchgear.kernel.usage import Usage, with_calls
from switchgear.wire.faults.upstream_error import UpstreamError, broken, counted, upstream_error_of
from switchgear.wire.framing.filler import is_filler
from switchgear.wire.framing.splice import any_of
from switchgear.wire.framing.sse import FrameTooLong, SseReader, parse_frame
from switchgear.wire.gemini_generate.finish import is_failure, is_finish, read_finish
from switchgear.wire.gemini_generate.frames import (
    Candidate,
    Chunk,
    block_reason,
    elements,
    error_of,
    is_document,
    is_given,
    is_response,
    read_chunk,
)
from switchgear.wire.gemini_generate.from_upstream.parts import Answer
from switchgear.wire.gemini_generate.hosted_calls import calls_of, sum_of
from switchgear.wire.gemini_generate.usage import merge_reports, read_usage, usage_beside, with_images
from switchgear.wire.neutral.events import (
    Choice,
    End,
    Event,
    Fault,
    Finish,
    Start,
    UsageSeen,
)


def read_events(body: bytes) -> list[Event]:
    """A whole reply: one response, or an array of the chunks of a stream. Never raises."""
    found = any_of(body) if body.lstrip()[:1] == b"[" else None
    reader = Reader(whole=not isinstance(found, list))
    if isinstance(found, list):
        events = [event for chunk in elements(body) for event in reader.take(chunk)]
    else:
        events = reader.take(body)
    return events if reader.is_over() else events + reader.finish()


class Reader:
    """Push chunks of the upstream's stream; get the events that they complete."""

    __slots__ = (
        "_answers",
        "_block",
        "_current",
        "_over",
        "_sse",
        "_started",
        "_usage",
        "_whole",
        "version",
    )

    def __init__(self, whole: bool = False) -> None:
        self._sse = SseReader(FRAME_BYTES_MAX)
        self._answers: dict[int, Answer] = {}
        self._current = 0
        self._started = False
        self._block = ""
        self._usage: Usage | None = None
        self._whole = whole
        self._over = False
        self.version = ""

    def is_over(self) -> bool:
        """``End`` or ``Fault`` was told."""
        return self._over

    @property
    def is_told(self) -> bool:
        """See ``wire.dialect.Tap.is_told``."""
        answers = self._answers.values()
        finished = bool(answers) and all(is_finish(answer.finish) for answer in answers)
        return self._over or (finished and self._usage is not None)

    def feed(self, chunk: bytes) -> list[Event]:
        if self.is_over():
            return []
        too_long = False
        try:
            frames = self._sse.feed(chunk)
        except FrameTooLong as error:
            frames, too_long = error.frames, True
        events: list[Event] = []
        for frame in frames:
            if frame.data:
                events += self.take(frame.data)
            elif is_document(frame.raw):
                events += self._fault(error_of(frame.raw))
            if self.is_over():
                return events
        return events + self._fault(broken("an event is too long")) if too_long else events

    def finish(self) -> list[Event]:
        if self.is_over():
            return []
        events: list[Event] = []
        rest = self._sse.peek_rest()
        if rest.strip():
            frame = parse_frame(rest + b"\n\n")
            if read_chunk(frame.data) is not None:
                events = self.take(frame.data)
            elif not frame.data and is_document(rest):
                events = self._fault(error_of(rest))
            if self.is_over():
                return events
        if self._block and not self._answers:
            events += [Finish("content_filter", message=self._block), End()]
        elif (failure := self._failure()) is not None:
            events += (*self._last_usage(), failure)
        elif self._answers and all(map(self._has_ended, self._answers.values())):
            events += self._endings()
        else:
            events.append(Fault(broken("the stream ended before its end"), truncated=True))
        self._over = True
        return events

    def take(self, data: bytes | Raw) -> list[Event]:
        """One response object."""
        chunk = read_chunk(data)
        if chunk is None:
            # Some hosts end every dialect alike.
            passed_by = bytes(data).strip() == b"[DONE]" or is_filler(bytes(data))
            return [] if passed_by else self._fault(error_of(bytes(data)))
        if is_given(chunk.error):
            found = any_of(data)
            return self._fault(counted(upstream_error_of(200, found), usage_beside(found)))
        events: list[Event] = []
        if not self._started:
            if not is_response(chunk):
                return self._fault(broken("the answer is no response"))
            self._started = True
            self.version = chunk.model_version or ""
            events.append(Start(chunk.response_id or "", self.version))
        for candidate in chunk.candidates or ():
            self._take_candidate(candidate, chunk, events)
            if self.is_over():
                return events
        self._block = self._block or block_reason(chunk)
        if self._see_usage(chunk) and self._usage is not None:
            events.append(UsageSeen(self._usage))
        return events

    def _see_usage(self, chunk: Chunk) -> bool:
        """Whether the chunk brings a report."""
        usage = read_usage(chunk.usage_metadata) if is_given(chunk.usage_metadata) else None
        if usage is None:
            return False
        self._usage = merge_reports(self._usage, usage)
        return True

    def _take_candidate(self, candidate: Candidate, chunk: Chunk, events: list[Event]) -> None:
        answer = self._answers.get(candidate.index)
        if answer is None:
            if len(self._answers) >= CHOICES_MAX:
                events += self._fault(broken("too many candidates"))
                return
            answer = self._answers[candidate.index] = Answer(chunk.response_id or "", self._whole)
        if candidate.index != self._current:
            self._current = candidate.index
            events.append(Choice(candidate.index))
        answer.take(candidate, events)
        finish = candidate.finish_reason
        if finish is not None and is_finish(finish):
            answer.finish, answer.finish_message = finish, candidate.finish_message or ""

    def _failure(self) -> Fault | None:
        """Of an answer that was given up. It is told at the end, behind the usage, by which it is charged."""
        for answer in self._answers.values():
            if is_failure(answer.finish, answer.has_content):
                message = f"{answer.finish} {answer.finish_message}".strip()
                error = UpstreamError("transient", 200, message, code=answer.finish)
                return Fault(counted(error, self._usage))
        return None

    def _has_ended(self, answer: Answer) -> bool:
        """A whole one has, even where nothing says why."""
        return is_finish(answer.finish) or (self._whole and answer.has_content)

    def _endings(self) -> list[Event]:
        events: list[Event] = []
        for index, answer in self._answers.items():
            told: list[Event] = []
            answer.close(told)
            if told and index != self._current:
                self._current = index
                events.append(Choice(index))
            events += told
        events += self._last_usage()
        for index, answer in self._answers.items():
            if index != self._current:
                self._current = index
                events.append(Choice(index))
            reason = read_finish(answer.finish, answer.has_calls)
            events.append(Finish(reason, message=answer.finish_message))
        events.append(End())
        return events

    def _last_usage(self) -> list[Event]:
        """The last one reported, if there is more to say: pictures that it leaves out, and searches."""
        answers = self._answers.values()
        usage = with_images(self._usage, sum(answer.images for answer in answers))
        if usage is not None:
            calls = [calls_of(answer.grounding, self.version) for answer in answers]
            usage = with_calls(usage, sum_of(calls))
        return [] if usage is None or usage == self._usage else [UsageSeen(usage)]

    def _fault(self, error: UpstreamError) -> list[Event]:
        self._over = True
        return [Fault(counted(error, self._usage))]
