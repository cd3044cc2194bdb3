"""Events of one answer as parts of a candidate."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.wire.dialect import Head
from switchgear.wire.framing.splice import BadJson, read_object
from switchgear.wire.gemini_generate.finish import write_finish
from switchgear.wire.gemini_generate.grounding import grounding_object
from switchgear.wire.gemini_generate.signatures import write_signature
from switchgear.wire.gemini_generate.values import Json
from switchgear.wire.neutral.events import (
    AudioOut,
    Cite,
    Event,
    Finish,
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
)
from switchgear.wire.neutral.request import Citation, Opaque


class _Call(msgspec.Struct):
    start: ToolStart
    pieces: list[str]


class AnswerOut:
    """Push the events of one answer; get the parts that they make."""

    __slots__ = (
        "_calls",
        "_citations",
        "_finish",
        "_id",
        "_malformed",
        "_pending",
        "_queries",
        "_refused",
        "_seals",
        "_shows",
        "_sources",
        "_texts",
    )

    def __init__(self, head: Head) -> None:
        thinking = head.request.thinking
        self._shows = thinking is not None and thinking.show is True
        self._id = head.id
        self._seals = head.seals
        self._calls: dict[int, _Call] = {}
        self._texts: list[str] = []
        self._citations: list[Citation] = []
        self._sources: list[Citation] = []
        self._queries: list[str] = []
        self._pending: Opaque | None = None
        self._refused = False
        self._malformed = ""
        self._finish: Finish | None = None

    def say(self, text: str) -> None:
        """A piece of plain text goes out; places of citations count from the first."""
        self._texts.append(text)

    def take(self, event: Event) -> list[Json]:
        """Parts to send now; text that is no part of the answer proper has to be asked for by the client."""
        match event:
            case TextDelta() if event.text:
                self.say(event.text)
                return [{"text": event.text}]
            case ReasoningDelta() if event.text and self._shows:
                return [{"text": event.text, "thought": True}]
            case ToolStart():
                self._calls[event.key] = _Call(event, [])
            case ToolDelta():
                if (call := self._calls.get(event.key)) is not None:
                    call.pieces.append(event.text)
            case ToolEnd():
                return self._end_call(event.key)
            case Signature() | Redacted():
                return self._sign(event)
            case RefusalDelta() if event.text:
                self._refused = True
                self.say(event.text)
                return [{"text": event.text}]
            case ImageOut():
                return [_data(event.media_type or "image/png", event.data)]
            case AudioOut():
                return self._audio(event)
            case Hosted():
                return self._hosted(event)
            case Cite():
                self._citations.append(event.citation)
            case Finish():
                self._finish = event
                return [part for key in list(self._calls) for part in self._end_call(key)]
        return []

    def last_parts(self) -> list[Json]:
        """The signature that no call took."""
        opaque, self._pending = self._pending, None
        return [] if opaque is None else self._signed({"text": ""}, opaque)

    def ending(self) -> Json:
        """Fields of the candidate beside its content, at its end."""
        finish = self._finish or Finish("stop")
        found: Json = {"finishReason": write_finish(finish.reason, self._refused, bool(self._malformed))}
        message = finish.message or self._malformed
        if message:
            found["finishMessage"] = message
        if self._citations or self._sources or self._queries:
            said = "".join(self._texts)
            if grounding := grounding_object(said, self._citations + self._sources, self._queries):
                found["groundingMetadata"] = grounding
        return found

    def _sign(self, event: Signature | Redacted) -> list[Json]:
        if isinstance(event, Signature) and event.of == "text":
            return self._signed({"text": ""}, event.opaque)
        parts = self.last_parts()
        self._pending = event.opaque
        return parts

    def _signed(self, part: Json, opaque: Opaque) -> list[Json]:
        """The part with its signature; an empty one that can't be signed is left out."""
        signature = write_signature(opaque, self._seals)
        if signature:
            part["thoughtSignature"] = signature
        return [part] if signature or "functionCall" in part else []

    def _end_call(self, key: int) -> list[Json]:
        call = self._calls.pop(key, None)
        if call is None:
            return []
        start = call.start
        args = _arguments("".join(call.pieces), start.kind == "custom")
        if args is None:
            self._malformed = f"The arguments of a call of {start.name} are no JSON object."
            return []
        call_id = start.id or f"call_{self._id}_{key}"
        part: Json = {"functionCall": {"id": call_id, "name": start.name, "args": args}}
        opaque = start.opaque
        if opaque is None:
            opaque, self._pending = self._pending, None
        return [part] if opaque is None else self._signed(part, opaque)

    def _audio(self, event: AudioOut) -> list[Json]:
        if event.data:
            return [_data(event.media_type or "audio/L16;codec=pcm;rate=24000", event.data)]
        if event.transcript:
            self.say(event.transcript)
            return [{"text": event.transcript}]
        return []

    def _hosted(self, event: Hosted) -> list[Json]:
        self._queries += event.queries
        self._sources += event.sources
        if not event.code:
            return []
        return [
            {"executableCode": {"language": "PYTHON", "code": event.code}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": event.output}},
        ]


def merge_parts(parts: list[Json]) -> list[Json]:
    """The parts of a whole answer: neighbouring texts of one kind as one, never across a signature."""
    merged: list[Json] = []
    for part in parts:
        last = merged[-1] if merged else None
        if (
            last is None
            or "text" not in part
            or "text" not in last
            or "thoughtSignature" in last
            or ("thought" in part) != ("thought" in last)
        ):
            merged.append(dict(part))
            continue
        last["text"] += part["text"]
        if "thoughtSignature" in part:
            last["thoughtSignature"] = part["thoughtSignature"]
    return merged


def _arguments(written: str, is_custom: bool) -> Any:
    """A call's arguments as an object; None when they are none."""
    if is_custom:
        return {"input": written}
    data = written.strip().encode("utf-8", "replace")
    if not data or data == b"null":
        return {}
    try:
        read_object(data)
    except BadJson:
        return None
    # Line ends between tokens would end the line of an event.
    return Raw(data.replace(b"\n", b" ").replace(b"\r", b" "))


def _data(media_type: str, data: str) -> Json:
    return {"inlineData": {"mimeType": media_type, "data": data}}
