"""Marks that GLM's models with eyes write around the heart of an answer, taken out of it as it streams."""

import re

from switchgear.wire.neutral.events import Event, TextDelta, UsageSeen

_TAGS = ("<|begin_of_box|>", "<|end_of_box|>")
_TAG = re.compile("|".join(map(re.escape, _TAGS)))
_STARTS = frozenset(tag[:size] for tag in _TAGS for size in range(1, len(tag)))
_LONGEST = max(map(len, _TAGS))


class BoxTags:
    """Stands between a reader and a writer. Text is held back only while it may be the start of a mark."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = ""

    def take(self, events: list[Event]) -> list[Event]:
        out: list[Event] = []
        for event in events:
            if isinstance(event, TextDelta):
                parts = _TAG.split(self._held + event.text)
                kept = _start_at_end(parts[-1])  # what stood before a mark begins no other
                text = "".join(parts)
                text, self._held = text[: len(text) - kept], text[len(text) - kept :]
                if text:
                    out.append(TextDelta(text, event.logprobs))
                continue
            if self._held and not isinstance(event, UsageSeen):
                out.append(TextDelta(self._held))
                self._held = ""
            out.append(event)
        return out


def _start_at_end(text: str) -> int:
    """How many of the last characters may be the start of a mark."""
    sizes = range(min(_LONGEST - 1, len(text)), 0, -1)
    return next((size for size in sizes if text[-size:] in _STARTS), 0)
