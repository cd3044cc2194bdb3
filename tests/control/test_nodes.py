"""Two data folders on one database. Without these the controller of one node could bury the living workers of
another, and give back money that they still spend."""

import shutil
from pathlib import Path

import pytest
from tests.control.conftest import Site

from switchgear.kernel.home import Home
from switchgear.store.backup import backup
from switchgear.store.db import StoreError
from switchgear.store.epochs import epoch_state, live_epochs, open_epoch
from switchgear.store.node import load_node_id

OLD = f"{1:012x}" + "0" * 20


@pytest.fixture
async def nodes(tmp_path: Path):
    first = Site(tmp_path / "first")
    second = Site(tmp_path / "second", first.home.database)
    first.apply(balance_nanos=1000)
    second.find_accounts()
    yield first, second
    await second.close()
    await first.close()


def state(site: Site, epoch: str) -> str | None:
    return site.database.read(lambda connection: epoch_state(connection, epoch))


async def test_a_node_never_buries_the_living_workers_of_another(nodes) -> None:
    first, second = nodes
    await first.start()
    worker = await first.worker()
    assert await worker.reserve("r1", (first.wallet, 600))
    await second.start()  # sweeps before it listens
    other = await second.worker()
    assert await other.reserve("r2", (second.wallet, 300))
    for site in (second, first, second):
        await site.controller._bury_dead()
    assert (state(first, worker.epoch), state(first, other.epoch)) == ("live", "live")
    assert first.balance(first.wallet) == 100
    worker.settle("r1", 500, first.wallet)
    other.settle("r2", 250, second.wallet)
    await first.until(lambda: first.spent() == 750, "the ingest of both journals")


async def test_each_node_buries_its_own_dead_and_money_is_exact(nodes) -> None:
    first, second = nodes
    await first.start()
    await second.start()
    worker, other = await first.worker(), await second.worker()
    assert await worker.reserve("r1", (first.wallet, 600))
    assert await other.reserve("r2", (second.wallet, 300))
    await first.end()
    worker.settle("r1", 500, first.wallet)
    await worker.die()
    await other.die()
    await second.until(lambda: state(second, other.epoch) == "buried", "the burial of its own")
    await second.controller._bury_dead()
    assert not second.controller._recovery.unfinished  # or it would look again and again for nothing
    assert (state(first, worker.epoch), first.spent(), first.balance(first.wallet)) == ("live", 0, 400)
    await first.start()
    assert state(first, worker.epoch) == "buried"
    assert (first.spent(), first.balance(first.wallet)) == (500, 500)


async def test_a_stop_of_one_node_leaves_the_other_s_leases(nodes) -> None:
    first, second = nodes
    await first.start()
    worker = await first.worker()
    assert await worker.reserve("r1", (first.wallet, 1000))
    await second.start()
    await second.end()
    assert state(first, worker.epoch) == "live"
    assert first.balance(first.wallet) == 0


async def test_a_lost_journal_frees_the_lease_of_its_own_node_only(nodes) -> None:
    first, second = nodes
    await first.start()
    worker = await first.worker()
    assert await worker.reserve("r1", (first.wallet, 1000))
    shutil.rmtree(first.home.journals / worker.epoch)
    await second.start()
    await second.controller._bury_dead()
    assert (state(second, worker.epoch), second.balance(second.wallet)) == ("live", 0)
    await worker.die()
    await first.until(lambda: first.balance(first.wallet) == 1000, "the burial")


async def test_journals_copied_from_another_node_are_left_alone(nodes) -> None:
    first, second = nodes
    await first.start()
    worker = await first.worker(0, OLD)  # older than a folder that may be about to be locked
    assert await worker.reserve("r1", (first.wallet, 600))
    shutil.copytree(first.home.journals / worker.epoch, second.home.journals / worker.epoch)
    await second.start()
    assert (state(second, worker.epoch), second.spent()) == ("live", 0)
    worker.settle("r1", 600, first.wallet)
    await first.until(lambda: first.spent() == 600, "the ingest")


async def test_live_epochs_of_another_node_are_named_at_the_start(nodes, caplog) -> None:
    first, second = nodes
    await first.start()
    worker = await first.worker()
    caplog.set_level("INFO", "switchgear.control.recovery")
    await second.start()
    (line,) = [record for record in caplog.records if record.message == "live epochs of other nodes"]
    assert line.nodes == load_node_id(first.home)
    assert state(first, worker.epoch) == "live"


async def test_epochs_of_no_node_go_to_the_one_that_starts(site) -> None:
    site.apply()
    site.database.write(lambda connection: open_epoch(connection, OLD, 0, 1, ""))
    await site.start()
    assert state(site, OLD) == "buried"


async def test_a_restored_copy_goes_on_in_a_folder_of_its_own(site, tmp_path: Path) -> None:
    """Its epochs' workers are no more, wherever they were; their leases must not stay out for good."""
    site.apply(balance_nanos=1000)
    await site.start()
    worker = await site.worker()
    assert await worker.reserve("r1", (site.wallet, 600))
    (tmp_path / "fresh").mkdir()
    backup(site.database, tmp_path / "fresh" / "switchgear.db")
    assert {row.node for row in site.database.read(live_epochs)} == {load_node_id(site.home)}
    restored = Site(tmp_path / "fresh")
    await restored.start()
    assert (state(restored, worker.epoch), restored.balance(site.wallet)) == ("buried", 1000)
    await restored.close()


def test_a_node_s_id_is_made_once_and_survives(tmp_path: Path) -> None:
    home, other = Home(tmp_path / "a"), Home(tmp_path / "b")
    node = load_node_id(home)
    assert load_node_id(home) == node != load_node_id(other)
    assert home.node.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.path.iterdir()] == ["node"]


@pytest.mark.parametrize("content", [b"", b"main\n", b"\xff\xfe", b"../" * 11])
def test_a_spoiled_id_stops_the_start_with_one_line(tmp_path: Path, content: bytes) -> None:
    home = Home(tmp_path)
    home.node.write_bytes(content)
    with pytest.raises(StoreError, match="/node: ") as fault:
        load_node_id(home)
    assert "\n" not in str(fault.value)
