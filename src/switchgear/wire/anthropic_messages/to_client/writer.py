"""Events as a client's answer in this dialect: a stream, or a whole message.

One block is open at a time, with indices from 0 and without gaps. Calls of tools may come interleaved: what
follows an open call and does not belong to it is kept back until the call is complete.
"""

from collections import deque
from typing import Any

import msgspec

from switchgear.kernel.errors import ApiError
from switchgear.kernel.usage import Usage
from switchgear.wire.anthropic_messages.errors import render_stream_error
from switchgear.wire.anthropic_messages.finish import write_stop_reason
from switchgear.wire.anthropic_messages.passing.tap import STOP_FRAME
from switchgear.wire.anthropic_messages.to_client.parts import (
    hosted_blocks,
    image_text,
    location,
    redacted_block,
    sealed,
    shown_to,
)
from switchgear.wire.anthropic_messages.usage import usage_object
from switchgear.wire.dialect import Head
from switchgear.wire.neutral.events import (
    AudioOut,
    Choice,
    Cite,
    Event,
    Finish,
    Hosted,
    ImageOut,
    ReasoningDelta,
    Redacted,
    RefusalDelta,
    Signature,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.neutral.request import Opaque
from switchgear.wire.neutral.text_signatures import as_reasoning
from switchgear.wire.neutral.tool_ids import clean_id

_encode = msgspec.json.Encoder().encode

_NO_TOKEN = Opaque("", "signature", "")
"""Stands for reasoning that its maker does not sign, as clients drop thinking without a signature."""
_DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":%s%s}}\n\n'
)
_DELTA_KINDS = {
    "text": b'"text_delta","text":',
    "thinking": b'"thinking_delta","thinking":',
    "signature": b'"signature_delta","signature":',
    "partial_json": b'"input_json_delta","partial_json":',
}


class _Waiting(msgspec.Struct):
    """A call that began while another was open."""

    start: ToolStart
    pieces: list[str]
    ended: bool = False


