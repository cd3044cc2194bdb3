"""Epochs of this node whose worker is gone: drain the journal, give the leases back, bury.

``live → ended`` (we hold the journal's lock, so its worker is dead) ``→ drained → buried → removed``. Each
step can be repeated after a crash: the lock is the kernel's, the cursor and the burial are transactions.
A lock that is free, or gone with its journal, proves nothing of another node's worker, whose journal lies
elsewhere: those epochs are left to their own node.
"""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from switchgear.control.ingest import Ingest
from switchgear.control.threads import StoreThreads
from switchgear.kernel.clock import Clock
from switchgear.kernel.home import Home
from switchgear.kernel.ids import id_time_ms
from switchgear.kernel.limits import EPOCH_UNKNOWN_MS_MIN
from switchgear.store.accounts import bury_epoch
from switchgear.store.epochs import adopt_epochs, epoch_state, live_epochs, open_epoch

log = logging.getLogger(__name__)


class Recovery:
    """Buries what is dead of one node. ``sweep`` may be called as often as one likes."""

    def __init__(self, home: Home, store: StoreThreads, ingest: Ingest, clock: Clock, node: str) -> None:
        self._home = home
        self._node = node
        self._store = store
        self._ingest = ingest
        self._clock = clock
        self.unfinished = False
        """Whether the last sweep left an epoch that is neither connected nor buried: its worker still dies,
        or it has only begun."""

    async def adopt(self) -> None:
        """Takes over the epochs of no node, and logs which other nodes have some. Raises StoreError."""
        adopted = await self._store.write(lambda connection: adopt_epochs(connection, self._node))
        if adopted:
            log.info("epochs of no node now belong to this one", extra={"epochs": adopted})
        others = {row.node for row in await self._store.read(live_epochs)} - {self._node}
        if others:
            log.info("live epochs of other nodes", extra={"nodes": ", ".join(sorted(others))})

    async def sweep(self, connected: frozenset[str]) -> list[str]:
        """Buries each epoch of this node that is not connected and whose worker is dead; says which. Raises
        StoreError."""
        rows = await self._store.read(live_epochs)
        live = [row.id for row in rows if row.node == self._node]
        known = {row.id for row in rows}
        others = [epoch for epoch in self._folders() if epoch not in known]
        ended = live + [epoch for epoch in others if self._is_old(epoch) or await self._is_buried(epoch)]
        buried = [epoch for epoch in ended if epoch not in connected and await self.bury(epoch)]
        self.unfinished = bool({*live, *others} - connected - set(buried))
        return buried

    async def bury(self, epoch: str) -> bool:
        """False while its worker lives. Raises StoreError; then the rest is done another time."""
        with self._lock(epoch) as locked:
            if not locked:
                return False
            if not await self._is_buried(epoch):
                await self._drain_and_bury(epoch)
            shutil.rmtree(self._home.journals / epoch, ignore_errors=True)
            self._ingest.forget(epoch)
        return True

    async def _is_buried(self, epoch: str) -> bool:
        return await self._store.read(lambda connection: epoch_state(connection, epoch)) == "buried"

    async def _drain_and_bury(self, epoch: str) -> None:
        now_ms = self._clock.now_ms()

        def make_known(connection: Connection) -> None:
            open_epoch(connection, epoch, 0, now_ms, self._node)  # a worker that died before its first Hello

        await self._store.write(make_known)
        records = 0
        while True:
            step = await self._store.work(lambda database: self._ingest.step(database, epoch, ended=True))
            records += step.records
            if not step.more:
                break
        back = await self._store.write(lambda connection: bury_epoch(connection, epoch, now_ms))
        log.info("an epoch was buried", extra={"epoch": epoch, "records": records, "nanos_back": back})

    @contextmanager
    def _lock(self, epoch: str) -> Iterator[bool]:
        """Whether the journal's lock is ours: then its worker is dead. So it is when the journal is gone."""
        try:
            descriptor = os.open(self._home.journals / epoch / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            yield True
            return
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def _folders(self) -> list[str]:
        try:
            return sorted(entry.name for entry in self._home.journals.iterdir() if entry.is_dir())
        except FileNotFoundError:
            return []

    def _is_old(self, epoch: str) -> bool:
        """A worker makes its folder first, then locks it; one this old has been locked, or never will be."""
        try:
            return self._clock.now_ms() - id_time_ms(epoch) > EPOCH_UNKNOWN_MS_MIN
        except ValueError:
            return False
