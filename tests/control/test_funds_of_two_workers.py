"""A crowd of calls over two workers on money for ten of them, in many interleavings that seeds fix.

Without it one leg of a call could strand in a worker while the other leg is refused, a wake-up could be
missed, or an answer that came too late for one call could refuse another: money that is there, refused.
"""

import asyncio
from functools import partial
from typing import Any

import pytest
from tests.control.conftest import Site
from tests.sim.money_house import MoneyHouse
from tests.sim.still_loop import StillLoop

from switchgear.kernel.limits import HOLD_WAIT_S
from switchgear.link.snapshot import Principal
from switchgear.store.accounts import bury_epoch
from switchgear.store.epochs import open_epoch

PRICE = 700_000
MARGIN = 90_000
"""A call is held above what it comes to: the tenth passes on what nine have given back."""
COVERED = 10
EXACT = COVERED * PRICE
PLENTY = 100 * EXACT
SEEDS = range(3)

CASES = {
    "wallet": (EXACT, None),
    "less-in-wallet": (EXACT, EXACT + PRICE),
    "much-less-in-wallet": (EXACT, PLENTY),
    "both": (EXACT, EXACT),
    "less-in-budget": (EXACT + PRICE, EXACT),
    "much-less-in-budget": (PLENTY, EXACT),
}


@pytest.mark.parametrize("margin", [0, MARGIN], ids=["at-estimate", "below-estimate"])
@pytest.mark.parametrize(("wallet", "quota"), CASES.values(), ids=CASES)
def test_all_that_is_covered_passes_and_no_more(tmp_path, wallet, quota, margin):
    served, waited_s = [], []
    for seed in SEEDS:
        site = Site(tmp_path / str(seed))
        site.apply(balance_nanos=wallet + margin, quota_nanos=None if quota is None else quota + margin)
        with asyncio.Runner(loop_factory=StillLoop) as runner:
            crowd = _crowd(site, seed, "" if quota is None else site.budget, PRICE + margin)
            served.append(runner.run(crowd))
            waited_s.append(runner.get_loop().time())
        assert site.spent() == served[-1] * PRICE
        site.audit()
        site.database.close()
    assert served == [COVERED] * len(SEEDS)
    assert max(waited_s) < HOLD_WAIT_S, waited_s  # nobody had to wait until time was up


@pytest.mark.parametrize(("wallet", "quota"), CASES.values(), ids=CASES)
def test_calls_that_take_what_they_get_share_all_there_is_and_no_more(tmp_path, wallet, quota):
    most, least = EXACT, PRICE // 8
    there = min(wallet, quota or wallet)
    for seed in SEEDS:
        site = Site(tmp_path / str(seed))
        site.apply(balance_nanos=wallet, quota_nanos=quota)
        with asyncio.Runner(loop_factory=StillLoop) as runner:
            budget = "" if quota is None else site.budget
            spent = runner.run(_house(site, seed, budget, partial(_greedy, most=most, least=least), 120))
            assert runner.get_loop().time() < HOLD_WAIT_S
        assert site.spent() == sum(spent)
        assert there - least < sum(spent) <= there
        assert sum(nanos > 0 for nanos in spent) >= 20
        site.audit()
        site.database.close()


async def _greedy(house: MoneyHouse, number: int, who: Principal, most: int, least: int) -> int:
    return await house.greedy_call(number, who, most, least)


async def _crowd(site: Site, seed: int, budget: str, hold: int) -> int:
    """How many of forty calls are served."""
    return sum(await _house(site, seed, budget, lambda house, n, who: house.call(n, who, hold, PRICE)))


async def _house(site: Site, seed: int, budget: str, call: Any, count: int = 40) -> list[int]:
    """What became of so many calls. All that is left comes back to the accounts at the end."""
    epochs = ("worker-a", "worker-b")
    for index, epoch in enumerate(epochs):
        site.database.write(partial(open_epoch, epoch=epoch, worker_index=index, at_ms=1, node="n"))
    who = Principal("k", "ci", "sk-...abcd", "u", "acme", "default", site.wallet, budget=budget)
    house = MoneyHouse(site.database, epochs, seed)
    try:
        served = await asyncio.gather(*(call(house, n, who) for n in range(count)))
        await house.ingest()
    finally:
        await house.end()
    for epoch in epochs:
        site.database.write(partial(bury_epoch, epoch=epoch, at_ms=1))
    return served
