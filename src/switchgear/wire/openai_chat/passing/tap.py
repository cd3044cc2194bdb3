"""The tap on a stream of the OpenAI dialect: forwards whole frames untouched and learns what has to be known.

States: open → ended (the end marker came) or faulty (``fault`` is set); nothing is forwarded after either.
The end marker itself is never forwarded, as a reply may only end once its record is written.
"""

from typing import Any, Literal

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import CHOICES_MAX, FRAME_BYTES_MAX, TEXT_PIECES_MAX
from switchgear.kernel.usage import Usage, with_calls
from switchgear.wire.call import Operation
from switchgear.wire.faults.failed_finishes import failure_of, is_failed
from switchgear.wire.faults.upstream_error import UpstreamError, broken, counted, has_error, upstream_error_of
from switchgear.wire.framing.filler import is_blank, is_filler, says_nothing
from switchgear.wire.framing.repeated_frames import AlikeFrames
from switchgear.wire.framing.splice import (
    NULL,
    BadJson,
    any_of,
    read_object,
    read_objects,
    repair_surrogates,
    write_array,
    write_object,
)
from switchgear.wire.framing.sse import Frame, FrameTooLong, SseReader, is_silent, parse_frame
from switchgear.wire.openai_chat.account_ids import made_ids
from switchgear.wire.openai_chat.errors import render_stream_error
from switchgear.wire.openai_chat.frames import (
    ABSENT,
    Choice,
    Chunk,
    chunk_of,
    decode_chunk,
    gather_text,
    only_text,
    says_something,
)
from switchgear.wire.openai_chat.hosted_calls import SearchCounter
from switchgear.wire.openai_chat.usage import merge_reports, read_usage, usage_beside, with_timings

END_MARKER = b"data: [DONE]\n\n"

_DONE = b"[DONE]"
_LF = 0x0A
_NO_USAGE = b',"usage":null'
"""An unescaped quote stands in no string, so this is a field wherever it is found."""
_HEAD_KEYS = ("id", "created", "model")
_OBJECTS = {
    "openai_chat": Raw(b'"chat.completion.chunk"'),
    "openai_completions": Raw(b'"text_completion"'),
    "openai_embeddings": Raw(b'"list"'),
}
_decode_any = msgspec.json.Decoder().decode


