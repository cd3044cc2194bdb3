"""The configuration in force: compiled when its version moves, and pushed to every worker.

A configuration that does not compile changes nothing: the snapshot before it stays, and the log says why.
"""

import asyncio
import logging
import os

from sqlalchemy import Connection

from switchgear.catalog.price import Price
from switchgear.control.metrics import Metrics
from switchgear.control.snapshot import SnapshotError, compile_snapshot
from switchgear.control.threads import StoreThreads
from switchgear.control.workers import Workers
from switchgear.kernel.config import ServerConfig
from switchgear.kernel.limits import SNAPSHOT_PUSH_TIMEOUT_S
from switchgear.link.peer import LinkAway, Peer
from switchgear.link.protocol import Failed, NewSnapshot, Ok, Refreshed
from switchgear.link.snapshot import Snapshot
from switchgear.store.channels import ChannelRow, list_channels
from switchgear.store.db import StoreError
from switchgear.store.groups import list_groups, open_groups
from switchgear.store.prices import list_prices
from switchgear.store.rows import config_version
from switchgear.store.vault import Vault
from switchgear.vendors.shipped import shipped

log = logging.getLogger(__name__)
_Parts = tuple[int, dict[str, int], tuple[str, ...], list[ChannelRow], list[Price]]


class Configuration:
    """Holds the snapshot that workers serve by."""

    def __init__(
        self,
        store: StoreThreads,
        vault: Vault,
        workers: Workers,
        metrics: Metrics,
        settings: ServerConfig,
    ) -> None:
        self._store = store
        self._vault = vault
        self._workers = workers
        self._metrics = metrics
        self._settings = settings
        self._turn = asyncio.Lock()
        self._snapshot: Snapshot | None = None
        self._failed_version: int | None = None
        self._stamp: object = None
        """Of the database when there was nothing new in it."""

    @property
    def snapshot(self) -> Snapshot:
        """The one in force. Raises RuntimeError before ``load``."""
        if self._snapshot is None:
            raise RuntimeError("no configuration was loaded")
        return self._snapshot

    async def load(self) -> None:
        """Compiles what the database says now. Raises SnapshotError and StoreError."""
        version, groups, open_to_all, channels, prices = await self._store.read(self._parts)
        try:
            self._snapshot = compile_snapshot(
                version,
                groups,
                channels,
                prices,
                shipped(),
                os.environ,
                self._settings,
                open_to_all,
            )
        except SnapshotError:
            self._failed_version = version
            raise
        self._failed_version = None
        self._metrics.set("config_version", version)

    async def is_stale(self) -> bool:
        """Whether the database has a version that was neither compiled nor refused. Raises StoreError."""
        stamp = self._store.stamp()
        if stamp == self._stamp:
            return False
        version = await self._store.read(config_version)
        if version not in (self.snapshot.version, self._failed_version):
            return True
        self._stamp = stamp
        return False

    async def refresh(self) -> Refreshed | Failed:
        """Compiles, pushes to all connected workers, and answers when they have it, or after a while."""
        async with self._turn:
            try:
                await self.load()
            except (SnapshotError, StoreError) as fault:
                self._metrics.count("snapshot_failures_total")
                log.error("a bad configuration; the one before stays", extra={"reason": str(fault)})
                return Failed(str(fault))
            peers = [peer for epoch in self._workers if (peer := self._workers.peer_of(epoch)) is not None]
            took = await asyncio.gather(*(self._push(peer) for peer in peers))
            log.info("configuration pushed", extra={"version": self.snapshot.version, "workers": sum(took)})
            return Refreshed(self.snapshot.version, sum(took))

    async def _push(self, peer: Peer) -> bool:
        try:
            return await peer.call(NewSnapshot(self.snapshot), SNAPSHOT_PUSH_TIMEOUT_S) == Ok()
        except LinkAway as fault:
            log.warning("a worker did not take the configuration", extra={"reason": str(fault)})
            return False

    def _parts(self, connection: Connection) -> _Parts:
        return (
            config_version(connection),
            list_groups(connection),
            open_groups(connection),
            list_channels(connection, self._vault),
            list_prices(connection),
        )
