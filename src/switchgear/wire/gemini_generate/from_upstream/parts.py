"""One candidate of an upstream's answer, part by part, as events."""

import hashlib
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.wire.framing.splice import any_of
from switchgear.wire.gemini_generate.frames import ABSENT, Candidate, FunctionCall, Part, is_given
from switchgear.wire.gemini_generate.grounding import citations_of, queries_of, recited, sources_of
from switchgear.wire.gemini_generate.logprobs import read_logprobs
from switchgear.wire.gemini_generate.values import text
from switchgear.wire.neutral.events import (
    AudioOut,
    Cite,
    Event,
    Hosted,
    ImageOut,
    ReasoningDelta,
    Signature,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
)
from switchgear.wire.neutral.request import Opaque

_ID_CHARS = 24
_NO_ARGUMENTS = Raw(b"{}")
_encode = msgspec.json.Encoder().encode


class Answer:
    """What has to be remembered of a candidate until its end."""

    __slots__ = (
        "_calls",
        "_code",
        "_recited",
        "_response_id",
        "_said_bytes",
        "_starts",
        "_texts",
        "_whole",
        "finish",
        "finish_message",
        "grounding",
        "has_content",
        "images",
    )

    def __init__(self, response_id: str, whole: bool) -> None:
        """``whole``: it comes in one piece, so places within a part can be told."""
        self._response_id = response_id
        self._whole = whole
        self._calls = 0
        self._code: Raw | None = None
        self._recited = ABSENT
        self._texts: list[str] = []
        self._said_bytes = 0
        self._starts: list[int] = []
        self.finish = ""
        """The last finish reason that came, as Google spells it."""
        self.finish_message = ""
        self.grounding = ABSENT
        self.has_content = False
        """Something other than thoughts."""
        self.images = 0

    @property
    def has_calls(self) -> bool:
        return self._calls > 0

    def take(self, candidate: Candidate, events: list[Event]) -> None:
        """The events of its next piece are appended."""
        if is_given(candidate.grounding_metadata):
            self.grounding = candidate.grounding_metadata
        if is_given(candidate.citation_metadata):
            self._recited = candidate.citation_metadata
        before = len(events)
        for part in (candidate.content.parts if candidate.content is not None else None) or ():
            self._take_part(part, events)
        if is_given(candidate.logprobs_result):
            _attach(events, before, read_logprobs(candidate.logprobs_result))

    def close(self, events: list[Event]) -> None:
        """What is only known at the end: code that showed no result, and sources."""
        self._end_code(events, ABSENT)
        citations = recited(self._recited)
        if is_given(self.grounding):
            found = any_of(self.grounding)
            citations = citations_of(found, "".join(self._texts), self._starts) + citations
            sources = tuple(source for source in sources_of(found) if source.url)
            queries = queries_of(found)
            events += [Cite(citation) for citation in citations]
            if queries or sources:
                events.append(
                    Hosted("gemini_generate", "web_search", self.grounding, queries=queries, sources=sources)
                )
        else:
            events += [Cite(citation) for citation in citations]

    def _take_part(self, part: Part, events: list[Event]) -> None:
        if self._whole:
            self._starts.append(self._said_bytes)
        if part.function_call is not None:
            self._take_call(part.function_call, part.thought_signature, events)
        elif part.inline_data is not None:
            self._end_code(events, ABSENT)
            if not part.thought:  # a draft, which is neither the answer nor paid for
                self._take_data(part.inline_data.mime_type, part.inline_data.data, events)
        elif is_given(part.executable_code):
            self._end_code(events, ABSENT)
            self._code = part.executable_code
            self.has_content = True
        elif is_given(part.code_execution_result):
            self._end_code(events, part.code_execution_result)
        else:
            self._take_text(part, events)

    def _take_text(self, part: Part, events: list[Event]) -> None:
        if part.text:
            self._end_code(events, ABSENT)
            if part.thought:
                events.append(ReasoningDelta(part.text))
            else:
                self.has_content = True
                self._texts.append(part.text)
                if self._whole:
                    self._said_bytes += len(part.text.encode("utf-8", "replace"))
                events.append(TextDelta(part.text))
        if part.thought_signature:
            # A part that holds nothing else signs what was said before it.
            of_reasoning = part.thought if part.text else not self._texts
            opaque = Opaque("", "signature", part.thought_signature)
            events.append(Signature(opaque, "reasoning" if of_reasoning else "text"))

    def _take_call(self, call: FunctionCall, signature: str | None, events: list[Event]) -> None:
        self._end_code(events, ABSENT)
        self.has_content = True
        key = self._calls
        self._calls += 1
        args = _object(call.args) if is_given(call.args) else _NO_ARGUMENTS
        opaque = Opaque("", "signature", signature) if signature else None
        events.append(
            ToolStart(key, call.id or self._make_id(key, call.name, args), call.name, opaque=opaque)
        )
        events.append(ToolDelta(key, bytes(args).decode("utf-8", "replace")))
        events.append(ToolEnd(key))

    def _make_id(self, key: int, name: str, args: Raw) -> str:
        """Google may leave ids out; ours are made of what the call is and in which answer it stands."""
        seed = f"{self._response_id}\n{key}\n{name}\n".encode() + bytes(args)
        return "call_" + hashlib.sha256(seed).hexdigest()[:_ID_CHARS]

    def _take_data(self, media_type: str, data: str, events: list[Event]) -> None:
        if not data:
            return
        self.has_content = True
        if media_type.startswith("audio/"):
            events.append(AudioOut(data, media_type=media_type))
        else:
            self.images += 1
            events.append(ImageOut(data, media_type))

    def _end_code(self, events: list[Event], result: Raw) -> None:
        """Code and its result are two parts and one step."""
        code, self._code = self._code, None
        if code is None and result is ABSENT:
            return
        self.has_content = True
        raws = [
            {key: raw}
            for key, raw in (("executableCode", code), ("codeExecutionResult", result))
            if raw is not None and is_given(raw)
        ]
        events.append(
            Hosted(
                "gemini_generate",
                "code_execution",
                Raw(_encode(raws)),
                code=_text_in(code, "code"),
                output=_text_in(result, "output"),
                is_free=True,
            )
        )


def _object(args: Raw) -> Raw:
    """Arguments as the object that they have to be: some hosts write it as text, an empty one as a list."""
    first = bytes(args)[:1]
    if first == b'"' and isinstance(said := any_of(args), str):
        spelt = Raw(said.encode("utf-8", "replace"))
        return spelt if isinstance(any_of(spelt), dict) else args
    return _NO_ARGUMENTS if first == b"[" and not any_of(args) else args


def _text_in(raw: Raw | None, key: str) -> str:
    found: Any = any_of(raw) if raw is not None and is_given(raw) else None
    return text(found.get(key)) if isinstance(found, dict) else ""


def _attach(events: list[Event], before: int, logprobs: Raw | None) -> None:
    """Tokens go with the last text of their chunk."""
    last = next((event for event in reversed(events[before:]) if isinstance(event, TextDelta)), None)
    if last is not None:
        last.logprobs = logprobs
