"""The frame that streams are made of: a piece of text or reasoning and nothing else, at a third of the cost.

Whatever says anything more is not plain, and is read with patience.
"""

from typing import Literal

import msgspec
from msgspec import Raw


class PlainDelta(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    content: str | None = None
    reasoning_content: str | None = None
    role: str | None = None
    refusal: None = None
    function_call: None = None
    tool_calls: None = None


class PlainChoice(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    delta: PlainDelta
    index: int = 0
    finish_reason: Literal[""] | None = None
    logprobs: None = None
    stop_reason: None = None
    matched_stop: None = None
    native_finish_reason: None = None
    content_filter_results: Raw = Raw(b"")


class _PlainFrame(msgspec.Struct, gc=False):
    choices: list[PlainChoice]
    usage: None = None
    error: None = None


_decode = msgspec.json.Decoder(_PlainFrame).decode


def plain_choice(data: bytes) -> PlainChoice | None:
    """The only choice of a plain frame; None for any other frame, and for what is none."""
    try:
        choices = _decode(data).choices
    except (ValueError, RecursionError):
        return None
    return choices[0] if len(choices) == 1 else None
