"""Time for deleting. Without this a clock that jumps ahead deletes what is kept for a month, at once."""

from switchgear.control.responses import Responses
from switchgear.control.steady import SteadyClock
from switchgear.kernel.clock import FakeClock
from switchgear.kernel.limits import CLOCK_JUMP_MS_MAX, CLOCK_TRUST_MS
from switchgear.kernel.stored import StoredResponse
from switchgear.link.protocol import FindResponse, KeepResponse, Ok, ResponseFound, ResponseUnknown

YEAR_MS, MINUTE_MS, DAY_MS = 365 * 86_400_000, 60_000, 86_400_000


class Jumping(FakeClock):
    """Its wall clock may be set; the machine's own goes on."""

    ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


def passed(steady: SteadyClock, clock: Jumping, ms: int) -> int:
    """Time goes on, with a look every minute."""
    for _ in range(ms // MINUTE_MS):
        clock.advance_ms(MINUTE_MS)
        steady.now_ms()
    return steady.now_ms()


def test_it_follows_a_clock_that_goes_on() -> None:
    clock = Jumping()
    steady = SteadyClock(clock)
    assert passed(steady, clock, DAY_MS) == clock.now_ms()
    clock.ahead_ms += CLOCK_JUMP_MS_MAX // 2
    assert steady.now_ms() == clock.now_ms()
    clock.ahead_ms -= YEAR_MS
    assert steady.now_ms() == clock.now_ms()


def test_a_jump_counts_once_it_has_held_for_a_day() -> None:
    clock = Jumping()
    steady = SteadyClock(clock)
    began_ms = steady.now_ms()
    clock.ahead_ms = YEAR_MS
    assert steady.now_ms() == began_ms
    assert steady.has_jumped is False
    assert passed(steady, clock, CLOCK_TRUST_MS - MINUTE_MS) == began_ms + CLOCK_TRUST_MS - MINUTE_MS
    assert steady.has_jumped
    assert passed(steady, clock, MINUTE_MS) == clock.now_ms()
    assert not steady.has_jumped


def test_a_jump_that_is_mended_leaves_nothing_behind() -> None:
    clock = Jumping()
    steady = SteadyClock(clock)
    steady.now_ms()
    clock.ahead_ms = YEAR_MS
    passed(steady, clock, CLOCK_TRUST_MS // 2)
    clock.ahead_ms = 0
    assert passed(steady, clock, MINUTE_MS) == clock.now_ms()
    clock.ahead_ms = YEAR_MS
    assert passed(steady, clock, CLOCK_TRUST_MS // 2) < clock.now_ms()


def test_a_jump_is_seen_through_restarts_and_held_time_adds_up() -> None:
    clock = Jumping()
    steady = SteadyClock(clock)
    steady.now_ms()
    for part in range(4):
        clock.ahead_ms = YEAR_MS
        next_one = SteadyClock(clock)
        next_one.resume(steady.state)
        steady = next_one
        now_ms = passed(steady, clock, CLOCK_TRUST_MS // 4)
        assert (now_ms == clock.now_ms()) == (part == 3)


async def test_a_jump_neither_hides_nor_deletes_stored_responses(site) -> None:
    site.apply()
    await site.start()
    clock = Jumping(site.controller._clock.now_ms())
    steady = SteadyClock(clock)
    steady.now_ms()
    controller = site.controller
    responses = Responses(controller._store, controller.workers, clock, 30, steady.now_ms)
    kept = StoredResponse("resp_1", "u1", "k1", "m", 1, response=b"{}")
    assert await responses.answer(KeepResponse(kept)) == Ok()
    clock.ahead_ms = YEAR_MS
    await responses.sweep(steady.now_ms())
    assert await responses.answer(FindResponse("resp_1", "u1")) == ResponseFound(kept)
    passed(steady, clock, CLOCK_TRUST_MS)
    await responses.sweep(steady.now_ms())
    assert await responses.answer(FindResponse("resp_1", "u1")) == ResponseUnknown("resp_1")
