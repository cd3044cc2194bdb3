"""Time for deleting by age. It follows the wall clock, but not at once where that jumps ahead: a clock that
was set wrong for an hour must not delete what is kept for a month.

Between two looks the wall clock may run ahead of the machine's own by CLOCK_JUMP_MS_MAX. What is more is a
jump; it counts once it has held for CLOCK_TRUST_MS. Until then time goes on as if there had been none,
through restarts as well.
"""

from switchgear.kernel.clock import Clock
from switchgear.kernel.limits import CLOCK_JUMP_MS_MAX, CLOCK_TRUST_MS
from switchgear.store.steady import Steady


class SteadyClock:
    """Of one controller. ``now_ms`` is to be asked now and then, and ``state`` kept."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen_ns = clock.monotonic_ns()
        self.state = Steady()

    def resume(self, state: Steady) -> None:
        """Goes on from what an earlier process kept."""
        self.state = state
        self._seen_ns = self._clock.monotonic_ns()

    def now_ms(self) -> int:
        """Unix time in milliseconds, as far as it is trusted."""
        wall_ms, now_ns = self._clock.now_ms(), self._clock.monotonic_ns()
        passed_ms = (now_ns - self._seen_ns) // 1_000_000
        self._seen_ns += passed_ms * 1_000_000
        expected_ms = self.state.trusted_ms + passed_ms
        held_ms = self.state.held_ms + passed_ms
        jumped = self.state.trusted_ms and wall_ms > expected_ms + CLOCK_JUMP_MS_MAX
        if not jumped or held_ms >= CLOCK_TRUST_MS:
            self.state = Steady(wall_ms)
        else:
            self.state = Steady(expected_ms, held_ms)
        return self.state.trusted_ms

    @property
    def has_jumped(self) -> bool:
        """The wall clock is ahead of what is trusted."""
        return self.state.held_ms > 0
