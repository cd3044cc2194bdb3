"""What is deleted by age or for room: expired responses and old records. And a look at the disk."""

import logging
import os
from functools import partial
from pathlib import Path

from switchgear.control.metrics import Metrics
from switchgear.control.responses import Responses
from switchgear.control.steady import SteadyClock
from switchgear.control.threads import StoreThreads
from switchgear.kernel.limits import DISK_FREE_BYTES_MIN
from switchgear.store.retention import DAY_MS, fold_leases, fold_records
from switchgear.store.steady import load_steady, save_steady

log = logging.getLogger(__name__)


class Retention:
    """Of one controller."""

    def __init__(
        self,
        store: StoreThreads,
        steady: SteadyClock,
        responses: Responses,
        metrics: Metrics,
        usage_days: int,
    ) -> None:
        self._store = store
        self._steady = steady
        self._responses = responses
        self._metrics = metrics
        self._usage_ms = usage_days * DAY_MS
        self._said_jump = False

    async def load(self) -> None:
        """What is known of time from earlier. Raises StoreError."""
        self._steady.resume(await self._store.read(load_steady))

    async def sweep(self) -> None:
        """Deletes what is due, some at a time, so that nobody waits long. Raises StoreError."""
        now_ms = self._steady.now_ms()
        self._say_jump()
        await self._store.write(partial(save_steady, state=self._steady.state))
        await self._responses.sweep(now_ms)
        before_ms = now_ms - self._usage_ms
        folded = 0
        while records := await self._store.write(partial(fold_records, before_ms=before_ms)):
            folded += records
        after = ""
        while after := await self._store.write(partial(fold_leases, before_ms=before_ms, after=after)):
            pass
        if folded:
            self._metrics.count("usage_folded_total", folded)
            log.info("old records were summed by day", extra={"records": folded})

    def _say_jump(self) -> None:
        if self._steady.has_jumped and not self._said_jump:
            log.error("the clock has jumped ahead; until it has held for a day nothing is deleted by age")
        self._said_jump = self._steady.has_jumped


class DiskWatch:
    """How much room the data folder's disk has. Below a bound nothing is kept but the ledger."""

    def __init__(self, folder: Path, metrics: Metrics) -> None:
        self._folder = folder
        self._metrics = metrics
        self.is_low = False

    async def look(self) -> None:
        found = os.statvfs(self._folder)
        free = found.f_bavail * found.f_frsize
        self._metrics.set("disk_free_bytes", free)
        is_low = free < DISK_FREE_BYTES_MIN
        if is_low != self.is_low:
            words = "the disk is nearly full; responses are not kept" if is_low else "the disk has room again"
            log.log(logging.ERROR if is_low else logging.INFO, words, extra={"free_bytes": free})
        self.is_low = is_low
