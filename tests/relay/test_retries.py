"""Without this, calls would fail in the first moments of an outage that another channel could bear, or an
outage of all channels would be made worse by the calls that it fails."""

import asyncio

from tests.relay.test_plan import channel

from switchgear.kernel.clock import SystemClock
from switchgear.kernel.limits import RETRY_BUDGET_FLOOR, RETRY_WINDOW_S
from switchgear.relay.health import NS, Health
from switchgear.relay.plan import Candidate
from switchgear.relay.retries import Retry, RetryBudget, Turns


class Clock(SystemClock):
    def __init__(self) -> None:
        self.now_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns


def candidate(name: str, secret: int = 0) -> Candidate:
    return Candidate(channel(name), secret, "upstream-m", ("openai_chat",))


FIRST, SECOND = candidate("first"), candidate("second")


async def taken(budget: RetryBudget, health: Health, count: int) -> list[Retry]:
    found = await asyncio.gather(*(budget.take(SECOND, health) for _ in range(count)))
    return [retry for retry in found if retry is not None]


def budget_after(requests: int) -> tuple[RetryBudget, Clock]:
    clock = Clock()
    budget = RetryBudget(clock)
    for _ in range(requests):
        budget.requested(0)
    return budget, clock


async def test_a_well_upstream_takes_every_call_of_a_burst() -> None:
    budget, clock = budget_after(40)
    health = Health()
    tries = [asyncio.ensure_future(budget.take(SECOND, health)) for _ in range(40)]
    await asyncio.sleep(0)
    begun = [retry for one in tries if one.done() and (retry := one.result()) is not None]
    assert len(begun) == 8, "a fifth of the requests go ahead"
    begun[0].answered(0)
    rest = await asyncio.gather(*tries)
    assert all(rest), "its answer lets the others go"
    assert clock.now_ns == 0


async def test_those_that_wait_fail_with_the_first_that_did() -> None:
    budget, _ = budget_after(40)
    health = Health()
    tries = [asyncio.ensure_future(budget.take(SECOND, health)) for _ in range(40)]
    await asyncio.sleep(0)
    begun = [retry for one in tries if one.done() and (retry := one.result()) is not None]
    health.faulted("second", "upstream-m", 0, 1)
    for retry in begun:
        retry.failed(1)
    assert sum(retry is not None for retry in await asyncio.gather(*tries)) == 8


async def test_a_slow_upstream_is_waited_for_a_moment_only() -> None:
    budget, clock = budget_after(0)
    clock.now_ns = 0
    tries = [asyncio.ensure_future(budget.take(SECOND, Health())) for _ in range(RETRY_BUDGET_FLOOR + 1)]
    await asyncio.sleep(0)
    assert [one.done() for one in tries] == [True] * RETRY_BUDGET_FLOOR + [False]
    clock.now_ns = NS
    budget.wasted(NS)
    assert await tries[-1] is not None


async def test_failed_retries_stay_spent_for_a_while_and_answered_ones_are_free_again() -> None:
    budget, clock = budget_after(20)
    health = Health()
    health.faulted("second", "upstream-m", 0, 0)
    retries = await taken(budget, health, 10)
    assert len(retries) == 4
    retries[0].answered(0)
    retries[1].close()
    assert len(await taken(budget, health, 10)) == 2
    retries[2].failed(0)
    assert await taken(budget, health, 1) == []
    clock.now_ns = RETRY_WINDOW_S * NS
    assert len(await taken(budget, health, 10)) <= RETRY_BUDGET_FLOOR, "with the requests of then, too"


def test_what_was_taken_out_since_is_passed_over() -> None:
    health = Health()
    turns = Turns((FIRST, SECOND), health)
    health.unserved("first", 0, "upstream-m", 0)
    assert turns.next(1) == SECOND
    turns.asked = True
    assert turns.next(1) is None, "no retry at what is out"


def test_when_all_are_out_the_first_is_tried_once() -> None:
    health = Health()
    for name in ("first", "second"):
        health.unserved(name, 0, "upstream-m", 0)
    turns = Turns((FIRST, SECOND), health)
    found = turns.next(1)
    assert found is not None
    assert (found.channel.id, found.probe) == ("first", True)
    turns.asked = True
    assert turns.next(1) is None


def test_another_key_of_the_same_channel_is_a_candidate_of_its_own() -> None:
    health = Health()
    health.limited("first", 0, "upstream-m", 7.0, 0)
    other = candidate("first", 1)
    assert Turns((FIRST, other), health).next(1) == other
    assert not health.has_fault("first", 1, "upstream-m", 1)
