"""The controller's answers, and its process. Without these a changed configuration could not reach the
workers, a bad one could replace a good one, or the process could outlive its parent."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.control.conftest import KEY, PEPPER

import switchgear
from switchgear.control.configuration import Configuration
from switchgear.control.snapshot import SnapshotError
from switchgear.kernel.config import ChannelConfig, ServerConfig
from switchgear.kernel.home import Home
from switchgear.kernel.secret import key_digest
from switchgear.link.protocol import (
    ChannelFault,
    ChannelHealth,
    CheckAdmin,
    CountTokens,
    Failed,
    KeyFound,
    KeyUnknown,
    LookupKey,
    MetricsPage,
    Ok,
    Stats,
    Text,
    TokenCount,
)
from switchgear.link.unix import LinkAway, call_once, refresh
from switchgear.serve.boot import Boot
from switchgear.store.admins import ensure_admin
from switchgear.store.db import StoreBusy, StoreError
from switchgear.store.keys import set_key_status


async def test_a_key_is_found_by_its_digest_and_an_unknown_one_is_said_to_be(site):
    site.apply()
    await site.start()
    worker = await site.worker()
    found = await worker.client.call(LookupKey(key_digest(KEY, PEPPER)))
    assert isinstance(found, KeyFound)
    assert (found.principal.key_name, found.principal.wallet) == ("ci", site.wallet)
    assert await worker.client.call(LookupKey(b"x" * 32)) == KeyUnknown()


async def test_the_welcome_brings_pepper_and_configuration(site):
    site.apply()
    await site.start()
    worker = await site.worker()
    assert worker.welcome.pepper == PEPPER
    assert worker.welcome.snapshot.channels[0].secrets == ("sk-up",)


async def test_a_refresh_answers_when_every_worker_has_the_new_configuration(site):
    site.apply()
    await site.start()
    workers = [await site.worker(0), await site.worker(1)]
    other = ChannelConfig("two", "compatible", "http://127.0.0.1:2", keys=("k",), models=("n",))
    site.apply(channels=(other,))
    answer = await refresh(site.home)
    assert answer.workers == 2
    assert all(answer.version in worker.versions for worker in workers)


async def test_a_change_is_noticed_without_being_told(site):
    site.apply()
    await site.start()
    worker = await site.worker()
    site.database.write(lambda connection: set_key_status(connection, "ci", True))
    await site.until(lambda: worker.versions, "the push")
    found = await worker.client.call(LookupKey(key_digest(KEY, PEPPER)))
    assert found.principal.status == "key_disabled"


async def test_a_change_is_noticed_though_the_database_is_busy_when_it_is_to_be_read(site, monkeypatch):
    site.apply()
    await site.start()
    worker = await site.worker()
    load, faults = Configuration.load, [StoreBusy("another writer"), StoreError("no memory")]

    async def busy_at_first(self: Configuration) -> None:
        if faults:
            raise faults.pop()
        await load(self)

    monkeypatch.setattr(Configuration, "load", busy_at_first)
    site.database.write(lambda connection: set_key_status(connection, "ci", True))
    await site.until(lambda: worker.versions, "the push")
    assert not faults


async def test_a_configuration_that_does_not_compile_changes_nothing(site, caplog):
    site.apply()
    await site.start()
    worker = await site.worker()
    site.apply(channels=(ChannelConfig("bad", "no-such-vendor", keys=("k",)),))
    with pytest.raises(LinkAway, match="no-such-vendor"):
        await refresh(site.home)
    assert not worker.versions
    assert "the one before stays" in caplog.text
    late = await site.worker(1)
    assert [view.name for view in late.welcome.snapshot.channels] == ["main"]


async def test_a_configuration_that_does_not_compile_stops_the_start(site):
    site.apply(channels=(ChannelConfig("bad", "no-such-vendor", keys=("k",)),))
    with pytest.raises(SnapshotError):
        await site.start()
    site._run = None


async def test_stats_and_own_gauges_stand_on_the_page(site):
    site.apply(balance_nanos=1000)
    await site.start()
    worker = await site.worker()
    assert await worker.reserve("r1", (site.wallet, 400))
    worker.client.notify(Stats({"requests_total": 3}, {}, {}))
    worker.client.notify(ChannelFault("c1", "auth", "401"))
    async with asyncio.timeout(5):
        while True:
            page = await worker.client.call(MetricsPage())
            assert isinstance(page, Text)
            if "switchgear_leases_outstanding_nanos 400.0" in page.text:
                break
            await asyncio.sleep(0.05)
    assert "switchgear_requests_total 3.0" in page.text
    assert "switchgear_ledger_drift_nanos 0.0" in page.text
    assert 'switchgear_channel_faults_total{channel="c1",kind="auth"} 1.0' in page.text


async def test_what_one_worker_finds_out_about_an_upstream_reaches_the_others(site):
    site.apply()
    await site.start()
    first, second, third = [await site.worker(index) for index in range(3)]
    change = ChannelHealth("out", "c1", "m", rest_ms=30_000, times=1)
    first.client.notify(change)
    await site.until(lambda: second.health and third.health, "the news")
    assert second.health == third.health == [change]
    assert first.health == []


async def test_admins_and_token_counts(site):
    site.apply()
    name, password = site.database.write(ensure_admin)
    await site.start()
    worker = await site.worker()
    assert await worker.client.call(CheckAdmin(name, password, "10.0.0.1")) == Ok()
    assert isinstance(await worker.client.call(CheckAdmin(name, "wrong", "10.0.0.1")), Failed)
    assert await worker.client.call(CountTokens("hello world", "gpt-5.2")) == TokenCount(2)


def start_process(path: Path, parent: int) -> subprocess.Popen:
    """``parent``: the reading end of the pipe that ends with the parent."""
    env = {**os.environ, "PYTHONPATH": str(Path(switchgear.__file__).parents[1])}
    boot = Boot(str(path), ServerConfig()).write()
    try:
        options = [f"--boot-fd={boot}", f"--parent-fd={parent}"]
        command = [sys.executable, "-m", "switchgear.serve.controller", *options]
        pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE}
        return subprocess.Popen(command, env=env, pass_fds=(boot, parent), **pipes)
    finally:
        os.close(boot)


async def listening(process: subprocess.Popen, home: Home) -> None:
    async with asyncio.timeout(60):
        while process.poll() is None:
            with contextlib.suppress(LinkAway):
                if await call_once(home, MetricsPage()) is not None:
                    return
            await asyncio.sleep(0.02)
    raise AssertionError(process.stderr.read().decode())


@pytest.mark.process
@pytest.mark.parametrize("how", ["sigterm", "parent"])
async def test_the_process_stops_cleanly_and_logs_json(tmp_path, how):
    home = Home(tmp_path)
    reading, writing = os.pipe()
    process = start_process(tmp_path, reading)
    os.close(reading)
    try:
        await listening(process, home)
        if how == "sigterm":
            process.send_signal(signal.SIGTERM)
        else:
            os.close(writing)
        out, err = await asyncio.to_thread(process.communicate, timeout=10)
    finally:
        process.kill()
        if how == "sigterm":
            os.close(writing)
    assert (process.returncode, out) == (0, b"")
    lines = [msgspec.json.decode(line) for line in err.splitlines()]
    assert [line["message"] for line in lines][-1] == "the controller has stopped"
    assert {line["role"] for line in lines} == {"controller"}


@pytest.mark.process
async def test_a_folder_that_can_not_be_used_is_one_line_and_a_failure(tmp_path):
    (tmp_path / "file").write_text("")
    reading, writing = os.pipe()
    process = start_process(tmp_path / "file", reading)
    os.close(reading)
    _, err = await asyncio.to_thread(process.communicate, timeout=20)
    os.close(writing)
    assert process.returncode == 1
    assert len(err.splitlines()) == 1
    assert b"can't run" in err
