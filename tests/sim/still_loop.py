"""An event loop on which computing takes no time: its clock stands while anything can run, and goes on to the
next timer when nothing can. What a test measures on it is waiting alone, however busy the machine is."""

import asyncio
import time
from typing import Any


class StillLoop(asyncio.SelectorEventLoop):
    """For code that waits for timers and for other tasks on this loop, not for sockets or threads."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now_s

    def _run_once(self) -> None:
        scheduled: list[Any] = self._scheduled  # type: ignore[attr-defined]
        if not self._ready and scheduled:  # type: ignore[attr-defined]
            self._now_s = max(self._now_s, scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


class LoopClock:
    """A Clock whose monotonic time is the running loop's."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ns(self) -> int:
        return int(asyncio.get_running_loop().time() * 1_000_000_000)
