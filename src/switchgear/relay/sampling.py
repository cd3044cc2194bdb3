"""Which of many alike events are written down: a burst, then so many a minute, the rest as a number."""

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
_MINUTE_NS = 60_000_000_000


class _Source(Generic[T]):
    """A bucket of what one source may still have written, and what was left out of its words."""

    __slots__ = ("last", "left_out", "room", "seen_ns")

    def __init__(self, room: float, now_ns: int) -> None:
        self.room = room
        self.seen_ns = now_ns
        self.left_out = 0
        self.last: T | None = None


class Sampler(Generic[T]):
    """Events by source. Memory is bounded: the source that was silent longest is forgotten."""

    def __init__(self, burst: int, per_minute: int, sources_max: int) -> None:
        self._burst = burst
        self._per_minute = per_minute
        self._sources_max = sources_max
        self._sources: dict[str, _Source[T]] = {}

    def take(self, source: str, event: T, now_ns: int) -> int | None:
        """None: leave this one out. Else write it, with the number of those that were left out before it."""
        found = self._sources.pop(source, None)
        if found is None:
            if len(self._sources) >= self._sources_max:
                del self._sources[next(iter(self._sources))]
            found = _Source(float(self._burst), now_ns)
        self._sources[source] = found
        self._refill(found, now_ns)
        if found.room < 1:
            found.left_out += 1
            found.last = event
            return None
        found.room -= 1
        left_out, found.left_out, found.last = found.left_out, 0, None
        return left_out

    def overdue(self, now_ns: int, *, everything: bool = False) -> Iterator[tuple[T, int]]:
        """The last event that was left out of each source that may write again, and how many were left out
        beside it; ``everything``: of the others as well."""
        for found in self._sources.values():
            if found.last is None:
                continue
            self._refill(found, now_ns)
            if found.room >= 1 or everything:
                event, left_out = found.last, found.left_out - 1
                found.room -= 1
                found.left_out, found.last = 0, None
                yield event, left_out

    def _refill(self, source: _Source[T], now_ns: int) -> None:
        more = (now_ns - source.seen_ns) * self._per_minute / _MINUTE_NS
        source.room = min(float(self._burst), source.room + more)
        source.seen_ns = now_ns