class StreamTap:
    """Push chunks of the upstream; get the bytes that go to the client now."""

    __slots__ = (
        "_alike",
        "_closing",
        "_failure",
        "_finished_choices",
        "_head",
        "_made",
        "_operation",
        "_reader",
        "_searches",
        "_show_usage",
        "_text_bytes",
        "_texts",
        "ended",
        "fault",
        "feed_alike",
        "has_content",
        "usage",
    )

    def __init__(self, operation: Operation, show_usage: bool) -> None:
        self._operation = operation
        self._show_usage = show_usage
        self._reader = SseReader(FRAME_BYTES_MAX)
        self._finished_choices: dict[int, bool] = {}
        self._closing = b""
        self._failure: UpstreamError | None = None
        """What an answer says of itself in place of its end. Only the usage is still read then."""
        self._head: tuple[dict[str, Raw], Raw] | None = None
        self._searches = SearchCounter()
        self._made: tuple[str, ...] = ()
        self._texts: list[str] = []
        self._text_bytes = 0
        """Of ``_texts``."""
        self._alike = AlikeFrames()
        self.feed_alike = self._alike.take
        """What to forward of a chunk that is one frame and differs only in its text from one before; b"" for
        any other: then ``feed`` has to be called. Of what can be seen of the tap only the text changes."""
        self.ended = False
        """The end marker came."""
        self.fault: UpstreamError | None = None
        self.has_content = False
        """A frame that says something is forwarded: from here on there is no other candidate."""
        self.usage: Usage | None = None

    @property
    def text_bytes(self) -> int:
        """Of the text that waits for ``take_text``."""
        self._gather_alike()
        return self._text_bytes

    @property
    def finished(self) -> bool:
        """Every choice that was seen has a finish reason."""
        return bool(self._finished_choices) and all(self._finished_choices.values())

    @property
    def is_told(self) -> bool:
        """See ``wire.dialect.Tap.is_told``."""
        return self.finished and self.usage is not None

    def closing(self) -> bytes:
        """The usage frame, if the client asked and usage came, and the end marker."""
        return self._usage_frame() + END_MARKER

    def error_frame(self, err: ApiError, request_id: str) -> bytes:
        """What ends a stream that broke; no end marker follows it."""
        return render_stream_error(err, request_id)

    def _usage_frame(self) -> bytes:
        if not self._show_usage:
            return b""
        if self._closing or self._head is None:
            return self._closing
        head, usage = self._head
        fields = dict(head)
        fields["object"] = _OBJECTS[self._operation]
        fields["choices"] = Raw(b"[]")
        fields["usage"] = usage
        return _frame(fields)

    def feed(self, chunk: bytes) -> bytes:
        """The complete frames to forward; ``chunk`` itself where it is nothing else than such frames."""
        alike = self._alike
        if alike.texts:
            self._gather_alike()
        if alike.around_bytes:
            sent = alike.feed(chunk, self._feed_on, self._is_open)
            if alike.texts:
                self._gather_alike()
            return sent
        sent = b"" if self._is_over() else self._feed_any(chunk)
        if self._alike.around_bytes:
            alike.open(self._is_open())
        return sent

    def finish(self) -> Literal["complete", "cut"]:
        """To be asked once at the upstream's end of file."""
        if self.fault is not None:
            return "cut"
        rest = self._reader.peek_rest()
        if not self.ended and rest.strip():
            self._take_last(rest)
        if self._failure is not None:
            self._end()
        if self.ended or (self.finished and self.fault is None and says_nothing(rest)):
            return "complete"
        return "cut"

    def take_text(self) -> str:
        """What the model wrote since the last call, for a token estimate."""
        self._gather_alike()
        text = "".join(self._texts)
        self._texts.clear()
        self._text_bytes = 0
        return text

    def _gather_alike(self) -> None:
        if texts := self._alike.texts:
            text = "".join(texts)
            texts.clear()
            self._texts.append(text)
            self._text_bytes += len(text) if text.isascii() else len(text.encode())
            self._join_pieces()

    def _join_pieces(self) -> None:
        if len(self._texts) > TEXT_PIECES_MAX:
            self._texts = ["".join(self._texts)]

    def _feed_on(self, chunk: bytes) -> bytes:
        """A part of a chunk, of which something before may have been the end."""
        self._gather_alike()
        return b"" if self._is_over() else self._feed_any(chunk)

    def _feed_any(self, chunk: bytes) -> bytes:
        size = len(chunk)
        if (
            chunk.find(b"\n") == size - 2
            and chunk.startswith(b"data: {")
            and chunk[-1] == _LF
            and b"\r" not in chunk
            and not self._reader.rest
            and size <= FRAME_BYTES_MAX
        ):
            return self._take_data(chunk, chunk[6:-2])
        return self._feed_frames(chunk)

    def _feed_frames(self, chunk: bytes) -> bytes:
        had_rest = self._reader.rest
        too_long = False
        try:
            frames = self._reader.feed(chunk)
        except FrameTooLong as error:
            frames, too_long = error.frames, True
        out: list[bytes] = []
        whole = not had_rest
        for frame in frames:
            sent = self._take_frame(frame)
            whole = whole and sent is frame.raw
            if sent:
                out.append(sent)
            if self._is_over():
                return b"".join(out)
        if too_long:
            self.fault = broken("an event is too long")
        if whole and not self._reader.rest and not too_long:
            return chunk
        return b"".join(out)

    def _end(self) -> None:
        """The answer is over."""
        failure = self._failure
        self.fault = None if failure is None else counted(failure, self.usage)
        self.ended = self.fault is None

    def _is_over(self) -> bool:
        return self.ended or self.fault is not None

    def _is_open(self) -> bool:
        """The next byte begins a frame that may be forwarded."""
        return not self._reader.rest and not self._is_over() and self._failure is None

    def _take_frame(self, frame: Frame) -> bytes:
        """What to forward of it: ``frame.raw`` itself, an edited form, or nothing."""
        if frame.event and frame.event != "message":
            if frame.event == "error":
                self._fail(_any_of(frame.data))
                return b""
            # The end marker is one whatever its event is called.
            if _DONE in frame.data and _DONE in map(bytes.strip, frame.data.split(b"\n")):
                self._end()
            return b"" if self._is_over() or is_filler(frame.data) else frame.raw
        if not frame.data:
            if is_silent(frame.raw):
                return b"" if is_blank(frame.raw) else frame.raw
            self.fault = _fault_of(frame.raw)
            return b""
        if frame.data.strip() == _DONE:
            self._end()
            return b""
        if is_filler(frame.data):
            return b""
        return self._take_data(frame.raw, frame.data)

    def _take_data(self, raw: bytes, data: bytes) -> bytes:
        if b"search" in data or b"citation" in data:
            self._searches.take(data)
        if b'"audio"' in data:
            self._made += made_ids(data)
        try:
            chunk = decode_chunk(data)
        except (ValueError, RecursionError):
            patient = self._decode_patiently(data)
            if patient is None:
                return b""
            chunk = patient
        choices = chunk.choices
        if not choices or chunk.error is not ABSENT:
            return self._take_without_choices(raw, data, chunk)
        reported = chunk.usage is not ABSENT and chunk.usage != NULL
        for choice in choices:
            if choice.finish_reason:
                self._take_finish(choice)
            elif choice.index not in self._finished_choices:
                self._take_new(choice)
            if choice.usage is not ABSENT and choice.usage != NULL:
                reported = True
            self._text_bytes += gather_text(choice, choice.delta, self._texts)
        self._join_pieces()
        if self.fault is not None:
            return b""
        if not self.has_content:
            self.has_content = self._text_bytes > 0 or says_something(data)
        if reported:
            sent = self._strip_usage(data)
            return sent if self._failure is None else b""
        if self._failure is not None:
            return b""
        hide_usage = chunk.usage is not ABSENT and not self._show_usage
        if len(choices) == 1 and self._alike.tries_left and (said := only_text(choices[0])) is not None:
            self._alike.learn(raw, *said, _without_usage if hide_usage else None)
        # Asked for by us: the other chunks of such a stream say that they have none.
        return _without_usage(raw) if hide_usage else raw

    def _take_finish(self, choice: Choice) -> None:
        if choice.finish_reason is not None and is_failed(choice.finish_reason):
            self._failure = failure_of(choice.finish_reason)
        self._take_new(choice)
        self._finished_choices[choice.index] = True

    def _take_new(self, choice: Choice) -> None:
        self._finished_choices.setdefault(choice.index, False)
        if len(self._finished_choices) > CHOICES_MAX:
            self.fault = broken("too many choices")

    def _decode_patiently(self, data: bytes) -> Chunk | None:
        """For frames with an unexpected type or half a surrogate pair; sets the fault otherwise."""
        try:
            found = _decode_any(repair_surrogates(data))
        except (ValueError, RecursionError):
            self.fault = broken("a frame is not JSON")
            return None
        if not isinstance(found, dict):
            self.fault = upstream_error_of(200, found)
            return None
        return chunk_of(found)

    def _take_without_choices(self, raw: bytes, data: bytes, chunk: Chunk) -> bytes:
        """An error, the usage chunk, or something of the vendor's own, which is forwarded."""
        found = _any_of(data)
        if has_error(found):
            self._fail(found)
            return b""
        if chunk.choices:
            # An empty error beside an answer says nothing.
            return self._take_data(raw, _without(data, "error"))
        if chunk.usage is ABSENT or chunk.usage == NULL:
            return raw
        self._take_usage(chunk.usage, data)
        self._closing = raw
        return b""

    def _fail(self, found: Any) -> None:
        """An error in place of the rest; what was counted before it, or stands beside it, was counted."""
        usage = merge_reports(self.usage, usage_beside(found))
        self.usage = usage
        self.fault = counted(upstream_error_of(200, found), usage)

    def _take_usage(self, report: Raw, data: bytes) -> None:
        found = read_usage(report)
        if b'"timings"' in data:
            found = with_timings(found, any_of(read_object(data).get("timings", NULL)))
        usage = merge_reports(self.usage, found)
        self.usage = with_calls(usage, self.calls()) if usage is not None else None

    def made_ids(self) -> tuple[str, ...]:
        return self._made

    def calls(self) -> dict[str, int]:
        """Of hosted tools so far, by unit."""
        return self._searches.calls

    def _strip_usage(self, data: bytes) -> bytes:
        """Usage on a content frame: the client gets it in a frame of its own, or not at all."""
        try:
            fields = read_object(data)
            choices = read_objects(fields["choices"])
        except BadJson:
            self.fault = broken("a frame is not JSON")
            return b""
        reports = [fields.pop("usage", NULL)]
        reports += [choice.pop("usage", NULL) for choice in choices]
        for report in reports:
            if report != NULL:
                self._take_usage(report, data)
                self._head = ({key: fields[key] for key in _HEAD_KEYS if key in fields}, report)
        if len(reports) > 1 and any(report != NULL for report in reports[1:]):
            fields["choices"] = Raw(write_array(choices))
        return _frame({**fields, "usage": NULL} if self._show_usage else fields)

    def _take_last(self, rest: bytes) -> None:
        """Bytes without a blank line at the end of the stream: an end marker, an error, or a cut."""
        frame = parse_frame(rest + b"\n\n")
        if frame.data.strip() == _DONE:
            self._end()
        elif not frame.data and not is_silent(frame.raw):
            found = _any_of(rest)
            if isinstance(found, dict) and has_error(found):
                self._fail(found)


def _without_usage(raw: bytes) -> bytes:
    """A frame, or a part of one, without the field that says that it has no usage."""
    return raw.replace(_NO_USAGE, b"")


def _frame(fields: dict[str, Raw]) -> bytes:
    # A value from a frame of several data lines may have line feeds between its tokens.
    return b"data: " + write_object(fields).replace(b"\n", b"\ndata: ") + b"\n\n"


def _fault_of(raw: bytes) -> UpstreamError:
    found = _any_of(raw)
    if isinstance(found, dict) and has_error(found):
        return upstream_error_of(200, found)
    return broken("the answer is not an event stream")


def _any_of(data: bytes) -> Any:
    """The decoded value; None when it is no JSON."""
    try:
        return _decode_any(data)
    except (ValueError, RecursionError):
        return None


def _without(data: bytes, key: str) -> bytes:
    fields = read_object(data)
    fields.pop(key, None)
    return write_object(fields)
