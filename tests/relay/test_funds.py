"""Without this, money that is there could be refused, or money that is not there be spent."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ApiError
from switchgear.link.protocol import (
    Acquire,
    Acquired,
    LeaseTotals,
    Recall,
    Returned,
    WorkerCall,
    WorkerNotice,
)
from switchgear.link.snapshot import Principal
from switchgear.relay import funds as funds_module
from switchgear.relay.funds import Funds, Span, legs_of

WHO = Principal("k", "ci", "sk-…abcd", "u", "acme", "default", "wallet:u", budget="budget:key:k")
WALLET_ONLY = Principal("k", "ci", "sk-…abcd", "u", "acme", "default", "wallet:u")


class Controller:
    """Grants from what each account has exactly what is asked, all of it or nothing."""

    def __init__(self, **accounts: int) -> None:
        self.accounts = {"wallet:u": accounts.get("wallet", 0), "budget:key:k": accounts.get("budget", 0)}
        self.granted = dict.fromkeys(self.accounts, 0)
        self.returned = dict.fromkeys(self.accounts, 0)
        self.asked: list[Acquire] = []
        self.told: list[WorkerNotice] = []
        self.before_answer: Callable[[], None] = lambda: None

    async def ask(self, call: WorkerCall) -> object:
        assert isinstance(call, Acquire)
        self.asked.append(call)
        short = next((account for account, nanos in call.needs if self.accounts[account] < nanos), "")
        if not short:
            for account, nanos in call.needs:
                self.accounts[account] -= nanos
                self.granted[account] += nanos
        self.before_answer()
        totals = tuple(LeaseTotals(account, self.granted[account], 0) for account, _ in call.needs)
        unleased = 0 if call.wait else min(self.accounts[account] for account, _ in call.needs)
        return Acquired(totals, not short, short, self.accounts.get(short, 0), unleased)

    def tell(self, notice: WorkerNotice) -> None:
        assert isinstance(notice, Returned)
        self.told.append(notice)
        for said in notice.totals:
            more = max(0, said.returned - self.returned[said.account])
            self.accounts[said.account] += more
            self.returned[said.account] += more


def funds_of(controller: Controller) -> Funds:
    return Funds(controller.ask, controller.tell, SystemClock())


async def cheaper(nanos: int) -> Span:
    return exactly(nanos)


def exactly(nanos: int) -> Span:
    return Span(nanos, nanos)


async def test_a_call_is_held_on_wallet_and_budget_or_not_at_all() -> None:
    controller = Controller(wallet=100, budget=10)
    funds = funds_of(controller)
    with pytest.raises(ApiError) as refusal:
        await funds.hold_with_help("r1", WHO, exactly(50), lambda: cheaper(50))
    assert refusal.value.row.name == "quota"
    assert "quota of API key 'ci'" in refusal.value.message
    assert "$0.00000005" in refusal.value.message
    assert funds.book.held("wallet:u") == funds.book.held("budget:key:k") == 0
    assert await funds.hold_with_help("r2", WHO, exactly(10), lambda: cheaper(10)) == 10
    assert funds.book.held("wallet:u") == funds.book.held("budget:key:k") == 10


async def test_the_closer_estimate_is_asked_for_only_when_the_bound_does_not_fit() -> None:
    refined: list[int] = []

    async def refine() -> Span:
        refined.append(1)
        return exactly(30)

    funds = funds_of(Controller(wallet=40))
    assert await funds.hold_with_help("r1", WALLET_ONLY, exactly(40), refine) == 40
    assert refined == []
    funds.settle("r1", 0)
    assert await funds.hold_with_help("r2", WALLET_ONLY, exactly(1_000), refine) == 30
    assert refined == [1]


async def test_a_call_waits_for_running_ones_to_give_back_what_they_do_not_use() -> None:
    funds = funds_of(Controller(wallet=100))
    assert await funds.hold_with_help("running", WALLET_ONLY, exactly(100), lambda: cheaper(100)) == 100
    asked = asyncio.Event()

    async def refine() -> Span:
        asked.set()
        return exactly(60)

    waiting = asyncio.create_task(funds.hold_with_help("waiting", WALLET_ONLY, exactly(60), refine))
    await asked.wait()
    funds.settle("running", 30)
    assert await waiting == 60
    assert funds.book.free("wallet:u") == 10


async def test_a_settle_between_asking_and_waiting_is_not_missed() -> None:
    controller = Controller(wallet=100)
    funds = funds_of(controller)
    await funds.hold_with_help("running", WALLET_ONLY, exactly(100), lambda: cheaper(100))
    controller.before_answer = lambda: funds.settle("running", 0) if len(controller.asked) == 3 else None
    assert await funds.hold_with_help("late", WALLET_ONLY, exactly(100), lambda: cheaper(100)) == 100


async def test_the_wait_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(funds_module, "HOLD_WAIT_MS", 20)
    funds = funds_of(Controller(wallet=100))
    await funds.hold_with_help("running", WALLET_ONLY, exactly(100), lambda: cheaper(100))
    with pytest.raises(ApiError) as refusal:
        await funds.hold_with_help("waiting", WALLET_ONLY, exactly(60), lambda: cheaper(60))
    assert refusal.value.row.name == "quota"


async def test_without_a_controller_calls_go_on_while_the_lease_lasts_and_get_503_after() -> None:
    async def away(call: WorkerCall) -> object:
        raise ConnectionError

    funds = Funds(away, lambda notice: None, SystemClock())
    funds.book.apply_grant("wallet:u", 100)
    assert funds.hold("r1", legs_of(WALLET_ONLY, 80))
    assert not funds.hold("r2", legs_of(WALLET_ONLY, 80))
    with pytest.raises(ApiError) as refusal:
        await funds.hold_with_help("r2", WALLET_ONLY, exactly(80), lambda: cheaper(80))
    assert refusal.value.row.status == 503
    assert refusal.value.retry_after_s == 1


async def test_a_recall_gives_back_what_is_free_and_the_rest_when_calls_settle() -> None:
    controller = Controller()
    funds = funds_of(controller)
    funds.book.apply_grant("wallet:u", 100)
    assert funds.hold("r1", legs_of(WALLET_ONLY, 70))
    answer = funds.recall(Recall("wallet:u", 90, 1_000))
    assert answer == Returned((LeaseTotals("wallet:u", 100, 30),))
    funds.settle("r1", 5)
    assert controller.told == [Returned((LeaseTotals("wallet:u", 100, 90),))]


async def test_what_was_given_back_while_nobody_listened_is_said_again() -> None:
    controller = Controller()
    funds = funds_of(controller)
    funds.book.apply_grant("wallet:u", 100)
    funds.recall(Recall("wallet:u", 60, 1_000))
    funds.adopt((LeaseTotals("wallet:u", 100, 0),))
    await asyncio.sleep(0)
    assert controller.told == [Returned((LeaseTotals("wallet:u", 100, 60),))]
    funds.adopt((LeaseTotals("wallet:u", 100, 60),))
    await asyncio.sleep(0)
    assert len(controller.told) == 1


async def test_a_crowd_is_refused_by_the_answers_to_one_of_it() -> None:
    controller = Controller(wallet=10)
    funds = funds_of(controller)
    calls = (
        funds.hold_with_help(f"r{n}", WALLET_ONLY, exactly(50 + n), lambda: cheaper(1000)) for n in range(20)
    )
    refusals = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(refusal) for refusal in refusals} == {ApiError}
    assert len(controller.asked) == 2


async def test_money_granted_to_a_call_that_was_given_up_serves_the_next() -> None:
    controller = Controller(wallet=100)
    answered, asked = asyncio.Event(), asyncio.Event()

    async def slow(call: WorkerCall) -> object:
        answer = await controller.ask(call)
        asked.set()
        await answered.wait()
        return answer

    funds = Funds(slow, controller.tell, SystemClock())
    given_up = asyncio.create_task(
        funds.hold_with_help("r1", WALLET_ONLY, exactly(100), lambda: cheaper(100))
    )
    await asked.wait()
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    answered.set()
    assert await funds.hold_with_help("r2", WALLET_ONLY, exactly(100), lambda: cheaper(100)) == 100


async def test_what_is_free_here_goes_back_before_the_whole_is_asked_for() -> None:
    controller = Controller(wallet=50)
    funds = funds_of(controller)
    assert await funds.hold_with_help("r1", WALLET_ONLY, exactly(50), lambda: cheaper(50)) == 50
    funds.settle("r1", 10)
    with pytest.raises(ApiError):
        await funds.hold_with_help("r2", WALLET_ONLY, exactly(60), lambda: cheaper(60))
    assert controller.accounts["wallet:u"] == 40  # nothing lies idle here
    assert await funds.hold_with_help("r3", WALLET_ONLY, exactly(40), lambda: cheaper(40)) == 40


async def test_a_call_that_can_do_with_less_holds_its_share_and_at_least_what_is_of_use() -> None:
    funds = funds_of(Controller(wallet=8_000))
    held = [
        await funds.hold_with_help(f"r{n}", WALLET_ONLY, Span(5_000, 600), ranging(5_000, 600))
        for n in range(10)
    ]
    assert held[0] == 1_000
    assert sorted(held, reverse=True) == held
    assert held[-1] == 600
    assert sum(held) <= 8_000
    assert funds.book.held("wallet:u") == sum(held)


async def test_the_smaller_of_wallet_and_quota_decides_the_share() -> None:
    funds = funds_of(Controller(wallet=80_000, budget=8_000))
    assert await funds.hold_with_help("r1", WHO, Span(50_000, 10), ranging(50_000, 10)) == 1_000


async def test_without_a_controller_a_share_of_what_is_at_hand_will_do() -> None:
    async def away(call: WorkerCall) -> object:
        raise ConnectionError

    funds = Funds(away, lambda notice: None, SystemClock())
    funds.book.apply_grant("wallet:u", 100)
    assert await funds.hold_with_help("r1", WALLET_ONLY, Span(200, 10), ranging(200, 10)) == 12


async def test_a_refusal_names_what_would_do_and_what_there_is() -> None:
    funds = funds_of(Controller(wallet=1_000_000))

    def advice(available: int) -> str:
        return f"Up to {available} fits."

    span = Span(9_000_000_000, 2_000_000, advice)
    with pytest.raises(ApiError) as refusal:
        await funds.hold_with_help("r1", WALLET_ONLY, span, ranging(9_000_000_000, 2_000_000, advice))
    assert "needs at least $0.002, but" in refusal.value.message
    assert refusal.value.message.endswith("has $0.001 left. Up to 1000000 fits.")
    assert funds.book.held("wallet:u") == 0


async def test_a_running_call_holds_more_while_there_is_more() -> None:
    controller = Controller(wallet=100)
    funds = funds_of(controller)
    await funds.hold_with_help("r1", WALLET_ONLY, exactly(60), lambda: cheaper(60))
    assert await funds.raise_hold("r1", 40)
    assert funds.book.held("wallet:u") == 100
    assert not await funds.raise_hold("r1", 1)
    funds.settle("r1", 100)
    assert not await funds.raise_hold("r1", 1)
    assert controller.accounts["wallet:u"] == 0


def ranging(most: int, least: int, *advice: Callable[[int], str]) -> Callable[[], Awaitable[Span]]:
    async def refine() -> Span:
        return Span(most, least, *advice)

    return refine
