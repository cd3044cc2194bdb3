"""Why an answer ended: Google's words and the neutral ones."""

from switchgear.wire.events import FinishReason

FAILED = frozenset(
    {
        "OTHER",
        "LANGUAGE",
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
        "IMAGE_OTHER",
        "NO_IMAGE",
    }
)
"""With nothing said before, these are no answer but a failure."""

_REASONS: dict[str, FinishReason] = {
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
}
_UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"


def is_finish(word: str | None) -> bool:
    return bool(word) and word != _UNSPECIFIED


def read_finish(word: str, has_calls: bool) -> FinishReason:
    """Google ends an answer that calls tools like any other, so the calls tell."""
    reason = _REASONS.get(word, "stop")
    return "tool_calls" if has_calls and reason == "stop" else reason


def write_finish(reason: FinishReason, refused: bool, malformed: bool) -> str:
    """``refused``: the answer was a refusal; ``malformed``: a call could not be written."""
    if reason == "length":
        return "MAX_TOKENS"
    if reason == "content_filter" or refused:
        return "SAFETY"
    return "MALFORMED_FUNCTION_CALL" if malformed else "STOP"
