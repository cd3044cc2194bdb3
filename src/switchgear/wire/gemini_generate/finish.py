"""Why an answer ended: Google's words and the neutral ones."""

from switchgear.wire.faults.failed_finishes import GOOGLE_ABORTS
from switchgear.wire.neutral.events import FinishReason

_NO_IMAGE = frozenset({"IMAGE_OTHER", "NO_IMAGE"})
"""What was said beside the picture that failed is an answer."""

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


def is_failure(word: str, has_content: bool) -> bool:
    """Whether an answer that ends so is none. ``has_content``: something other than thoughts was said."""
    return word in GOOGLE_ABORTS or (word in _NO_IMAGE and not has_content)


def read_finish(word: str, has_calls: bool) -> FinishReason:
    """Google ends an answer that calls tools like any other, so the calls tell."""
    reason = _REASONS.get(word, "stop")
    return "tool_calls" if has_calls and reason == "stop" else reason


def write_finish(reason: FinishReason, refused: bool, malformed: bool) -> str:
    """``refused``: the answer was a refusal; ``malformed``: a call could not be written."""
    if reason in ("length", "pause"):
        return "MAX_TOKENS"
    if reason == "content_filter" or refused:
        return "SAFETY"
    return "MALFORMED_FUNCTION_CALL" if malformed else "STOP"
