"""SIGKILL of a real controller process under workers that go on. Without this a kill between a commit and its
answer could lose or double money, and a worker could stay away for good."""

import asyncio
import os

import pytest
from tests.control.conftest import USD
from tests.control.test_controller import listening, start_process
from tests.sim.ledger_worker import LedgerWorker

from switchgear.ledger import chart
from switchgear.link.unix import LinkAway

pytestmark = pytest.mark.process
KILLS = 3


async def test_kills_of_the_controller_lose_and_double_nothing(site, monkeypatch):
    monkeypatch.setenv("SWITCHGEAR_MASTER_KEY", (b"m" * 32).hex())
    site.apply(balance_nanos=1 * USD, quota_nanos=400_000_000)
    reading, writing = os.pipe()
    process = start_process(site.home.path, reading)
    billed = 0
    try:
        await listening(process, site.home)
        workers = [await site.worker(0), await site.worker(1)]
        stop = asyncio.Event()
        calls = [asyncio.create_task(spend(site, worker, stop)) for worker in workers]
        for _ in range(KILLS):
            await asyncio.sleep(0.15)
            process.kill()
            await asyncio.to_thread(process.communicate)
            process = start_process(site.home.path, reading)
            await listening(process, site.home)
        stop.set()
        billed = sum(await asyncio.gather(*calls))
        await site.until(lambda: site.balance(chart.revenue) == billed, "the ingest")
        assert billed > 0
        for worker in workers:
            await worker.leave()
        await site.until(lambda: not os.listdir(site.home.journals), "the burials")
        assert site.balance(site.wallet) == 1 * USD - billed
        assert site.balance(site.budget) == 400_000_000 - billed
    finally:
        os.close(reading)
        os.close(writing)
        process.terminate()
        await asyncio.to_thread(process.communicate)


async def spend(site, worker: LedgerWorker, stop: asyncio.Event) -> int:
    """Calls one after the other, each of a size that makes leases move; says what they came to."""
    billed, number = 0, 0
    while not stop.is_set():
        number += 1
        name = f"{worker.index}-{number}"
        try:
            held = await worker.reserve(name, (site.wallet, 60_000_000), (site.budget, 60_000_000))
        except LinkAway:
            await asyncio.sleep(0.01)
            continue
        if held:
            worker.settle(name, 100_000, site.wallet, site.budget)
            billed += 100_000
        await asyncio.sleep(0.002)
    return billed
