"""Neutral events as an answer of this dialect: a stream, or the whole response.

Both are made by one ``Writer``, for a whole response with its frames muted. Items are numbered as they begin;
calls may be open beside each other, text and reasoning only alone. Whatever comes from ``Finish`` on is held
for ``closing``, so that an answer which can't be recorded may still fail.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Raw

from switchgear.kernel.errors import ApiError
from switchgear.kernel.usage import Usage
from switchgear.wire.dialect import Head
from switchgear.wire.neutral.events import (
    Choice,
    Cite,
    Event,
    Finish,
    FinishReason,
    Hosted,
    ImageOut,
    ReasoningDelta,
    Redacted,
    RefusalDelta,
    Signature,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.neutral.request import Opaque
from switchgear.wire.neutral.text_signatures import as_reasoning
from switchgear.wire.openai_responses.errors import failure
from switchgear.wire.openai_responses.from_client.display_options import client_names, shows_tokens
from switchgear.wire.openai_responses.to_client.hosted import PREFIXES, add_step, hosted_item, image_item
from switchgear.wire.openai_responses.to_client.parts import CallItem, MessageItem, ReasoningItem
from switchgear.wire.openai_responses.to_client.sequence import Sequence
from switchgear.wire.openai_responses.to_client.whole import ResponseObject
from switchgear.wire.openai_responses.usage import write_usage

_INCOMPLETE: dict[FinishReason, str] = {
    "length": "max_output_tokens",
    "pause": "max_output_tokens",
    "content_filter": "content_filter",
}


class Writer:
    """See ``wire.dialect.Writer``."""

    def __init__(self, head: Head, muted: bool = False) -> None:
        self.response = b""
        """The whole response, once ``closing`` was asked for."""
        self._head = head
        self._object = ResponseObject(head.id, head.model, head.created_s, head.fields)
        self._sequence = Sequence(muted)
        self._shows_tokens = shows_tokens(head.fields)
        thinking = head.request.thinking
        self._hides = thinking is not None and thinking.show is False and not self._shows_tokens
        self._names = client_names(head.request.tools)
        self._has_begun = False
        self._is_other_choice = False
        self._output: list[bytes] = []
        self._kept: list[bytes] = []
        self._said = 0
        self._message: MessageItem | None = None
        self._text_token: Opaque | None = None
        """The signature of the open message's text, which goes out behind it."""
        self._thinking: ReasoningItem | None = None
        self._calls: dict[int, CallItem] = {}
        self._has_calls = False
        self._finish: Finish | None = None
        self._usage: Usage | None = None

    @property
    def kept(self) -> list[Raw]:
        """The output items, once ``closing`` was asked for, with all that a later turn needs of them, whether
        or not the client wanted to have it."""
        return [Raw(item) for item in self._kept]

    def feed(self, events: list[Event]) -> bytes:
        if not self._has_begun:
            self._begin()
        for event in events:
            if type(event) is Choice:
                # There is one answer in this dialect.
                self._is_other_choice = event.index != 0
            elif not self._is_other_choice or type(event) is UsageSeen:
                taker = _TAKERS.get(type(event))
                if taker is not None and (self._finish is None or type(event) is UsageSeen):
                    taker(self, event)
        return self._sequence.take()

    def closing(self) -> bytes:
        if not self._has_begun:
            self._begin()
        reason = self._finish.reason if self._finish is not None else "stop"
        incomplete = _INCOMPLETE.get(reason, "")
        status = "incomplete" if incomplete else "completed"
        self._close_all(status)
        self.response = self._object.render(
            status, self._output, write_usage(self._usage), incomplete=incomplete
        )
        self._sequence.add(b"response." + status.encode(), b',"response":' + self.response)
        return self._sequence.take()

    def error_frame(self, err: ApiError, request_id: str) -> bytes:
        if not self._has_begun:
            self._begin()
        # What was open never ended, so no event says that it did.
        self._text_token = None
        muted, self._sequence.muted = self._sequence.muted, True
        self._close_all("incomplete")
        self._sequence.muted = muted
        failed = self._object.render(
            "failed", self._output, write_usage(self._usage), error=failure(err, request_id)
        )
        self._sequence.add(b"response.failed", b',"response":' + failed)
        return self._sequence.take()

    def _begin(self) -> None:
        self._has_begun = True
        if not self._sequence.muted:
            response = b',"response":' + self._object.render("in_progress")
            self._sequence.add(b"response.created", response)
            self._sequence.add(b"response.in_progress", response)

    # --- events

    def _take_text(self, event: TextDelta) -> None:
        if not event.text:
            return
        self._open_message().say(event.text, event.logprobs, self._said)
        self._said += len(event.text)

    def _take_refusal(self, event: RefusalDelta) -> None:
        if event.text:
            self._open_message().refuse(event.text)

    def _take_cite(self, event: Cite) -> None:
        if self._message is not None:
            self._message.cite(event.citation)

    def _take_reasoning(self, event: ReasoningDelta) -> None:
        if event.text:
            self._open_thinking().think(event.text)

    def _take_signature(self, event: Signature) -> None:
        if event.of == "reasoning":
            self._seal(event.opaque)
        elif self._message is not None:
            self._text_token = as_reasoning(event.opaque)

    def _take_redacted(self, event: Redacted) -> None:
        self._close_thinking()
        self._seal(event.opaque)

    def _take_tool_start(self, event: ToolStart) -> None:
        self._close_message()
        self._take_tool_end(ToolEnd(event.key))
        if event.opaque is not None:
            self._seal(event.opaque)
        self._close_thinking()
        self._has_calls = True
        namespace, own, is_custom = self._names.get(event.name, ("", event.name, False))
        is_custom = is_custom or event.kind == "custom"
        index = self._next()
        self._calls[event.key] = CallItem(
            self._sequence,
            index,
            self._id("ctc" if is_custom else "fc", index),
            event.id or f"call_{self._head.id}_{event.key}",
            (namespace, own),
            is_custom,
            is_custom and event.kind == "function",
        )

    def _take_tool_delta(self, event: ToolDelta) -> None:
        call = self._calls.get(event.key)
        if call is not None and event.text:
            call.argue(event.text)

    def _take_tool_end(self, event: ToolEnd) -> None:
        call = self._calls.pop(event.key, None)
        if call is not None:
            self._put(call.index, call.close("completed"))

    def _take_hosted(self, event: Hosted) -> None:
        item = hosted_item(event, self._id(PREFIXES.get(event.kind, "ht"), len(self._output)))
        if item is not None:
            self._add_step(item)

    def _take_image(self, event: ImageOut) -> None:
        self._add_step(image_item(event, self._id("ig", len(self._output))))

    def _take_usage(self, event: UsageSeen) -> None:
        self._usage = event.usage

    def _take_finish(self, event: Finish) -> None:
        self._finish = event

    # --- items

    def _open_message(self) -> MessageItem:
        if self._message is None:
            self._close_thinking()
            index = self._next()
            self._message = MessageItem(self._sequence, index, self._id("msg", index))
        return self._message

    def _open_thinking(self) -> ReasoningItem:
        if self._thinking is None:
            self._close_message()
            index = self._next()
            self._thinking = ReasoningItem(self._sequence, index, self._id("rs", index), self._hides)
        return self._thinking

    def _seal(self, opaque: Opaque) -> None:
        """Ends the reasoning that is open with its token, or makes an item of the token alone."""
        self._close_thinking(self._open_thinking(), self._head.seals.seal(opaque))

    def _close_thinking(self, item: ReasoningItem | None = None, encrypted: str = "") -> None:
        item = item or self._thinking
        if item is not None:
            shown, kept = item.close(encrypted, self._shows_tokens)
            self._put(item.index, shown, kept)
            self._thinking = None

    def _close_message(self, status: str = "completed") -> None:
        if self._message is not None:
            self._put(self._message.index, self._message.close(status))
            self._message = None
            token, self._text_token = self._text_token, None
            if token is not None:
                self._seal(token)

    def _close_all(self, status: str) -> None:
        if not self._shows_tokens:
            # Many clients take the last item for the answer; those that get tokens know items of them alone.
            self._text_token = None
        self._close_thinking()
        self._close_message(status)
        for call in self._calls.values():
            self._put(call.index, call.close(status))
        self._calls.clear()

    def _add_step(self, item: dict[str, Any]) -> None:
        self._close_thinking()
        self._close_message()
        index = self._next()
        self._put(index, add_step(self._sequence, index, item))

    def _next(self) -> int:
        """The place of a new item."""
        self._output.append(b"")
        self._kept.append(b"")
        return len(self._output) - 1

    def _put(self, index: int, item: bytes, kept: bytes = b"") -> None:
        self._output[index] = item
        self._kept[index] = kept or item

    def _id(self, prefix: str, index: int) -> str:
        return f"{prefix}_{self._head.id}{index:02x}"


_TAKERS: dict[type, Callable[[Writer, Any], None]] = {
    TextDelta: Writer._take_text,
    ReasoningDelta: Writer._take_reasoning,
    Signature: Writer._take_signature,
    Redacted: Writer._take_redacted,
    RefusalDelta: Writer._take_refusal,
    ToolStart: Writer._take_tool_start,
    ToolDelta: Writer._take_tool_delta,
    ToolEnd: Writer._take_tool_end,
    Hosted: Writer._take_hosted,
    Cite: Writer._take_cite,
    ImageOut: Writer._take_image,
    UsageSeen: Writer._take_usage,
    Finish: Writer._take_finish,
}


def write_reply(events: list[Event], head: Head) -> bytes:
    """A whole response from all its events, of which the last is ``End``."""
    return write_kept_reply(events, head)[0]


def write_kept_reply(events: list[Event], head: Head) -> tuple[bytes, list[Raw]]:
    """The same, and the output items as they are to be kept for a later turn."""
    writer = Writer(head, muted=True)
    writer.feed(events)
    writer.closing()
    return writer.response, writer.kept
