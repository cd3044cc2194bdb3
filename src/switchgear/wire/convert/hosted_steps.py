"""What the steps of tools that ran at the upstream have to be paid for, in an answer that is converted."""

from typing import Any

from switchgear.kernel.limits import CODE_CONTAINERS_MAX
from switchgear.wire.framing.splice import any_of
from switchgear.wire.neutral.events import Hosted

_UNIT_OF_STEP = {"web_search": "search_calls", "file_search": "file_search_calls"}


class StepCounter:
    """Counts the steps of one answer. Code is paid for by the container, however often it runs there."""

    __slots__ = ("_containers", "_counts")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._containers: set[str] = set()

    def take(self, step: Hosted) -> None:
        if step.is_free:
            return
        if (unit := _UNIT_OF_STEP.get(step.kind)) is not None:
            self._counts[unit] = self._counts.get(unit, 0) + 1
        elif step.kind == "code_execution" and len(self._containers) < CODE_CONTAINERS_MAX:
            self._containers.add(_container_of(step))

    @property
    def calls(self) -> dict[str, int]:
        """By unit of ``Usage``; without what did not occur."""
        sessions = len(self._containers)
        return {**self._counts, "code_sessions": sessions} if sessions else dict(self._counts)


def _container_of(step: Hosted) -> str:
    """Its name; empty in dialects that name none, where an answer has one."""
    found: Any = any_of(bytes(step.raw)) if b'"container_id"' in bytes(step.raw) else None
    container = found.get("container_id") if isinstance(found, dict) else None
    return container if isinstance(container, str) else ""
