"""Time as a value that is handed in, so that tests own it."""

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for waits."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never step back; comparable between processes of one machine."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    monotonic_ns = staticmethod(time.monotonic_ns)
    """Called some ten times a request, so without a frame of its own."""


class FakeClock:
    """A clock that moves only when told."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ns = now_ms * 1_000_000

    def now_ms(self) -> int:
        return self._now_ns // 1_000_000

    def monotonic_ns(self) -> int:
        return self._now_ns

    def advance_ms(self, ms: int) -> None:
        self._now_ns += ms * 1_000_000
