"""Journals into the database. Without these a record could be billed twice or never, a torn or broken journal
could stop billing for good, or the disk could fill with segments that nobody needs."""

import logging

import msgspec
import pytest
from tests.sim.ledger_parts import usage_record
from tests.sim.ledger_worker import LedgerWorker

from switchgear.control import ingest as ingest_module
from switchgear.control.ingest import Ingest
from switchgear.kernel.ids import new_id
from switchgear.ledger.journal import frame
from switchgear.ledger.record import encode_record
from switchgear.store.epochs import cursor, open_epoch
from switchgear.store.usage import list_usage


@pytest.fixture
async def journal(site):
    """A worker's journal without a controller; steps are made by hand."""
    site.apply()
    worker = LedgerWorker(site.home)
    worker.open_journal()
    site.database.write(lambda connection: open_epoch(connection, worker.epoch, 0, 1, "n"))
    bad: list[int] = []
    ingest = Ingest(site.home, lambda: bad.append(1))
    yield site, worker, ingest, bad
    worker._unlock()


def add(worker: LedgerWorker, count: int, nanos: int = 7) -> list[str]:
    ids = [new_id() for _ in range(count)]
    for name in ids:
        worker.write(frame(encode_record(usage_record(name, nanos, "wallet:u"))))
    return ids


def drain(site, ingest: Ingest, epoch: str, ended: bool = False) -> int:
    records = 0
    while True:
        step = ingest.step(site.database, epoch, ended)
        records += step.records
        if not step.more:
            return records


def position(site, epoch: str) -> int:
    return site.database.read(lambda connection: cursor(connection, epoch))


async def test_records_are_booked_once_in_batches_and_over_segments(journal, monkeypatch):
    monkeypatch.setattr(ingest_module, "INGEST_BATCH", 4)
    site, worker, ingest, bad = journal
    add(worker, 10)
    worker.roll()
    add(worker, 5)
    assert ingest.step(site.database, worker.epoch).records == 4
    assert drain(site, ingest, worker.epoch) == 11
    # A new controller starts at the cursor.
    assert drain(site, Ingest(site.home, lambda: None), worker.epoch) == 0
    assert site.spent() == 15 * 7
    assert position(site, worker.epoch) == worker.offset
    assert not bad


async def test_a_step_that_failed_is_done_again_without_harm(journal, monkeypatch):
    site, worker, ingest, _ = journal
    add(worker, 3)
    drain(site, ingest, worker.epoch)
    add(worker, 3)
    with monkeypatch.context() as broken:
        broken.setattr(site.database, "write", lambda fn: (_ for _ in ()).throw(RuntimeError("disk")))
        with pytest.raises(RuntimeError):
            ingest.step(site.database, worker.epoch)
    assert drain(site, ingest, worker.epoch) == 3
    assert site.spent() == 6 * 7


@pytest.mark.parametrize("cut", [1, 7, 8, 50])
async def test_a_torn_end_waits_in_a_live_journal_and_is_cut_in_a_dead_one(journal, cut):
    site, worker, ingest, bad = journal
    add(worker, 2)
    whole = frame(encode_record(usage_record(new_id(), 7, "wallet:u")))
    worker.write(whole[:cut])
    assert drain(site, ingest, worker.epoch) == 2
    worker.write(whole[cut:])
    assert drain(site, ingest, worker.epoch) == 1
    worker.write(whole[:cut])
    assert drain(site, ingest, worker.epoch, ended=True) == 0
    assert site.spent() == 21
    assert not bad


async def test_a_record_that_can_not_be_read_is_kept_and_passed_by(journal, caplog):
    site, worker, ingest, bad = journal
    add(worker, 1)
    worker.write(frame(msgspec.msgpack.encode({"not": "a record"})))
    add(worker, 1)
    with caplog.at_level(logging.ERROR):
        assert drain(site, ingest, worker.epoch) == 2
    assert len(bad) == 1
    assert "can't be read" in caplog.text
    kept = list((site.home.path / "quarantine").iterdir())
    assert [msgspec.msgpack.decode(file.read_bytes()) for file in kept] == [{"not": "a record"}]


async def test_a_corrupt_segment_is_loud_and_the_next_one_is_read(journal, caplog):
    site, worker, ingest, bad = journal
    add(worker, 2)
    worker.write(b"\xff" * 40)
    with caplog.at_level(logging.ERROR):
        assert drain(site, ingest, worker.epoch) == 2
        assert drain(site, ingest, worker.epoch) == 0
    assert len(bad) == 1  # said once, not ten times a second
    worker.roll()
    add(worker, 3)
    assert drain(site, ingest, worker.epoch) == 3
    assert site.spent() == 35
    assert position(site, worker.epoch) == worker.offset


async def test_a_missing_segment_is_loud_and_the_next_one_is_read(journal):
    site, worker, ingest, bad = journal
    add(worker, 1)
    worker.roll()
    gone = worker.home.journals / worker.epoch / f"{worker.offset:016x}.seg"
    add(worker, 2)
    worker.roll()
    add(worker, 3)
    gone.unlink()
    assert drain(site, ingest, worker.epoch) == 4
    assert len(bad) == 1


async def test_ingested_segments_are_deleted_but_never_the_newest(journal):
    site, worker, ingest, _ = journal
    for _ in range(3):
        add(worker, 2)
        worker.roll()
    drain(site, ingest, worker.epoch)
    left = sorted(path.name for path in (site.home.journals / worker.epoch).glob("*.seg"))
    assert left == [f"{worker.offset:016x}.seg"]


async def test_the_lag_is_what_lies_on_disk_beyond_the_cursor(journal, monkeypatch):
    monkeypatch.setattr(ingest_module, "INGEST_BATCH", 1)
    site, worker, ingest, _ = journal
    add(worker, 2)
    assert ingest.step(site.database, worker.epoch).lag_bytes == worker.offset // 2
    assert ingest.step(site.database, worker.epoch).lag_bytes == 0


async def test_a_running_controller_ingests_by_itself(site):
    site.apply()
    await site.start()
    worker = await site.worker()
    assert await worker.reserve("r1", (site.wallet, 1000))
    worker.settle("r1", 900, site.wallet)
    await site.until(lambda: site.spent() == 900, "the ingest", 1)
    assert len(site.database.read(list_usage)) == 1
