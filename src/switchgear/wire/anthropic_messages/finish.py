"""Why an answer ended: words of this dialect ⇄ words of the neutral form."""

from switchgear.wire.neutral.events import FinishReason

_READ: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "content_filter",
    "sensitive": "content_filter",
}
_WRITTEN: dict[FinishReason, str] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "pause": "pause_turn",
}


def read_stop_reason(word: str, has_calls: bool) -> FinishReason:
    """An unknown word is an ordinary end. Whether there are calls is seen: some hosts make them and say
    "end_turn", and some announce them and make none."""
    reason = _READ.get(word, "stop")
    if has_calls and reason in ("stop", "stop_sequence"):
        return "tool_calls"
    return "stop" if reason == "tool_calls" and not has_calls else reason


def write_stop_reason(reason: FinishReason, has_calls: bool) -> str:
    """Never null, which would keep clients waiting."""
    return "tool_use" if has_calls and reason in ("stop", "stop_sequence") else _WRITTEN[reason]
