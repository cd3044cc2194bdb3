"""Database work off the loop: one thread that writes, in the order of asking, and a few that read."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection

from switchgear.kernel.limits import STORE_READERS, STORE_TASKS_MAX
from switchgear.store.db import Database, StoreError

T = TypeVar("T")


class StoreThreads:
    """Runs functions on the database. Verbs raise StoreError when too much waits, or the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._readers = ThreadPoolExecutor(STORE_READERS, "store-reader")
        self._waiting = 0

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """``fn`` in one transaction, on the writer thread."""
        return await self._run(self._writer, lambda: self._database.write(fn))

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """``fn`` on one consistent view, on a reader thread."""
        return await self._run(self._readers, lambda: self._database.read(fn))

    async def work(self, fn: Callable[[Database], T]) -> T:
        """``fn`` on the writer thread, making transactions of its own; it must be short."""
        return await self._run(self._writer, lambda: fn(self._database))

    def stamp(self) -> object:
        """Differs from an earlier one if anybody has changed the database since."""
        return self._database.stamp()

    def close(self) -> None:
        """Ends the threads after what they do now."""
        self._writer.shutdown(wait=True, cancel_futures=True)
        self._readers.shutdown(wait=True, cancel_futures=True)

    async def _run(self, pool: ThreadPoolExecutor, fn: Callable[[], T]) -> T:
        if self._waiting >= STORE_TASKS_MAX:
            raise StoreError("too much is waiting for the database")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, fn)
        finally:
            self._waiting -= 1
