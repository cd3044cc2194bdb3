"""Events as an answer to a plain completion, streamed or whole."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import ApiError
from switchgear.kernel.usage import Usage
from switchgear.wire.dialect import Head
from switchgear.wire.neutral.events import Choice, Event, Finish, RefusalDelta, TextDelta, UsageSeen
from switchgear.wire.openai_chat.errors import render_stream_error
from switchgear.wire.openai_chat.to_client.writer import END_MARKER, REASONS, usage_object

_encode = msgspec.json.Encoder().encode
_TOKEN_KEYS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


class CompletionWriter:
    """See ``wire.dialect.Writer``. Only text is shown; reasoning and calls have no place in this form."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._choice = 0
        self._closing: list[bytes] = []
        self._usage: Usage | None = None
        self._tokens: dict[int, _Tokens] = {}

    def feed(self, events: list[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if isinstance(event, TextDelta | RefusalDelta):
                tokens = self._tokens.setdefault(self._choice, _Tokens()).take(event)
                out.append(self._frame([_choice(self._choice, event.text, None, tokens)]))
            elif isinstance(event, Choice):
                self._choice = event.index
            elif isinstance(event, UsageSeen):
                self._usage = event.usage
            elif isinstance(event, Finish):
                self._closing.append(self._frame([_choice(self._choice, "", _reason(event))]))
        return b"".join(out)

    def closing(self) -> bytes:
        closing = b"".join(self._closing)
        if self._head.include_usage and self._usage is not None:
            closing += self._frame([], usage_object(self._usage))
        return closing + END_MARKER

    def error_frame(self, err: ApiError, request_id: str) -> bytes:
        return render_stream_error(err, request_id)

    def _frame(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        chunk = _envelope(self._head) | {"choices": choices}
        if self._head.include_usage:
            chunk["usage"] = usage
        return b"data: " + _encode(chunk) + b"\n\n"


def write_completion(events: list[Event], head: Head) -> bytes:
    """The body of a whole reply."""
    texts: dict[int, list[str]] = {0: []}
    tokens: dict[int, _Tokens] = {}
    logprobs: dict[int, dict[str, list[Any]]] = {}
    reasons: dict[int, str] = {}
    usage: Usage | None = None
    index = 0
    for event in events:
        if isinstance(event, TextDelta | RefusalDelta):
            texts[index].append(event.text)
            for key, values in (tokens.setdefault(index, _Tokens()).take(event) or {}).items():
                logprobs.setdefault(index, {}).setdefault(key, []).extend(values)
        elif isinstance(event, Choice):
            index = event.index
            texts.setdefault(index, [])
        elif isinstance(event, UsageSeen):
            usage = event.usage
        elif isinstance(event, Finish):
            reasons[index] = _reason(event)
    choices = [
        _choice(at, "".join(texts[at]), reasons.get(at, "stop"), logprobs.get(at)) for at in sorted(texts)
    ]
    reply = _envelope(head) | {"choices": choices}
    if usage is not None:
        reply["usage"] = usage_object(usage)
    return _encode(reply)


def _envelope(head: Head) -> dict[str, Any]:
    return {
        "id": f"cmpl-{head.id}",
        "object": "text_completion",
        "created": head.created_s,
        "model": head.model,
    }


def _choice(index: int, text: str, reason: str | None, logprobs: Any = None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": reason}


class _Tokens:
    """The log probabilities of one answer, in the older form: lists side by side."""

    def __init__(self) -> None:
        self._offset = 0

    def take(self, event: TextDelta | RefusalDelta) -> dict[str, list[Any]] | None:
        """Those of a piece of text; None where it has none."""
        raw = event.logprobs if isinstance(event, TextDelta) else None
        if raw is None:
            self._offset += len(event.text)
            return None
        found: dict[str, list[Any]] = {key: [] for key in _TOKEN_KEYS}
        for token in _decode_tokens(raw):
            found["tokens"].append(token.token)
            found["token_logprobs"].append(token.logprob)
            found["top_logprobs"].append({top.token: top.logprob for top in token.top_logprobs} or None)
            found["text_offset"].append(self._offset)
            self._offset += len(token.token)
        return found


def _decode_tokens(raw: Raw) -> list["_Token"]:
    """None of them where an upstream writes them in a way of its own."""
    try:
        return msgspec.json.decode(raw, type=list[_Token])
    except ValueError:
        return []


class _Token(msgspec.Struct, gc=False):
    token: str
    logprob: float
    top_logprobs: list["_Token"] = []


def _reason(event: Finish) -> str:
    reason = REASONS[event.reason]
    return "stop" if reason == "tool_calls" else reason
