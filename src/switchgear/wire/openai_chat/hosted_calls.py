"""Tools that the upstream runs: which of them a request may use, and how often an answer did, by unit of
``Usage``.

Hosts tell it in many ways. OpenAI bills one search for each answer of its search models and says so nowhere,
so their name or a citation stands for it; Moonshot bills each call of its own tool ``$web_search``.
"""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Raw

from switchgear.kernel.usage import TOKENS_MAX
from switchgear.wire.framing.splice import NULL

_ALWAYS_SEARCH = ("-search-preview", "-search-api")
_SEARCH_MODEL = re.compile(rb'"model"\s*:\s*"[^"]*-search-(?:preview|api)')
_CITATION = b'"url_citation"'
_MOONSHOT_TOOL = b'"$web_search"'
_TRUE = Raw(b"true")
# Within the usage, where some hosts count it.
_TOLD = (
    ("server_tool_use", "web_search_requests"),
    ("server_side_tool_usage_details", "web_search_calls"),
    ("num_search_queries",),
    ("plugins", "search", "count"),
)


def calls_offered(fields: Mapping[str, Raw], model: str) -> dict[str, int]:
    """Unit → calls to set money aside for. One answer has one search here."""
    asked = (
        fields.get("web_search_options", NULL) != NULL
        or fields.get("search_parameters", NULL) != NULL
        or fields.get("enable_search") == _TRUE
        or ("-search-" in model and any(mark in model for mark in _ALWAYS_SEARCH))
        or ("tools" in fields and _MOONSHOT_TOOL in bytes(fields["tools"]))
    )
    return {"search_calls": 1} if asked else {}


class SearchCounter:
    """Counts the searches of one answer by its frames, or as a whole. A quote inside a string is escaped, so
    the marks are found nowhere but as values of their own."""

    __slots__ = ("count",)

    def __init__(self, data: bytes = b"") -> None:
        self.count = 0
        if data:
            self.take(data)

    def take(self, data: bytes) -> None:
        if b"search" not in data and b"citation" not in data:
            return
        self.count += data.count(_MOONSHOT_TOOL)
        # Many citations, or the name in every frame, stand for one search.
        if not self.count and (_CITATION in data or _SEARCH_MODEL.search(data) is not None):
            self.count = 1

    @property
    def calls(self) -> dict[str, int]:
        """By unit of ``Usage``."""
        return {"search_calls": self.count} if self.count else {}


def may_tell_searches(raw: bytes) -> bool:
    """Whether a usage object has one of the counts."""
    return b'"server_' in raw or b'"num_search_queries"' in raw or b'"plugins"' in raw


def searches_told(usage: dict[str, Any]) -> int:
    """What the host counted itself."""
    return max(_count(usage, path) for path in _TOLD)


def _count(found: Any, path: tuple[str, ...]) -> int:
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    is_count = isinstance(found, int) and not isinstance(found, bool) and found > 0
    return min(found, TOKENS_MAX) if is_count else 0
