"""``<think>`` tags: reasoning that a model writes into its text, taken apart as the text streams.

States: *start* (a tag may still come), *reasoning* (inside), *gap* (after the closing tag, before the
answer's first letter), *text*. Only a stream that begins with the tag has reasoning; a tag later on is text.
"""

from typing import Literal

Kind = Literal["reasoning", "text"]

_OPEN, _CLOSE = "<think>", "</think>"
_BLANKS_MAX = 64
"""Blanks before the tag that are waited for; beyond it a stream is plain text."""


class ThinkSplitter:
    """Push text of any size; get it in pieces of reasoning and text, none of them empty.

    The tags, blanks before the opening tag and line breaks after the closing tag belong to neither.
    """

    def __init__(self) -> None:
        self._state: Literal["start", "reasoning", "gap", "text"] = "start"
        self._held = ""

    @property
    def is_past(self) -> bool:
        """All that comes is text."""
        return self._state == "text"

    def feed(self, text: str) -> list[tuple[Kind, str]]:
        """The pieces that are certain by now; what may be part of a tag waits for more."""
        if self._state == "text":
            return [("text", text)] if text else []
        text, self._held = self._held + text, ""
        if self._state == "start":
            text = self._after_open(text)
        pieces: list[tuple[Kind, str]] = []
        if self._state == "reasoning":
            text = self._until_close(text, pieces)
        if self._state == "gap":
            text = text.lstrip("\r\n")
            if text:
                self._state = "text"
        if self._state == "text" and text:
            pieces.append(("text", text))
        return pieces

    def finish(self) -> list[tuple[Kind, str]]:
        """What was still held at the end: reasoning that was not closed is reasoning."""
        held, self._held = self._held, ""
        kind: Kind = "reasoning" if self._state == "reasoning" else "text"
        return [(kind, held)] if held else []

    def _after_open(self, text: str) -> str:
        """Decides the start if it can: the text after the tag, or all of it; ``""`` while undecided."""
        begin = text.lstrip()
        early = len(text) - len(begin) <= _BLANKS_MAX
        if early and begin.startswith(_OPEN):
            self._state = "reasoning"
            return begin[len(_OPEN) :]
        if early and _OPEN.startswith(begin):
            self._held = text
            return ""
        self._state = "text"
        return text

    def _until_close(self, text: str, pieces: list[tuple[Kind, str]]) -> str:
        """Adds the reasoning that is certain; the text after the closing tag."""
        reasoning, tag, rest = text.partition(_CLOSE)
        if tag:
            self._state = "gap"
        else:
            kept = next(size for size in range(len(_CLOSE) - 1, -1, -1) if text.endswith(_CLOSE[:size]))
            reasoning, self._held = text[: len(text) - kept], text[len(text) - kept :]
        if reasoning:
            pieces.append(("reasoning", reasoning))
        return rest
