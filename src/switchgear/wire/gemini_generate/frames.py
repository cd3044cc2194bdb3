"""What is read of a response, whether of a stream or whole: a typed decode, and a patient one for odd
shapes."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import CHOICES_MAX
from switchgear.wire.faults.upstream_error import UpstreamError, broken, upstream_error_of
from switchgear.wire.framing.splice import NULL, any_of, repair_surrogates

ABSENT = Raw(b"")


class InlineData(msgspec.Struct, gc=False, rename="camel"):
    mime_type: str = ""
    data: str = ""


class FunctionCall(msgspec.Struct, gc=False):
    name: str = ""
    id: str | None = None
    args: Raw = ABSENT


class Part(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: InlineData | None = None
    executable_code: Raw = ABSENT
    code_execution_result: Raw = ABSENT


class Content(msgspec.Struct, gc=False):
    parts: list[Part] | None = None


class Candidate(msgspec.Struct, gc=False, rename="camel"):
    index: int = 0
    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    grounding_metadata: Raw = ABSENT
    citation_metadata: Raw = ABSENT
    logprobs_result: Raw = ABSENT


class Chunk(msgspec.Struct, gc=False, rename="camel"):
    candidates: list[Candidate] | None = None
    usage_metadata: Raw = ABSENT
    prompt_feedback: Raw = ABSENT
    model_version: str | None = None
    response_id: str | None = None
    error: Raw = ABSENT


_decode_chunk = msgspec.json.Decoder(Chunk).decode
_decode_raws = msgspec.json.Decoder(list[Raw]).decode
_encode = msgspec.json.Encoder().encode


def read_chunk(data: bytes | Raw) -> Chunk | None:
    """None for what is no JSON object. What has a wrong type inside is left out. Never raises."""
    try:
        return _decode_chunk(data)
    except (ValueError, RecursionError):
        found = any_of(repair_surrogates(bytes(data)))
    return _chunk_of(found) if isinstance(found, dict) else None


def elements(body: bytes) -> list[Raw]:
    """The chunks of a stream that came as one array."""
    try:
        return _decode_raws(body)
    except (ValueError, RecursionError):
        return []


def is_response(chunk: Chunk) -> bool:
    """Whether anything in it is what a response has."""
    return bool(
        chunk.candidates
        or is_given(chunk.usage_metadata)
        or is_given(chunk.prompt_feedback)
        or chunk.response_id
        or chunk.model_version
    )


def error_of(data: bytes) -> UpstreamError:
    """What is wrong with an answer that is no response: the error that it holds, or that it is none."""
    found = any_of(data)
    inner = found[0] if isinstance(found, list) and found else found
    if isinstance(inner, dict) and (inner.get("error") or inner.get("message")):
        return upstream_error_of(200, found)
    return broken("the answer is not JSON" if found is None else "the answer is no response")


def is_document(data: bytes) -> bool:
    """Whether something that is no event looks like JSON or a web page of its own."""
    return data.lstrip()[:1] in (b"{", b"[", b"<")


def is_given(raw: Raw) -> bool:
    return raw is not ABSENT and raw != NULL


def block_reason(chunk: Chunk) -> str:
    """Why the prompt was refused; empty when it was not."""
    if not is_given(chunk.prompt_feedback) or chunk.candidates:
        return ""
    feedback = any_of(chunk.prompt_feedback)
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    return reason if isinstance(reason, str) and reason != "BLOCK_REASON_UNSPECIFIED" else ""


def written(part: Part) -> str:
    """The text of a part that the model wrote, calls included."""
    call = part.function_call
    if call is None:
        return part.text or ""
    args = bytes(call.args).decode("utf-8", "replace") if is_given(call.args) else ""
    return call.name + args


def shows_image(part: Part) -> bool:
    """A picture that is made for the answer: drafts of one, which come as thoughts, are free."""
    data = part.inline_data
    return data is not None and data.mime_type.startswith("image/") and not part.thought


def says_something(part: Part) -> bool:
    return bool(
        part.text
        or part.function_call is not None
        or part.inline_data is not None
        or is_given(part.executable_code)
        or is_given(part.code_execution_result)
    )


def _chunk_of(found: dict[str, Any]) -> Chunk:
    candidates = found.get("candidates")
    return Chunk(
        [_candidate_of(item) for item in candidates if isinstance(item, dict)]
        if isinstance(candidates, list)
        else None,
        _raw(found.get("usageMetadata")),
        _raw(found.get("promptFeedback")),
        _text(found.get("modelVersion")),
        _text(found.get("responseId")),
        _raw(found.get("error")),
    )


def _candidate_of(found: dict[str, Any]) -> Candidate:
    index, content = found.get("index"), found.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    return Candidate(
        int(index) if isinstance(index, int | float) and abs(index) < CHOICES_MAX else 0,
        Content([_part_of(part) for part in parts if isinstance(part, dict)])
        if isinstance(parts, list)
        else None,
        _text(found.get("finishReason")),
        _text(found.get("finishMessage")),
        _raw(found.get("groundingMetadata")),
        _raw(found.get("citationMetadata")),
        _raw(found.get("logprobsResult")),
    )


def _part_of(found: dict[str, Any]) -> Part:
    call, data = found.get("functionCall"), found.get("inlineData")
    return Part(
        _text(found.get("text")),
        found.get("thought") is True,
        _text(found.get("thoughtSignature")),
        FunctionCall(_text(call.get("name")) or "", _text(call.get("id")), _raw(call.get("args")))
        if isinstance(call, dict)
        else None,
        InlineData(_text(data.get("mimeType")) or "", _text(data.get("data")) or "")
        if isinstance(data, dict)
        else None,
        _raw(found.get("executableCode")),
        _raw(found.get("codeExecutionResult")),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _raw(value: Any) -> Raw:
    return ABSENT if value is None else Raw(_encode(value))
