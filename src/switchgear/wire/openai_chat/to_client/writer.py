"""Events as an answer to a client of this dialect, streamed or whole, chat or plain completion."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import ApiError
from switchgear.kernel.usage import Usage
from switchgear.wire.dialect import Head
from switchgear.wire.framing.data_urls import build_data_url
from switchgear.wire.neutral.events import (
    AudioOut,
    Choice,
    Cite,
    End,
    Event,
    Finish,
    FinishReason,
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
from switchgear.wire.neutral.free_text_tools import unwrapped
from switchgear.wire.neutral.maker import ANTHROPIC, GOOGLE
from switchgear.wire.neutral.request import Citation, CustomTool, Opaque, Seals
from switchgear.wire.openai_chat.errors import render_stream_error
from switchgear.wire.openai_chat.from_client.turns import CLAUDE_FORMAT
from switchgear.wire.openai_chat.to_client.speech import Speech

END_MARKER = b"data: [DONE]\n\n"
SEALED_FORMAT = "switchgear-v1"
"""Of ``reasoning_details`` whose signature is one of our envelopes."""
REASONS: dict[FinishReason, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "pause": "length",
}

_SILENT = frozenset((Start, End))
_encode = msgspec.json.Encoder().encode


class ChatWriter:
    """See ``wire.dialect.Writer``. Opens each answer with a role, lazily."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._deltas = Deltas(head)
        usage = b',"usage":null' if head.include_usage else b""
        model, id = _encode(head.model), _encode(f"chatcmpl-{head.id}")
        self._front = (
            b'data: {"id":' + id + b',"object":"chat.completion.chunk","created":%d,"model":' % head.created_s
        )
        self._front += model + usage + b',"choices":[{"index":'
        self._closing: list[bytes] = []
        self._opened: set[int] = set()
        self._choice = 0
        self._usage: Usage | None = None

    def feed(self, events: list[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            match event:
                case TextDelta() if event.logprobs is None:
                    self._open(out)
                    out.append(self._chunk(b'{"content":' + _encode(event.text) + b"}"))
                case Start():
                    self._open(out)
                case Choice():
                    self._choice = event.index
                case UsageSeen():
                    self._usage = event.usage
                case Finish():
                    reason = self._deltas.reason(self._choice, event)
                    self._open(self._closing)
                    self._closing.append(self._chunk(b"{}", reason))
                case _:
                    delta = self._deltas.of(event, self._choice)
                    if delta is not None:
                        self._open(out)
                        logprobs = event.logprobs if isinstance(event, TextDelta) else None
                        out.append(self._chunk(_encode(delta), logprobs=logprobs))
        return b"".join(out)

    def closing(self) -> bytes:
        closing = b"".join(self._closing)
        if self._head.include_usage and self._usage is not None:
            closing += self._usage_chunk(self._usage)
        return closing + END_MARKER

    def error_frame(self, err: ApiError, request_id: str) -> bytes:
        return render_stream_error(err, request_id)

    def _open(self, out: list[bytes]) -> None:
        if self._choice not in self._opened:
            self._opened.add(self._choice)
            out.append(self._chunk(b'{"role":"assistant","content":"","refusal":null}'))

    def _chunk(self, delta: bytes, reason: str | None = None, logprobs: Raw | None = None) -> bytes:
        finish = b"null" if reason is None else _encode(reason)
        tokens = b"null" if logprobs is None else b'{"content":' + bytes(logprobs) + b',"refusal":null}'
        return (
            self._front
            + b'%d,"delta":' % self._choice
            + delta
            + b',"logprobs":'
            + tokens
            + b',"finish_reason":'
            + finish
            + b"}]}\n\n"
        )

    def _usage_chunk(self, usage: Usage) -> bytes:
        chunk = {
            "id": f"chatcmpl-{self._head.id}",
            "object": "chat.completion.chunk",
            "created": self._head.created_s,
            "model": self._head.model,
            "choices": [],
            "usage": usage_object(usage),
        }
        return b"data: " + _encode(chunk) + b"\n\n"


class Deltas:
    """What an event adds to the message of its answer, in the shape of a streamed delta."""

    def __init__(self, head: Head) -> None:
        self._seals = head.seals
        self._legacy = "functions" in head.fields
        thinking = head.request.thinking
        self._hides = thinking is not None and thinking.show is False
        self._counts: dict[tuple[int, str], int] = {}
        """(answer, key of a list) → entries so far: SDKs put lists together by an index in each."""
        self._custom_tools = frozenset(
            tool.name for tool in head.request.tools if isinstance(tool, CustomTool)
        )
        self._id = head.id
        self._head = head
        self._speech: dict[int, Speech] = {}
        self._customs: set[tuple[int, int]] = set()
        """(answer, key of the call)."""
        self._wrapped: dict[tuple[int, int], list[str]] = {}
        """Arguments so far of calls that were functions to the upstream and take free text for the client."""

    def of(self, event: Event, choice: int) -> dict[str, Any] | None:
        """None: nothing that this dialect shows."""
        if type(event) in _SILENT:
            return None
        match event:
            case TextDelta():
                return {"content": event.text}
            case ReasoningDelta() | Redacted() if self._hides:
                return None
            case Signature() if self._hides and event.of == "reasoning":
                # Without its text it would be refused when it comes back.
                return None
            case ReasoningDelta():
                return {"reasoning_content": event.text}
            case Signature() if event.of == "reasoning":
                return self._detail(event.opaque, choice)
            case Signature():
                return {"extra_content": _google(event.opaque, self._seals)}
            case Redacted():
                return self._detail(event.opaque, choice)
            case RefusalDelta():
                return {"refusal": event.text}
            case ToolStart():
                return self._call(event, choice)
            case ToolDelta() if (choice, event.key) in self._wrapped:
                self._wrapped[choice, event.key].append(event.text)
                return None
            case ToolDelta():
                return self._arguments(event, choice)
            case ToolEnd() if (choice, event.key) in self._wrapped:
                text = unwrapped("".join(self._wrapped.pop((choice, event.key))))
                return self._arguments(ToolDelta(event.key, text), choice)
            case Cite():
                return self._entry("annotations", annotation(event.citation), choice)
            case ImageOut():
                url = build_data_url(event.media_type, event.data)
                return self._entry("images", {"type": "image_url", "image_url": {"url": url}}, choice)
            case AudioOut():
                return {"audio": self._speech_of(choice).of(event)}
        return None

    def reason(self, choice: int, finish: Finish) -> str:
        reason = REASONS[finish.reason]
        return "function_call" if reason == "tool_calls" and self._legacy else reason

    def _speech_of(self, choice: int) -> Speech:
        if choice not in self._speech:
            self._speech[choice] = Speech(self._head, choice)
        return self._speech[choice]

    def _call(self, event: ToolStart, choice: int) -> dict[str, Any] | None:
        if self._legacy:
            # The older form has room for one call.
            return {"function_call": {"name": event.name, "arguments": ""}} if not event.key else None
        call: dict[str, Any] = {"index": event.key, "id": event.id or f"call_{self._id}_{event.key}"}
        if event.kind == "custom" or event.name in self._custom_tools:
            if event.kind == "function":
                self._wrapped[choice, event.key] = []
            call |= {"type": "custom", "custom": {"name": event.name, "input": ""}}
            self._customs.add((choice, event.key))
        else:
            call |= {"type": "function", "function": {"name": event.name, "arguments": ""}}
        if event.opaque is not None:
            call["extra_content"] = _google(event.opaque, self._seals)
        return {"tool_calls": [call]}

    def _arguments(self, event: ToolDelta, choice: int) -> dict[str, Any] | None:
        if self._legacy:
            return {"function_call": {"arguments": event.text}} if not event.key else None
        if (choice, event.key) in self._customs:
            return {"tool_calls": [{"index": event.key, "custom": {"input": event.text}}]}
        return {"tool_calls": [{"index": event.key, "function": {"arguments": event.text}}]}

    def _detail(self, opaque: Opaque, choice: int) -> dict[str, Any]:
        return self._entry("reasoning_details", reasoning_detail(opaque, self._seals), choice)

    def _entry(self, key: str, entry: dict[str, Any], choice: int) -> dict[str, Any]:
        """The next entry of a list of the message."""
        index = self._counts.get((choice, key), 0)
        self._counts[choice, key] = index + 1
        return {key: [{"type": entry["type"], "index": index, **entry}]}


def reasoning_detail(opaque: Opaque, seals: Seals) -> dict[str, Any]:
    """A token of reasoning for a client: Anthropic's as its own clients know it, others' sealed."""
    own = opaque.origin == ANTHROPIC and opaque.kind != "encrypted"
    payload = opaque.payload if own else seals.seal(opaque)
    format = CLAUDE_FORMAT if own else SEALED_FORMAT
    if opaque.kind == "signature":
        return {"type": "reasoning.text", "format": format, "signature": payload}
    return {"type": "reasoning.encrypted", "format": format, "data": payload}


def _google(opaque: Opaque, seals: Seals) -> dict[str, Any]:
    payload = opaque.payload if opaque.origin == GOOGLE else seals.seal(opaque)
    return {"google": {"thought_signature": payload}}


def annotation(citation: Citation) -> dict[str, Any]:
    """A source as ``message.annotations`` has it."""
    cited = {
        "start_index": max(citation.start, 0),
        "end_index": max(citation.end, 0),
        "title": citation.title,
        "url": citation.url,
    }
    return {"type": "url_citation", "url_citation": cited}


def usage_object(usage: Usage) -> dict[str, Any]:
    """Usage with the totals that contain their details."""
    inputs: dict[str, int] = {"cached_tokens": usage.cache_read, "audio_tokens": usage.audio_in}
    if written := usage.cache_write_5m + usage.cache_write_1h:
        inputs["cache_write_tokens"] = written
    return {
        "prompt_tokens": usage.input_total,
        "completion_tokens": usage.output_total,
        "total_tokens": usage.tokens_total,
        "prompt_tokens_details": inputs,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_out,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
