"""Dead workers and dead controllers. Without these money could stay in the lease of a worker that is no more,
a record written before a kill could be lost, or a worker could go on spending from a lease that was
taken back."""

import asyncio
import shutil

from tests.control.conftest import USD
from tests.sim.ledger_parts import usage_record
from tests.sim.ledger_worker import LedgerWorker

from switchgear.kernel.ids import new_id
from switchgear.ledger.journal import frame
from switchgear.ledger.record import encode_record
from switchgear.link.protocol import LookupKey
from switchgear.store.accounts import bury_epoch
from switchgear.store.epochs import epoch_state, open_epoch


def state(site, epoch: str) -> str | None:
    return site.database.read(lambda connection: epoch_state(connection, epoch))


async def test_a_killed_worker_s_records_are_billed_and_its_lease_comes_back(site):
    site.apply(balance_nanos=1000)
    await site.start()
    worker = await site.worker()
    assert await worker.reserve("r1", (site.wallet, 600))
    assert await worker.reserve("r2", (site.wallet, 300))
    worker.settle("r1", 500, site.wallet)
    # It died in the middle of this one.
    worker.write(frame(encode_record(usage_record("r2", 200, site.wallet)))[:-3])
    await worker.die()
    await site.until(lambda: state(site, worker.epoch) == "buried", "the burial")
    assert (site.spent(), site.balance(site.wallet)) == (500, 500)
    await site.until(lambda: not (site.home.journals / worker.epoch).exists(), "the journal to be removed")


async def test_a_worker_that_lost_its_link_only_is_not_buried(site):
    site.apply()
    await site.start()
    worker = await site.worker()
    assert await worker.reserve("r1", (site.wallet, 600))
    for _ in range(3):
        worker.client._peer.abort("a hiccup")
        await site.until(lambda: site.controller.workers._peers.get(worker.epoch) is None, "the loss")
        await site.controller._bury_dead()
        await site.until(lambda: worker.epoch in site.controller.workers, "the return")
    assert state(site, worker.epoch) == "live"
    worker.settle("r1", 600, site.wallet)
    await site.until(lambda: site.spent() == 600, "the ingest")


async def test_a_controller_restarts_under_workers_that_go_on(site):
    site.apply(balance_nanos=1 * USD)
    await site.start()
    first, second = await site.worker(0), await site.worker(1)
    assert await first.reserve("r1", (site.wallet, 100_000))
    assert await second.reserve("r2", (site.wallet, 100_000))
    await site.end()
    first.settle("r1", 90_000, site.wallet)  # while the controller is away
    assert await first.reserve("r3", (site.wallet, 100_000))
    first.settle("r3", 80_000, site.wallet)
    await second.die()
    await site.start()
    await site.until(lambda: site.spent() == 170_000, "the ingest of what came meanwhile")
    await site.until(lambda: state(site, second.epoch) == "buried", "the burial")
    assert await first.reserve("r4", (site.wallet, 900_000_000))
    assert state(site, first.epoch) == "live"


async def test_what_dead_workers_left_is_settled_before_the_controller_listens(site):
    site.apply(balance_nanos=1000)
    await site.start()
    worker = await site.worker()
    assert await worker.reserve("r1", (site.wallet, 1000))
    await site.end()
    worker.settle("r1", 400, site.wallet)
    await worker.die()
    await site.start()
    assert state(site, worker.epoch) == "buried"
    assert (site.spent(), site.balance(site.wallet)) == (400, 600)


async def test_a_crash_between_burial_and_removal_bills_nothing_twice(site):
    site.apply(balance_nanos=1000)
    await site.start()
    worker = await site.worker()
    assert await worker.reserve("r1", (site.wallet, 1000))
    worker.settle("r1", 400, site.wallet)
    await site.until(lambda: site.spent() == 400, "the ingest")
    await site.end()
    await worker.die()
    site.database.write(lambda connection: bury_epoch(connection, worker.epoch, 1))
    await site.start()
    await site.until(lambda: not (site.home.journals / worker.epoch).exists(), "the removal")
    assert (site.spent(), site.balance(site.wallet)) == (400, 600)


async def test_a_buried_epoch_is_refused_and_told_so(site):
    site.apply()
    epoch = new_id()
    site.database.write(lambda connection: open_epoch(connection, epoch, 0, 1, "n"))
    site.database.write(lambda connection: bury_epoch(connection, epoch, 2))
    await site.start()
    worker = LedgerWorker(site.home, 0, epoch)
    worker.open_journal()
    worker.connect()
    reason = await asyncio.wait_for(worker.refused.get(), 10)
    assert "buried" in reason
    assert not worker.client.is_welcome
    await worker.client.close()
    worker._unlock()


async def test_a_lost_journal_folder_frees_the_lease(site):
    site.apply(balance_nanos=1000)
    await site.start()
    worker = await site.worker()
    assert await worker.reserve("r1", (site.wallet, 1000))
    shutil.rmtree(site.home.journals / worker.epoch)
    await worker.die()
    await site.until(lambda: site.balance(site.wallet) == 1000, "the burial")


async def test_a_worker_that_died_before_its_hello_leaves_no_folder(site):
    site.apply()
    old = f"{1:012x}" + "0" * 20
    worker = LedgerWorker(site.home, 0, old)
    worker.open_journal()
    worker._unlock()
    fresh = LedgerWorker(site.home)
    (site.home.journals / fresh.epoch).mkdir()  # about to lock it
    await site.start()
    assert state(site, old) == "buried"
    await site.until(lambda: not (site.home.journals / old).exists(), "the journal to be removed")
    assert (site.home.journals / fresh.epoch).exists()


async def test_the_same_epoch_by_another_connection_replaces_the_old_one(site):
    site.apply()
    await site.start()
    worker = await site.worker()
    before = worker.client._peer
    twin = LedgerWorker(site.home, 0, worker.epoch)
    twin.connect()
    await asyncio.wait_for(twin.client.wait_welcome(), 10)
    await site.until(lambda: not before.is_open, "the cut")
    assert worker.epoch in site.controller.workers
    await worker.client.close()
    await twin.client.call(LookupKey(b"x"))
    await twin.client.close()


async def test_everything_in_a_dead_worker_s_journal_is_billed_however_long_it_is(site):
    site.apply()
    await site.start()
    worker = await site.worker()
    assert await worker.reserve("r0", (site.wallet, 1000))
    await site.end()
    for number in range(700):
        worker.write(frame(encode_record(usage_record(f"r{number}", 1, site.wallet))))
        if number == 300:
            worker.roll()
    await worker.die()
    await site.start()
    assert (site.spent(), state(site, worker.epoch)) == (700, "buried")
