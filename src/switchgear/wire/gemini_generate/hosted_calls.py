"""Tools that the upstream runs: which of them a request may use, and how often an answer did, by unit of
``Usage``. Code runs and pages are read for their tokens alone."""

from collections.abc import Mapping
from typing import Any

from msgspec import Raw

from switchgear.kernel.limits import RESERVE_HOSTED_CALLS
from switchgear.wire.framing.splice import any_of
from switchgear.wire.gemini_generate.frames import is_given
from switchgear.wire.gemini_generate.grounding import queries_of

Calls = dict[str, int]

_PAID_BY_PROMPT = ("gemini-1", "gemini-2")
"""Models whose searches are paid for once in an answer, and not one by one."""
_MARKS = (b'"google', b'"enterprise')
_UNIT_OF_TOOL = {
    "googlesearch": "search_calls",
    "googlesearchretrieval": "search_calls",
    "enterprisewebsearch": "search_calls",
    "googlemaps": "calls",
}


def calls_offered(fields: Mapping[str, Raw], model: str) -> Calls:
    """Unit → calls to set money aside for, of the tools that a request declares."""
    raw = fields.get("tools")
    text = b"" if raw is None else bytes(raw)
    if not any(mark in text for mark in _MARKS):
        return {}
    found = any_of(text)
    calls = 1 if model.startswith(_PAID_BY_PROMPT) else RESERVE_HOSTED_CALLS
    return {
        unit: calls
        for tool in (found if isinstance(found, list) else [found])
        if isinstance(tool, dict)
        for name in tool
        if (unit := _UNIT_OF_TOOL.get(name.replace("_", "").lower())) is not None
    }


def calls_of(metadata: Raw, model: str) -> Calls:
    """What one candidate's grounding has to be paid for; ``model`` as the answer names it."""
    if not is_given(metadata):
        return {}
    found = any_of(metadata)
    queries = len(queries_of(found))
    if not queries:
        return {"calls": 1} if _has_places(found) else {}
    return {"search_calls": 1 if model.startswith(_PAID_BY_PROMPT) else queries}


def sum_of(calls: list[Calls]) -> Calls:
    """Of all candidates."""
    return {unit: sum(one.get(unit, 0) for one in calls) for each in calls for unit in each}


def _has_places(found: Any) -> bool:
    chunks = found.get("groundingChunks") if isinstance(found, dict) else None
    return isinstance(chunks, list) and any(isinstance(chunk, dict) and "maps" in chunk for chunk in chunks)
