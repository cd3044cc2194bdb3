"""The controller: one process that owns the database, and answers the workers.

``run`` starts in this order: settle what dead workers left, compile the configuration, listen; then it keeps
ingesting, watching the configuration and burying until it is told to stop.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from sqlalchemy import Connection

from switchgear.control.configuration import Configuration
from switchgear.control.counting import TokenCounter
from switchgear.control.ingest import Ingest
from switchgear.control.leases import Leases
from switchgear.control.local_model import LocalModel
from switchgear.control.logins import Logins
from switchgear.control.metrics import Metrics
from switchgear.control.recovery import Recovery
from switchgear.control.responses import Responses
from switchgear.control.retention import DiskWatch, Retention
from switchgear.control.steady import SteadyClock
from switchgear.control.threads import StoreThreads
from switchgear.control.workers import Workers
from switchgear.kernel.clock import Clock, SystemClock
from switchgear.kernel.config import ServerConfig
from switchgear.kernel.home import Home
from switchgear.kernel.kept import Kept
from switchgear.kernel.limits import (
    CONFIG_POLL_INTERVAL_S,
    CONTROLLER_LOOK_INTERVAL_S,
    CONTROLLER_RETRY_S,
    DISK_LOOK_INTERVAL_S,
    DRIFT_INTERVAL_S,
    DRIFT_REST_FACTOR,
    HEALTH_PUSH_TIMEOUT_S,
    RETENTION_INTERVAL_S,
    THOUGHTS_BYTES_MAX,
    THOUGHTS_KEEP_S,
)
from switchgear.ledger.recover import EpochBuried, check_epoch, reconcile
from switchgear.link.peer import LinkAway, Peer
from switchgear.link.protocol import (
    Acquire,
    ChannelFault,
    ChannelHealth,
    CheckAdmin,
    ClaimBill,
    CountTokens,
    DropResponse,
    Failed,
    FindResponse,
    FindThoughts,
    FoundThoughts,
    Hello,
    JournalGrew,
    KeepResponse,
    KeepThoughts,
    KeyFound,
    KeyUnknown,
    LeaseTotals,
    LocalEndpoint,
    LookupKey,
    MetricsPage,
    Ok,
    Result,
    Returned,
    Stats,
    StopCalls,
    Stopped,
    Text,
    Welcome,
    WorkerCall,
    WorkerNotice,
)
from switchgear.link.unix import LinkServer
from switchgear.store.accounts import book_return, lease_totals
from switchgear.store.auditing import drift
from switchgear.store.db import Database, StoreError
from switchgear.store.epochs import epoch_state, open_epoch
from switchgear.store.keys import find_principal
from switchgear.store.leased import outstanding
from switchgear.store.node import load_node_id
from switchgear.store.vault import Vault, load_metrics_token

log = logging.getLogger(__name__)


class Controller:
    """Everything of the control plane, on one loop. The database stays the caller's to close."""

    def __init__(
        self,
        home: Home,
        database: Database,
        vault: Vault,
        pepper: bytes,
        clock: Clock | None = None,
        settings: ServerConfig = ServerConfig(),
    ) -> None:
        self._home = home
        self._pepper = pepper
        self._clock = clock or SystemClock()
        self.metrics = Metrics()
        self.workers = Workers()
        self._store = StoreThreads(database)
        self._ingest = Ingest(home, lambda: self.metrics.count("ingest_bad_records_total"))
        self._node = load_node_id(home)
        self._recovery = Recovery(home, self._store, self._ingest, self._clock, self._node)
        self._leases = Leases(self._store, self.workers, self._clock, self.metrics)
        self._configuration = Configuration(self._store, vault, self.workers, self.metrics, settings)
        self._steady = SteadyClock(self._clock)
        self._disk = DiskWatch(home.path, self.metrics)
        self._responses = Responses(
            self._store,
            self.workers,
            self._clock,
            settings.responses_retention_days,
            self._steady.now_ms,
            lambda: self._disk.is_low,
        )
        self._retention = Retention(
            self._store, self._steady, self._responses, self.metrics, settings.usage_retention_days
        )
        self._logins = Logins(self._store, self._clock, load_metrics_token(home))
        self._counter = TokenCounter()
        self._local_model = LocalModel(self._clock)
        self._thoughts = Kept(THOUGHTS_BYTES_MAX, THOUGHTS_KEEP_S)
        self.server = LinkServer(self._hello, self._call, self._notice, self._closed)
        self._journal_grew = asyncio.Event()
        self._worker_left = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lags: dict[str, int] = {}
        self._drift_stamp: object = None
        """Of the database when its balances were last added up."""
        self.workers.on_catch_up(self._ingest_all)

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until ``stop`` is set. Raises SnapshotError, StoreError or OSError when it can't start."""
        try:
            await self._recovery.adopt()
            await self._bury_dead()
            await self._configuration.load()
            await self._retention.load()
            await self.server.start(self._home.link_address())
            log.info("the controller listens", extra={"version": self._configuration.snapshot.version})
            self._spawn(self._repeat(self._ingest_all, CONTROLLER_LOOK_INTERVAL_S, self._journal_grew))
            self._spawn(self._repeat(self._bury_dead, CONTROLLER_LOOK_INTERVAL_S, self._worker_left))
            self._spawn(self._repeat(self._watch_configuration, CONFIG_POLL_INTERVAL_S))
            self._spawn(self._repeat(self._set_drift, DRIFT_INTERVAL_S))
            self._spawn(self._repeat(self._disk.look, DISK_LOOK_INTERVAL_S))
            self._spawn(self._repeat(self._retention.sweep, RETENTION_INTERVAL_S))
            await stop.wait()
        finally:
            await self._close()

    async def _close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.server.close()
        await self._book_the_rest()
        await self._local_model.close()
        await self._counter.close()
        self._logins.close()
        self._store.close()
        log.info("the controller has stopped")

    async def _book_the_rest(self) -> None:
        """What workers that have ended left in their journals; the others' is booked at the next start."""
        try:
            await self._recovery.sweep(frozenset())
        except StoreError as fault:
            log.error("journals stay until the next start", extra={"reason": str(fault)})

    # Workers come and go.

    def _hello(self, peer: Peer, hello: Hello) -> None:
        self._spawn(self._greet(peer, hello))

    async def _greet(self, peer: Peer, hello: Hello) -> None:
        """Books returns that were lost with the last connection, and says what the database knows."""
        now_ms = self._clock.now_ms()

        def reconciled(connection: Connection) -> list[tuple[str, int, int]]:
            if epoch_state(connection, hello.epoch) == "buried":
                check_epoch(hello.epoch, {hello.epoch})
            open_epoch(connection, hello.epoch, hello.worker_index, now_ms, self._node)
            said = [(lease.account, lease.granted, lease.returned) for lease in hello.leases]
            plan = reconcile(lease_totals(connection, hello.epoch), said)
            booked = {account for account, _ in plan.returns_to_book}
            for account, _, returned in plan.welcome_totals:
                if account in booked:
                    book_return(connection, account, hello.epoch, returned, now_ms)
            return lease_totals(connection, hello.epoch)

        try:
            totals = await self._store.write(reconciled)
            before = self.workers.add(hello.epoch, peer) if peer.is_open else None
            peer.send(
                Welcome(
                    self._pepper, self._configuration.snapshot, tuple(LeaseTotals(*total) for total in totals)
                )
            )
        except EpochBuried:
            log.warning("a buried epoch was refused", extra={"epoch": hello.epoch, "pid": hello.pid})
            peer.answer(0, Failed(f"the epoch {hello.epoch} is buried; start as a new one"))
            peer.close()
        except (StoreError, LinkAway) as fault:
            log.error("a worker could not be welcomed", extra={"epoch": hello.epoch, "reason": str(fault)})
            peer.abort("not welcomed")
        else:
            if before is not None and before is not peer:
                before.abort("the same epoch came by another connection")
            who = {"epoch": hello.epoch, "index": hello.worker_index, "pid": hello.pid}
            log.info("a worker is here", extra=who)
            self._leases.wake()
            self._journal_grew.set()

    def _closed(self, peer: Peer, reason: str) -> None:
        epoch = self.workers.remove(peer)
        if epoch is not None:
            self.metrics.disconnect(epoch)
            self._worker_left.set()
            log.info("a worker has left", extra={"epoch": epoch, "reason": reason})

    # What workers say.

    def _notice(self, peer: Peer, body: WorkerNotice) -> None:
        epoch = self.workers.epoch_of(peer)
        if epoch is None:
            peer.abort("a notice before a welcome")
        elif isinstance(body, JournalGrew):
            self._journal_grew.set()
        elif isinstance(body, Stats):
            self.metrics.take(epoch, body)
        elif isinstance(body, Returned):
            self._spawn(self._leases.book(epoch, body.totals))
        elif isinstance(body, ChannelHealth):
            self._spawn(self._pass_on_health(peer, body))
        elif isinstance(body, ChannelFault):
            self.metrics.count(f"channel_faults_total|channel={body.channel_id}|kind={body.kind}")
            log.error(
                "an upstream refuses a channel's credential",
                extra={"channel": body.channel_id, "kind": body.kind, "detail": body.detail[:500]},
            )

    async def _pass_on_health(self, peer: Peer, change: ChannelHealth) -> None:
        """What one worker learned of an upstream saves the others faults of their own."""
        try:
            await self.workers.tell_others(peer, change, HEALTH_PUSH_TIMEOUT_S)
        except LinkAway as fault:
            log.warning("a worker did not hear of an upstream's state", extra={"reason": str(fault)})

    def _call(self, peer: Peer, seq: int, body: WorkerCall) -> None:
        self._spawn(self._answer(peer, seq, body))

    async def _answer(self, peer: Peer, seq: int, body: WorkerCall) -> None:
        try:
            result = await self._result(peer, body)
        except StoreError as fault:
            result = Failed(str(fault))
        except Exception as fault:
            log.exception("a call failed", extra={"call": type(body).__name__})
            result = Failed(f"a fault of the controller: {type(fault).__name__}")
        try:
            peer.answer(seq, result)
        except LinkAway as fault:
            log.warning("an answer was not sent", extra={"call": type(body).__name__, "reason": str(fault)})

    async def _result(self, peer: Peer, body: WorkerCall) -> Result:
        if isinstance(body, Acquire):
            epoch = self.workers.epoch_of(peer)
            if epoch is None:
                return Failed("no Hello came before this")
            return await self._leases.acquire(epoch, body)
        if isinstance(body, LookupKey):
            principal = await self._store.read(lambda connection: find_principal(connection, body.digest))
            return KeyUnknown() if principal is None else KeyFound(principal)
        if isinstance(body, CountTokens):
            return await self._counter.count(body)
        if isinstance(body, LocalEndpoint):
            return await self._local_model.endpoint(body)
        if isinstance(body, KeepThoughts):
            return self._keep_thoughts(body)
        if isinstance(body, FindThoughts):
            return self._find_thoughts(body)
        if isinstance(body, MetricsPage):
            await self._set_gauges()
            return Text(self.metrics.page())
        if isinstance(body, CheckAdmin):
            return await self._logins.check(body)
        if isinstance(body, KeepResponse | FindResponse | DropResponse | ClaimBill):
            return await self._responses.answer(body)
        if isinstance(body, StopCalls):
            return Stopped(await self.workers.stop_calls(body))
        return await self._refresh()

    def _find_thoughts(self, body: FindThoughts) -> FoundThoughts:
        now_ns = self._clock.monotonic_ns()
        found = {key: self._thoughts.get(key, now_ns) for key in body.keys}
        return FoundThoughts({key: data for key, data in found.items() if data is not None})

    def _keep_thoughts(self, body: KeepThoughts) -> Ok:
        now_ns = self._clock.monotonic_ns()
        for key, data in body.thoughts.items():
            self._thoughts.put(key, data, now_ns)
        return Ok()

    # What goes on all the time.

    async def _ingest_all(self) -> None:
        for epoch in self.workers:
            records = 0
            while True:
                step = await self._store.work(partial(self._ingest.step, epoch=epoch))
                records += step.records
                self._lags[epoch] = step.lag_bytes
                if not step.more:
                    break
            if records:
                self.metrics.count("ingest_records_total", records)
                self._leases.wake()

    async def _bury_dead(self) -> bool:
        for epoch in await self._recovery.sweep(frozenset(self.workers)):
            self._lags.pop(epoch, None)
            self.metrics.bury(epoch)
            self._leases.wake()
        return self._recovery.unfinished

    async def _watch_configuration(self) -> None:
        if await self._configuration.is_stale():
            await self._refresh()

    async def _refresh(self) -> Result:
        result = await self._configuration.refresh()
        await self._leases.recall_overdrawn()
        self._leases.wake()
        return result

    async def _set_gauges(self) -> None:
        self.metrics.set("leases_outstanding_nanos", await self._store.read(outstanding))
        self.metrics.set("workers_live", len(self.workers))
        self.metrics.set("ingest_lag_bytes", sum(self._lags.values()))

    async def _set_drift(self) -> None:
        stamp = self._store.stamp()
        if stamp == self._drift_stamp:
            return
        began_ns = self._clock.monotonic_ns()
        self.metrics.set("ledger_drift_nanos", await self._store.read(drift))
        self._drift_stamp = stamp
        await asyncio.sleep((self._clock.monotonic_ns() - began_ns) * DRIFT_REST_FACTOR / 1e9)

    async def _repeat(
        self, work: Callable[[], Awaitable[object]], interval_s: float, sooner: asyncio.Event | None = None
    ) -> None:
        """Again and again: each ``interval_s``, at once when ``sooner`` is set, and soon after a fault, which
        is logged, or when ``work`` says True because it left something."""
        wake = sooner or asyncio.Event()
        while True:
            wake.clear()
            unfinished = True
            try:
                unfinished = await work() is True
            except StoreError as fault:
                log.error("the database is away", extra={"work": work.__name__, "reason": str(fault)})
            except Exception:
                log.exception("a fault of the controller", extra={"work": work.__name__})
            # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(interval_s, CONTROLLER_RETRY_S) if unfinished else interval_s):
                    await wake.wait()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
