"""Events as a client's answer in this dialect: a stream of whole responses, or one response.

A stream has no names, no comments and no end marker: SDKs of this dialect fail on each of them. With
``Head.array`` it is one JSON array instead, written as it grows.
"""

from typing import Any

import msgspec

from switchgear.kernel.errors import ApiError
from switchgear.kernel.usage import Usage
from switchgear.wire.dialect import Head
from switchgear.wire.gemini_generate.errors import error_body
from switchgear.wire.gemini_generate.logprobs import logprobs_object
from switchgear.wire.gemini_generate.to_client.framing import Framing
from switchgear.wire.gemini_generate.to_client.parts import AnswerOut, merge_parts
from switchgear.wire.gemini_generate.usage import usage_object
from switchgear.wire.gemini_generate.values import Json
from switchgear.wire.neutral.events import Choice, Event, TextDelta, UsageSeen

_encode = msgspec.json.Encoder().encode


class Writer:
    """Push events; get the bytes that go to the client now."""

    __slots__ = ("_answers", "_current", "_framing", "_front", "_head", "_tail", "_usage")

    def __init__(self, head: Head) -> None:
        self._head = head
        self._answers = {0: AnswerOut(head)}
        self._current = 0
        self._framing = Framing(head.array)
        self._usage: Usage | None = None
        self._front = _front(0)
        self._tail = b"]}}]," + _encode(_origin(head))[1:]

    def feed(self, events: list[Event]) -> bytes:
        out: list[bytes] = []
        answer = self._answers[self._current]
        for event in events:
            if isinstance(event, TextDelta) and event.logprobs is None:
                if event.text:
                    answer.say(event.text)
                    part = b'{"text":' + _encode(event.text) + b"}"
                    out.append(self._framing.frame(self._front + part + self._tail))
            elif isinstance(event, Choice):
                answer = self._choose(event.index)
            elif isinstance(event, UsageSeen):
                self._usage = event.usage
            elif isinstance(event, TextDelta):
                out.append(self._with_logprobs(event, answer))
            else:
                for made in answer.take(event):
                    out.append(self._framing.frame(self._front + _encode(made) + self._tail))
        return b"".join(out)

    def closing(self) -> bytes:
        """The chunk with the finish reasons and the usage."""
        candidates: list[Json] = []
        for index, answer in sorted(self._answers.items()):
            parts = answer.last_parts() or [{"text": ""}]
            candidates.append(_candidate(index, parts, answer.ending()))
        last = {"candidates": candidates, **_origin(self._head), **_usage(self._usage)}
        return self._framing.frame(_encode(last)) + self._framing.end()

    def error_frame(self, err: ApiError, request_id: str) -> bytes:
        return self._framing.frame(error_body(err, request_id)) + self._framing.end()

    def _choose(self, index: int) -> AnswerOut:
        self._current = index
        self._front = _front(index)
        if index not in self._answers:
            self._answers[index] = AnswerOut(self._head)
        return self._answers[index]

    def _with_logprobs(self, event: TextDelta, answer: AnswerOut) -> bytes:
        parts = answer.take(event) or [{"text": ""}]
        result = logprobs_object(event.logprobs) if event.logprobs is not None else None
        candidate = _candidate(self._current, parts, {"logprobsResult": result} if result else {})
        return self._framing.frame(_encode({"candidates": [candidate], **_origin(self._head)}))


def empty_chunk(model: str, id: str) -> bytes:
    """A frame that adds nothing to an answer."""
    origin = {"modelVersion": model, "responseId": id}
    return b"data: " + _encode({"candidates": [_candidate(0, [{"text": ""}], {})], **origin}) + b"\n\n"


def write_reply(events: list[Event], head: Head) -> bytes:
    """One response from all events of an answer."""
    answers: dict[int, tuple[AnswerOut, list[Json], list[Json]]] = {}
    usage: Usage | None = None
    index = 0
    for event in events:
        if isinstance(event, Choice):
            index = event.index
            continue
        if isinstance(event, UsageSeen):
            usage = event.usage
            continue
        if index not in answers:
            answers[index] = (AnswerOut(head), [], [])
        answer, parts, tokens = answers[index]
        parts += answer.take(event)
        if isinstance(event, TextDelta) and event.logprobs is not None:
            tokens += [result] if (result := logprobs_object(event.logprobs)) else []
    candidates = []
    for index, (answer, parts, tokens) in sorted(answers.items()):
        parts = merge_parts(parts + answer.last_parts()) or [{"text": ""}]
        candidates.append(_candidate(index, parts, {**answer.ending(), **_joined(tokens)}))
    return _encode({"candidates": candidates, **_usage(usage), **_origin(head)})


def _front(index: int) -> bytes:
    return b'{"candidates":[{"index":%d,"content":{"role":"model","parts":[' % index


def _candidate(index: int, parts: list[Json], more: Json) -> Json:
    return {"index": index, "content": {"role": "model", "parts": parts}, **more}


def _origin(head: Head) -> Json:
    return {"modelVersion": head.model, "responseId": head.id}


def _usage(usage: Usage | None) -> Json:
    return {} if usage is None else {"usageMetadata": usage_object(usage)}


def _joined(tokens: list[Json]) -> Json:
    if not tokens:
        return {}
    result: dict[str, list[Any]] = {"topCandidates": [], "chosenCandidates": []}
    for token in tokens:
        for key, candidates in result.items():
            candidates += token[key]
    return {"logprobsResult": result}
