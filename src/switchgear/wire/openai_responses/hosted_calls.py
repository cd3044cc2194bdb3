"""Tools that the upstream runs: which of them a request may use, and how often an answer did, by unit of
``Usage``."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Raw

from switchgear.kernel.limits import CODE_CONTAINERS_MAX, RESERVE_HOSTED_CALLS
from switchgear.wire.framing.splice import any_of

_UNIT_OF_TOOL = (
    (b'"web_search', "search_calls"),
    (b'"x_search"', "search_calls"),
    (b'"file_search"', "file_search_calls"),
    (b'"code_interpreter"', "code_sessions"),
    (b'"shell"', "code_sessions"),
    (b'"image_generation"', "image_calls"),
)
_ITEM_MARK = b'_call"'
_UNIT_OF_ITEM = {
    "web_search_call": "search_calls",
    "file_search_call": "file_search_calls",
    "image_generation_call": "image_calls",
}
_CODE_ITEMS = ("code_interpreter_call", "shell_call")
_TOLD: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("search_calls", ("web_search_calls", "x_search_calls")),
    ("file_search_calls", ("file_search_calls",)),
    ("code_sessions", ("code_interpreter_calls",)),
)
"""Unit → the counts by which xAI tells it inside its usage."""


def calls_offered(fields: Mapping[str, Raw]) -> dict[str, int]:
    """Unit → calls to set money aside for, of the tools that a request declares. A bytes search first: most
    requests declare none, and a function may have such a name."""
    raw = fields.get("tools")
    text = b"" if raw is None else bytes(raw)
    if not any(mark in text for mark, _ in _UNIT_OF_TOOL):
        return {}
    most = any_of(bytes(fields["max_tool_calls"])) if "max_tool_calls" in fields else None
    calls = most if isinstance(most, int) and most > 0 else RESERVE_HOSTED_CALLS
    offered: dict[str, int] = {}
    tools = any_of(text)
    for tool in tools if isinstance(tools, list) else ():
        if (unit := _unit_of_tool(tool)) is not None:
            offered[unit] = 1 if unit == "code_sessions" else calls
    return offered


def _unit_of_tool(tool: Any) -> str | None:
    kind = tool.get("type") if isinstance(tool, dict) else None
    if not isinstance(kind, str) or (kind == "shell" and not _in_container(tool)):
        return None
    mark = b'"' + kind.encode() + b'"'
    return next((unit for name, unit in _UNIT_OF_TOOL if mark.startswith(name)), None)


def _in_container(holder: dict[str, Any]) -> bool:
    """Whether a shell runs at the vendor, and not at the client."""
    place = holder.get("environment")
    return isinstance(place, dict) and str(place.get("type", "")).startswith("container")


class CallCounter:
    """Counts the items of one answer."""

    __slots__ = ("_containers", "_counts")

    def __init__(self, items: Iterable[Raw] = ()) -> None:
        self._counts: dict[str, int] = {}
        self._containers: set[str] = set()
        for item in items:
            self.take(item)

    def take(self, raw: Raw) -> None:
        """An output item of any kind, whole."""
        text = bytes(raw)
        if _ITEM_MARK not in text:
            return
        item = any_of(text)
        if not isinstance(item, dict) or item.get("status") == "failed":
            return
        kind = item.get("type")
        if kind in _CODE_ITEMS:
            self._take_code(item, kind)
        elif isinstance(kind, str) and (unit := _UNIT_OF_ITEM.get(kind)) and _is_paid(item):
            self._counts[unit] = self._counts.get(unit, 0) + 1

    @property
    def calls(self) -> dict[str, int]:
        """By unit of ``Usage``; without what did not occur."""
        sessions = len(self._containers)
        return {**self._counts, "code_sessions": sessions} if sessions else dict(self._counts)

    def _take_code(self, item: dict[str, Any], kind: str) -> None:
        place = item.get("environment") if kind == "shell_call" else item
        if not isinstance(place, dict) or (kind == "shell_call" and not _in_container(item)):
            return
        if len(self._containers) < CODE_CONTAINERS_MAX:
            container = place.get("container_id")
            self._containers.add(container if isinstance(container, str) else "")


def calls_told(usage: Raw, tool_usage: Raw) -> dict[str, int]:
    """What the upstream counted itself, where it does."""
    told: dict[str, int] = {}
    if b'"server_side_tool_usage_details"' in bytes(usage):
        details = _object(_object(any_of(bytes(usage))).get("server_side_tool_usage_details"))
        for unit, names in _TOLD:
            told[unit] = sum(_count(details.get(name)) for name in names)
    found = _object(any_of(bytes(tool_usage)))
    searches = _object(found.get("web_search")).get("num_requests")
    return {**told, "search_calls": _count(searches)} if searches is not None else told


def _is_paid(item: dict[str, Any]) -> bool:
    """Of the actions of a web search, only a search costs; to open what was found does not."""
    action = item.get("action")
    return not isinstance(action, dict) or action.get("type", "search") == "search"


def _object(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
