"""P2 on the data folder of a real server: without it a torn journal could hide, double or invent charges."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.e2e import client, settings
from tests.e2e.harness import Server

from switchgear.control.app import Controller
from switchgear.kernel.home import Home
from switchgear.ledger import chart
from switchgear.ledger.audit import faults
from switchgear.ledger.journal import HEADER_BYTES, scan
from switchgear.ledger.record import UsageRecord, decode_record
from switchgear.store.accounts import balance
from switchgear.store.auditing import audit_database, drift
from switchgear.store.db import open_database
from switchgear.store.epochs import cursor
from switchgear.store.usage import list_usage
from switchgear.store.vault import load_pepper, load_vault

CLIENTS = 6
BOOKED, UNBOOKED = 30, 60
"""Replies before the controller is held up, and after: the latter stand in the journal alone."""
CUTS = FLIPS = 8
RECORDS_MAX = 10_000
MODEL = "gpt-5.2"


class Snapshot(msgspec.Struct):
    """The folder as it was at one moment of the run, and what is known of it."""

    folder: Path
    segment: Path
    """Of the journal, within the folder."""
    booked: dict[str, int]
    """Request id → nanos, in the database."""
    position: int
    """How far the journal was booked."""
    journal: list[tuple[int, UsageRecord]]
    """(offset after it, record), all there are."""
    seen: set[str]
    """Request ids of replies that a client saw end."""

    def kept(self, sound_bytes: int) -> dict[str, int]:
        """What has to be in the books if only so much of the journal is left."""
        whole = {one.request_id: one.charge.nanos for end, one in self.journal if end <= sound_bytes}
        return self.booked | whole


async def caller(server: Server, key: str, chance: random.Random, seen: set[str]) -> None:
    while True:
        call = {"model": MODEL, "max_tokens": 8, "stream": chance.random() < 0.5}
        call["messages"] = [{"role": "user", "content": "word " * chance.randrange(1, 40)}]
        with contextlib.suppress(TimeoutError):
            reply = await client.call(server.port, key, call)
            if reply.status == 200 and reply.has_ended:
                seen.add(reply.request_id)


async def until(seen: set[str], count: int) -> None:
    async with asyncio.timeout(20):
        while len(seen) < count:  # noqa: ASYNC110  # the clients are the event
            await asyncio.sleep(0.01)


async def cut(server: Server, key: str, target: Path) -> set[str]:
    """Copies the folder in the middle of a run; the replies seen by then."""
    seen: set[str] = set()
    tasks = [asyncio.create_task(caller(server, key, random.Random(n), seen)) for n in range(CLIENTS)]
    held = []
    try:
        await until(seen, BOOKED)
        for role, more in (("controller", UNBOOKED), ("supervisor", 0), ("worker", 0)):
            for pid in server.pids(role):
                os.kill(pid, signal.SIGSTOP)
                held.append(pid)
            await until(seen, len(seen) + more)
        by_then = set(seen)
        sockets = shutil.ignore_patterns("*.sock")
        await asyncio.to_thread(shutil.copytree, server.data, target, ignore=sockets)
        return by_then
    finally:
        for pid in held:
            os.kill(pid, signal.SIGCONT)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def look(folder: Path) -> tuple[dict[str, int], list[str]]:
    """The charges in a folder's database by request id, and what is wrong with it."""
    with contextlib.closing(open_database(Home(folder).database)) as database:
        records = database.read(lambda connection: list_usage(connection, limit=RECORDS_MAX))
        charges = {record.request_id: record.charge.nanos for record in records}
        wrong = [str(one) for one in faults(database.read(audit_database))]
        off, spent = (
            database.read(drift),
            database.read(lambda connection: balance(connection, chart.revenue)),
        )
    if len(charges) != len(records) or off or spent != sum(charges.values()):
        wrong.append(f"{len(records)} records of {len(charges)} requests, {off} off, {spent} nanos spent")
    return charges, wrong


def taken(folder: Path, seen: set[str]) -> Snapshot:
    (segment,) = (folder / "journals").glob("*/*.seg")
    data = segment.read_bytes()
    payloads = scan(data).payloads
    ends = [sum(HEADER_BYTES + len(one) for one in payloads[: n + 1]) for n in range(len(payloads))]
    booked, wrong = look(folder)
    assert wrong == []
    with contextlib.closing(open_database(Home(folder).database)) as database:
        position = database.read(lambda connection: cursor(connection, segment.parent.name))
    journal = list(zip(ends, map(decode_record, payloads), strict=True))
    return Snapshot(folder, segment.relative_to(folder), booked, position, journal, seen)


async def recover(folder: Path) -> None:
    """The start of a controller, which settles what dead workers left, and its end."""
    home = Home(folder)
    stop = asyncio.Event()
    stop.set()
    with contextlib.closing(open_database(home.database)) as database:
        await Controller(home, database, load_vault(home), load_pepper(home)).run(stop)


def damages(snapshot: Snapshot) -> Iterator[tuple[str, bytes | None, int]]:
    """(what it is, the segment after it, bytes of it that are sound); None: the segment is gone."""
    data = (snapshot.folder / snapshot.segment).read_bytes()
    chance = random.Random(2)
    yield "nothing", data, len(data)
    yield "all of it gone", None, 0
    yield "emptied", b"", 0
    yield "zeroes after it, as a file system leaves them", data + bytes(4096), len(data)
    spots = [snapshot.position, snapshot.position // 2, len(data) - 1]
    for at in spots + [chance.randrange(snapshot.position, len(data)) for _ in range(CUTS)]:
        yield f"cut at {at}", data[:at], at
    for at in [chance.randrange(snapshot.position, len(data)) for _ in range(FLIPS)]:
        flipped = bytes((data[at] ^ 1 << chance.randrange(8),))
        yield f"flipped at {at}", data[:at] + flipped + data[at + 1 :], at


@pytest.mark.process
async def test_a_power_cut_keeps_what_is_on_the_disk_and_invents_nothing(
    upstream_url: str, tmp_path: Path
) -> None:
    key = settings.fresh_key()
    text = settings.usual(upstream_url, [MODEL], key)
    server = Server(text, workers=1)
    try:
        await asyncio.to_thread(server.start)
        seen = await cut(server, key, tmp_path / "copy")
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.assert_audit_clean)
        snapshot = taken(tmp_path / "copy", seen)
        whole = snapshot.kept(snapshot.journal[-1][0])
        assert seen <= whole.keys()
        assert len(whole) - len(snapshot.booked) >= UNBOOKED // 2
        for number, (what, data, sound_bytes) in enumerate(damages(snapshot)):
            folder = shutil.copytree(snapshot.folder, tmp_path / str(number))
            if data is None:
                (folder / snapshot.segment).unlink()
            else:
                (folder / snapshot.segment).write_bytes(data)
            for _ in range(2):  # the second finds nothing left to do
                await recover(folder)
                charges, wrong = look(folder)
                assert wrong == [], what
                assert charges == snapshot.kept(sound_bytes), what
            if number < 2:
                done = await asyncio.to_thread(server.run_plain, "audit", "--data", str(folder))
                assert done.returncode == 0, f"{what}: {done.stdout}{done.stderr}"
            shutil.rmtree(folder)
    finally:
        await asyncio.to_thread(server.close)