class Writer:
    """See ``wire.dialect.Writer``."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._shown = shown_to(head.request)
        self._out: list[bytes] = []
        self._index = -1
        self._open = ""
        """Kind of the open block: ``text``, ``thinking``, ``tool_use``, ``whole``."""
        self._call = -1
        """Key of the open call."""
        self._signed = False
        """The open block of thinking has its signature."""
        self._text_token: Opaque | None = None
        """The signature of the open text. It goes out before the next block; after the last one nowhere, as
        clients take the last block for the answer."""
        self._waiting: deque[_Waiting | Event] = deque()
        self._waiting_calls: dict[int, _Waiting] = {}
        self._started = False
        self._has_calls = False
        self._refused = False
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._choice = 0

    def feed(self, events: list[Event]) -> bytes:
        for event in events:
            self._take(event)
        out = b"".join(self._out)
        self._out.clear()
        return out

    def closing(self) -> bytes:
        self._begin()
        self._close_all()
        finish = self._finish or Finish("stop")
        # Dialects with a part of their own for a refusal end with it as with any other text.
        reason = "content_filter" if self._refused and finish.reason == "stop" else finish.reason
        delta: dict[str, Any] = {
            "stop_reason": write_stop_reason(reason, self._has_calls),
            "stop_sequence": finish.stop_sequence or None,
        }
        if finish.reason == "content_filter" and finish.message:
            delta["stop_details"] = {"type": "refusal", "explanation": finish.message}
        usage = self._usage or Usage(input_uncached=self._head.input_tokens)
        self._event("message_delta", {"delta": delta, "usage": usage_object(usage)})
        return b"".join(self._out) + STOP_FRAME

    def error_frame(self, err: ApiError, request_id: str) -> bytes:
        return render_stream_error(err, request_id)

    def _take(self, event: Event) -> None:
        if isinstance(event, Choice):
            self._choice = event.index
        elif isinstance(event, UsageSeen):
            self._usage = event.usage
        elif self._choice or self._finish is not None:
            pass  # the dialect has one answer, and it is over
        elif isinstance(event, ToolDelta):
            self._arguments(event)
        elif isinstance(event, ToolEnd):
            self._end_call(event.key)
        elif isinstance(event, Start):
            self._begin()
        elif isinstance(event, Finish):
            self._begin()
            self._close_all()
            self._finish = event
        elif self._open != "tool_use":
            self._say(event)
        elif isinstance(event, ToolStart):
            waiting = _Waiting(event, [])
            self._waiting.append(waiting)
            self._waiting_calls[event.key] = waiting
        elif not (isinstance(event, TextDelta) and not event.text):
            self._waiting.append(event)

    def _say(self, event: Event) -> None:
        match event:
            case TextDelta() | RefusalDelta():
                self._refused |= isinstance(event, RefusalDelta)
                self._text(event.text)
            case ReasoningDelta():
                self._thinking(event.text)
            case ToolStart():
                self._start_call(event)
            case Signature():
                if event.of == "reasoning":
                    self._sign(event.opaque)
                elif self._open == "text":
                    self._text_token = as_reasoning(event.opaque)
            case Redacted():
                if self._shown.bare_tokens:
                    self._whole_block(redacted_block(self._head.seals, event.opaque))
            case Hosted():
                for block in hosted_blocks(event, self._shown):
                    self._whole_block(block)
            case Cite():
                self._cite(event)
            case ImageOut():
                self._text(image_text(event))
            case AudioOut():
                self._text(event.transcript)

    # --- blocks

    def _begin(self) -> None:
        if self._started:
            return
        self._started = True
        # The estimate stands until the end, where the true count is sent; zero would upset clients.
        usage = self._usage or Usage(input_uncached=self._head.input_tokens)
        message: dict[str, Any] = {
            "id": f"msg_{self._head.id}",
            "type": "message",
            "role": "assistant",
            "model": self._head.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**usage_object(usage), "output_tokens": 1},
        }
        self._event("message_start", {"message": message})

    def _open_block(self, kind: str, block: dict[str, Any]) -> None:
        self._begin()
        self._close()
        token, self._text_token = self._text_token, None
        if token is not None:
            self._sign(token)
        self._index += 1
        self._open = kind
        self._event("content_block_start", {"index": self._index, "content_block": block})

    def _close(self) -> None:
        if not self._open:
            return
        if self._open == "thinking" and not self._signed:
            self._delta("signature", sealed(self._head.seals, _NO_TOKEN))
        self._event("content_block_stop", {"index": self._index})
        self._open = ""
        self._call = -1

    def _close_all(self) -> None:
        """Ends the open block, and all that waits behind it."""
        for waiting in self._waiting_calls.values():
            waiting.ended = True
        self._close()
        self._release()
        self._close()

    def _whole_block(self, block: dict[str, Any]) -> None:
        self._open_block("whole", block)
        self._close()

    # --- content

    def _text(self, text: str) -> None:
        if not text:
            return
        if self._open != "text":
            self._open_block("text", {"type": "text", "text": ""})
        self._delta("text", text)

    def _thinking(self, text: str) -> None:
        if not text or not self._shown.reasoning:
            return
        if self._open != "thinking":
            self._open_thinking()
        if self._shown.reasoning_text:
            self._delta("thinking", text)

    def _open_thinking(self) -> None:
        self._open_block("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        self._signed = False

    def _sign(self, opaque: Opaque) -> None:
        """A signature ends its block; one without a text before it gets a block of its own, as the model
        wants it back, if the client knows such blocks."""
        if not self._shown.reasoning or not opaque.payload:
            return
        if self._open != "thinking":
            if not self._shown.bare_tokens:
                return
            self._open_thinking()
        self._signed = True
        self._delta("signature", sealed(self._head.seals, opaque))
        self._close()

    def _cite(self, event: Cite) -> None:
        if self._shown.searches and self._open == "text" and event.citation.url:
            delta = {"type": "citations_delta", "citation": location(event.citation)}
            self._event("content_block_delta", {"index": self._index, "delta": delta})

    def _start_call(self, event: ToolStart) -> None:
        if event.opaque is not None:
            self._sign(event.opaque)
        self._has_calls = True
        call_id = clean_id(event.id) if event.id else f"toolu_{self._head.id}_{event.key}"
        self._open_block("tool_use", {"type": "tool_use", "id": call_id, "name": event.name, "input": {}})
        self._call = event.key

    def _arguments(self, event: ToolDelta) -> None:
        if event.key == self._call:
            if event.text:
                self._delta("partial_json", event.text)
        elif event.key in self._waiting_calls:
            self._waiting_calls[event.key].pieces.append(event.text)

    def _end_call(self, key: int) -> None:
        if key == self._call:
            self._close()
            self._release()
        elif key in self._waiting_calls:
            self._waiting_calls[key].ended = True

    def _release(self) -> None:
        """Writes what waited, up to and with the first call that is still coming."""
        while self._waiting and self._open != "tool_use":
            waiting = self._waiting.popleft()
            if not isinstance(waiting, _Waiting):
                self._say(waiting)
                continue
            del self._waiting_calls[waiting.start.key]
            self._start_call(waiting.start)
            if text := "".join(waiting.pieces):
                self._delta("partial_json", text)
            if waiting.ended:
                self._close()

    # --- frames

    def _delta(self, kind: str, text: str) -> None:
        self._out.append(_DELTA % (self._index, _DELTA_KINDS[kind], _encode(text)))

    def _event(self, name: str, fields: dict[str, Any]) -> None:
        self._out.append(b"event: %s\ndata: %s\n\n" % (name.encode(), _encode({"type": name, **fields})))
