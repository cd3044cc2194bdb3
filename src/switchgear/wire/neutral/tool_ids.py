"""Ids of tool calls and names of tools, in letters that every dialect takes.

Deterministic, as a client sends its history again with each turn: the same original gives the same id, and
different ones give different ids.
"""

import hashlib
import re
from collections.abc import Iterable

from switchgear.kernel.limits import TOOL_ID_CHARS_MAX
from switchgear.wire.neutral.request import HostedTool, Tool

_ID = re.compile(r"[A-Za-z0-9_-]+")
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")
_DIGEST_CHARS = 8

PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Tool names that Chat Completions and Responses take."""
MESSAGES_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
GEMINI_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


def clean_id(original: str, chars_max: int = TOOL_ID_CHARS_MAX) -> str:
    """The id unchanged where it is of ``[A-Za-z0-9_-]`` and short enough; otherwise what is good of it, ``_``
    and 8 hex digits of its SHA-256. Doing it twice changes nothing."""
    if len(original) <= chars_max and _ID.fullmatch(original):
        return original
    return _shortened(original, "call", chars_max, _DIGEST_CHARS)


def short_name(name: str, allowed: re.Pattern[str], chars_max: int = TOOL_ID_CHARS_MAX) -> str:
    """A tool's name unchanged where ``allowed`` matches all of it, otherwise a replacement like ``clean_id``.

    ``allowed`` must take letters, digits, ``_`` and ``-`` after a first letter, up to ``chars_max``.
    """
    return name if allowed.fullmatch(name) else _replacement(name, allowed, chars_max, _DIGEST_CHARS)


def declared_once(tools: Iterable[Tool]) -> tuple[Tool, ...]:
    """The tools without those whose name is declared before them: two of one name are refused by most."""
    found: dict[str | int, Tool] = {}
    for at, tool in enumerate(tools):
        found.setdefault(at if isinstance(tool, HostedTool) else tool.name, tool)
    return tuple(found.values())


class ToolNames:
    """The names of one call's tools as the target takes them, and the way back.

    ``names``: those of the tools list. Names that are good as they are keep themselves, and no other name is
    shortened to one of them.
    """

    def __init__(
        self, names: Iterable[str], allowed: re.Pattern[str], chars_max: int = TOOL_ID_CHARS_MAX
    ) -> None:
        self._allowed = allowed
        self._chars_max = chars_max
        self._short: dict[str, str] = {}
        self._original: dict[str, str] = {}
        listed = list(dict.fromkeys(names))
        for name in listed:
            if allowed.fullmatch(name):
                self._short[name] = self._original[name] = name
        for name in listed:
            self.shorten(name)

    def shorten(self, name: str) -> str:
        """The name for the target; a name that was not listed (of an old turn) is remembered too."""
        short = self._short.get(name)
        if short is None:
            short = self._free_name(name)
            self._short[name] = short
            self._original[short] = name
        return short

    def restore(self, short: str) -> str:
        """The client's own name; one that the target made up stays as it is."""
        return self._original.get(short, short)

    def renamed(self) -> dict[str, str]:
        """Names for the target → the client's own, where they differ."""
        return {short: name for short, name in self._original.items() if short != name}

    def _free_name(self, name: str) -> str:
        short = short_name(name, self._allowed, self._chars_max)
        if short not in self._original:
            return short
        return _replacement(name, self._allowed, self._chars_max, 2 * _DIGEST_CHARS)


def _replacement(name: str, allowed: re.Pattern[str], chars_max: int, digest_chars: int) -> str:
    short = _shortened(name, "tool", chars_max, digest_chars)
    # Some dialects want a letter first.
    return short if allowed.fullmatch(short) else _shortened(name, "tool", chars_max, digest_chars, "t_")


def _shortened(original: str, empty: str, chars_max: int, digest_chars: int, front: str = "") -> str:
    digest = hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()[:digest_chars]
    kept = (front + _FOREIGN.sub("_", original))[: chars_max - digest_chars - 1].rstrip("_")
    return f"{kept or empty}_{digest}"
