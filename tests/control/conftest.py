"""A data folder, its database, and a controller on the test's own loop."""

import asyncio
from pathlib import Path

import pytest
from tests.sim.ledger_worker import LedgerWorker

from switchgear.control.app import Controller
from switchgear.kernel.config import ChannelConfig, Config, GroupConfig, KeyConfig, PriceConfig, UserConfig
from switchgear.kernel.home import Home
from switchgear.ledger import chart
from switchgear.store.accounts import balance
from switchgear.store.apply import apply_config
from switchgear.store.auditing import audit_database, drift
from switchgear.store.db import Database, open_database
from switchgear.store.keys import list_keys
from switchgear.store.vault import Vault

PEPPER = b"p" * 32
USD = 1_000_000_000
KEY = "sk-" + "a" * 48


class Site:
    """One data folder and the life of its controllers and workers."""

    def __init__(self, path: Path, database: Path | None = None) -> None:
        self.home = Home(path)
        self.home.create()
        self.database: Database = open_database(database or self.home.database)
        self.vault = Vault(b"m" * 32)
        self.workers: list[LedgerWorker] = []
        self.controller: Controller | None = None
        self._run: asyncio.Task[None] | None = None

    def apply(self, *, balance_nanos: int = 10 * USD, quota_nanos: int | None = None, **more: tuple) -> None:
        config = Config(
            groups=(GroupConfig("default"),),
            users=(UserConfig("acme", balance_nanos),),
            keys=(KeyConfig("ci", "acme", key=KEY, quota_nanos=quota_nanos),),
            channels=more.get(
                "channels",
                (
                    ChannelConfig(
                        "main", "compatible", "http://127.0.0.1:1/v1", keys=("sk-up",), models=("m",)
                    ),
                ),
            ),
            prices=more.get("prices", (PriceConfig("m", {"input_uncached": 1000, "output_text": 1000}),)),
        )
        self.database.write(lambda connection: apply_config(connection, self.vault, PEPPER, config, 1))
        self.find_accounts()

    def find_accounts(self) -> None:
        principal = self.database.read(list_keys)[0]
        self.wallet, self.budget = principal.wallet, chart.budget(principal.key_id)

    async def start(self) -> None:
        """Starts a controller and waits until it listens."""
        self.stop = asyncio.Event()
        self.controller = Controller(self.home, self.database, self.vault, PEPPER)
        self._run = asyncio.create_task(self.controller.run(self.stop))
        async with asyncio.timeout(10):
            while self.controller.server._server is None and not self._run.done():  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.005)
        if self._run.done():
            self._run.result()

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self._run, 10)
        self._run = None

    async def worker(self, index: int = 0, epoch: str | None = None) -> LedgerWorker:
        worker = LedgerWorker(self.home, index, epoch)
        self.workers.append(worker)
        return await worker.start()

    def balance(self, account: str) -> int:
        return self.database.read(lambda connection: balance(connection, account))

    def spent(self) -> int:
        return self.balance(chart.revenue)

    async def until(self, condition, what: str, timeout_s: float = 20.0) -> None:
        """Waits for something that other tasks bring about; a wait with an end, not a pause."""
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110  # the condition lies in the database
                await asyncio.sleep(0.005)

    def audit(self) -> None:
        assert self.database.read(audit_database) == []
        assert self.database.read(drift) == 0

    async def close(self) -> None:
        for worker in self.workers:
            if worker.client._peer is not None:
                await worker.die()
        if self._run is not None:
            await self.end()
        self.audit()
        self.database.close()


@pytest.fixture
async def site(tmp_path):
    site = Site(tmp_path)
    yield site
    await site.close()
