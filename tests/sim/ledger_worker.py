"""A worker reduced to what the controller sees of it: a link, a lease book, a journal with its lock."""

import asyncio
import fcntl
import os
import time

from switchgear.kernel.home import Home
from switchgear.kernel.ids import new_id
from switchgear.ledger.journal import frame, segment_name
from switchgear.ledger.lease import LeaseBook
from switchgear.ledger.record import encode_record
from switchgear.link.protocol import (
    Acquire,
    Acquired,
    ChannelHealth,
    ControllerCall,
    Hello,
    JournalGrew,
    LeaseTotals,
    Ok,
    Recall,
    Result,
    Returned,
    Welcome,
)
from switchgear.link.unix import LinkClient
from tests.sim.ledger_parts import usage_record

ANSWER_TIMEOUT_S = 60.0
"""Far above the link's own: real funds ask one at a time, and here hundreds may queue for the one writer."""


class LedgerWorker:
    """One worker life. ``die`` is a SIGKILL: the lock and the link go, nothing is flushed or said."""

    def __init__(self, home: Home, index: int = 0, epoch: str | None = None) -> None:
        self.home = home
        self.index = index
        self.epoch = epoch or new_id()
        self.book = LeaseBook()
        self.client = LinkClient()
        self.welcome: Welcome | None = None
        self.refused: asyncio.Queue[str] = asyncio.Queue()
        self.recalls: list[tuple[float, Recall]] = []
        self.versions: list[int] = []
        self.health: list[ChannelHealth] = []
        self.offset = 0
        self.last: Acquired | None = None

    async def start(self) -> "LedgerWorker":
        self.open_journal()
        self.connect()
        async with asyncio.timeout(5):
            await self.client.wait_welcome()
        return self

    def open_journal(self) -> None:
        folder = self.home.journals / self.epoch
        folder.mkdir(mode=0o700)
        self.lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.roll()

    def roll(self) -> None:
        """Starts a new segment."""
        if self.offset:
            os.close(self.segment)
        path = self.home.journals / self.epoch / segment_name(self.offset)
        self.segment = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def connect(self) -> None:
        self.client.connect(
            self.home.link_address(),
            self._hello,
            self._welcomed,
            self._called,
            lambda _: None,
            self.refused.put_nowait,
        )

    async def reserve(self, reservation: str, *legs: tuple[str, int]) -> bool:
        """Holds the legs, asking the controller for what is missing. False: not covered."""
        while (shortfall := self.book.reserve(reservation, legs)) is not None:
            self.last = await self.client.call(Acquire(shortfall.needs, True), ANSWER_TIMEOUT_S)
            assert isinstance(self.last, Acquired), self.last
            self._learn(self.last.totals)
            if not self.last.covered:
                return self.book.reserve(reservation, legs) is None
        return True

    def settle(self, reservation: str, nanos: int, wallet: str, budget: str = "") -> None:
        """Ends a reservation and journals its record under the reservation's name."""
        paid = self.book.settle(reservation, nanos, time.monotonic_ns())
        self.append(encode_record(usage_record(reservation, nanos, wallet, budget)))
        if paid:
            self.say_returned(paid)

    def append(self, payload: bytes) -> None:
        self.write(frame(payload))
        self.client.notify(JournalGrew(self.offset))

    def write(self, data: bytes) -> None:
        os.write(self.segment, data)
        self.offset += len(data)

    def say_returned(self, accounts: tuple[str, ...] | None = None) -> None:
        self.client.notify(Returned(self.totals(accounts)))

    def totals(self, accounts: tuple[str, ...] | None = None) -> tuple[LeaseTotals, ...]:
        return tuple(LeaseTotals(*total) for total in self.book.totals(accounts))

    async def leave(self) -> None:
        """A clean end: gives everything back, says so, and goes."""
        self.book.give_back_all()
        self.say_returned()
        await self.client.close()
        self._unlock()

    async def die(self) -> None:
        if self.client._peer is not None:
            self.client._peer.abort("killed")
        await self.client.close()
        self._unlock()

    def _unlock(self) -> None:
        os.close(self.segment)
        os.close(self.lock)

    def _hello(self) -> Hello:
        return Hello(self.epoch, self.index, os.getpid(), 0, self.totals())

    def _welcomed(self, welcome: Welcome) -> None:
        self.welcome = welcome
        self._learn(welcome.leases)

    def _learn(self, totals: tuple[LeaseTotals, ...]) -> None:
        for lease in totals:
            self.book.apply_grant(lease.account, lease.granted)

    def _called(self, call: ControllerCall) -> Result:
        if isinstance(call, Recall):
            self.recalls.append((time.monotonic(), call))
            now_ns = time.monotonic_ns()
            self.book.recall(call.account, call.nanos, now_ns + call.hold_ms * 1_000_000, now_ns)
            return Returned(self.totals((call.account,)))
        if isinstance(call, ChannelHealth):
            self.health.append(call)
            return Ok()
        self.versions.append(call.snapshot.version)
        return Ok()
