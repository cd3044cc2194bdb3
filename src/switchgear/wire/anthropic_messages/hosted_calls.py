"""Tools that the upstream runs: which of them a request may use, by unit of ``Usage``."""

from collections.abc import Mapping
from typing import Any

from msgspec import Raw

from switchgear.kernel.limits import RESERVE_HOSTED_CALLS
from switchgear.wire.framing.splice import any_of

_MARKS = (b'"web_search_', b'"code_execution_')


def calls_offered(fields: Mapping[str, Raw]) -> dict[str, int]:
    """Unit → calls to set money aside for, of the tools that a request declares. Fetching pages is free."""
    raw = fields.get("tools")
    text = b"" if raw is None else bytes(raw)
    if not any(mark in text for mark in _MARKS):
        return {}
    tools = any_of(text)
    offered: dict[str, int] = {}
    for tool in tools if isinstance(tools, list) else ():
        kind = tool.get("type") if isinstance(tool, dict) else None
        if not isinstance(kind, str):
            continue
        if kind.startswith("web_search_"):
            offered["search_calls"] = _most(tool.get("max_uses"))
        elif kind.startswith("code_execution_"):
            offered["code_sessions"] = 1
    return offered


def _most(value: Any) -> int:
    is_bound = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return value if is_bound else RESERVE_HOSTED_CALLS
