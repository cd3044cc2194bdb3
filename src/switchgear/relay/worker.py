"""One relay worker: its parts put together, from the first frame to the controller until the last lease is
returned.

States: connecting (no snapshot yet, not ready) → serving → draining → gone.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from switchgear.kernel.clock import Clock, SystemClock
from switchgear.kernel.home import Home
from switchgear.kernel.ids import new_id
from switchgear.kernel.limits import CONNECTIONS_MAX, REPLY_BODIES_BYTES_MAX, REQUEST_BODIES_BYTES_MAX
from switchgear.kernel.log import LogFormat
from switchgear.link.bulk import BulkLink
from switchgear.link.protocol import (
    ChannelHealth,
    ControllerCall,
    CountTokens,
    Failed,
    Hello,
    JournalGrew,
    KeyFound,
    KeyUnknown,
    LookupKey,
    NewSnapshot,
    Ok,
    Recall,
    Result,
    Stats,
    StopCalls,
    Stopped,
    StopResponse,
    TokenCount,
    Welcome,
)
from switchgear.link.snapshot import Principal
from switchgear.link.unix import LinkClient
from switchgear.net.fetch import Fetcher
from switchgear.net.transport import Transport
from switchgear.relay.addresses import is_within, parse_address
from switchgear.relay.app import App
from switchgear.relay.call import Books
from switchgear.relay.directory import Directory
from switchgear.relay.files import Files
from switchgear.relay.following import Follower
from switchgear.relay.funds import Funds
from switchgear.relay.health import Health
from switchgear.relay.http1.server import HttpServer
from switchgear.relay.journal import Journal, JournalBroken
from switchgear.relay.limiter import RateTable
from switchgear.relay.locate import Locator
from switchgear.relay.metrics import Meters
from switchgear.relay.owned import Owned
from switchgear.relay.pace import Paces
from switchgear.relay.pipeline import Pipeline
from switchgear.relay.refusals import RefusalLines, RefusedRecords
from switchgear.relay.requestlog import RequestLog, line_writer
from switchgear.relay.responses import Responses
from switchgear.relay.room import Rooms
from switchgear.relay.seals import EnvelopeSeals
from switchgear.relay.thoughts import KeptThoughts
from switchgear.relay.tools import Tools
from switchgear.relay.upstream_store import UpstreamStore
from switchgear.relay.view import View

STATS_INTERVAL_S = 1.0
HINT_INTERVAL_S = 0.05
COUNT_TIMEOUT_S = 2.0
"""The first count after a while waits for a vocabulary to be loaded, some 0.4 s."""
LAST_WORDS_S = 1.0
"""For calls that were cut off at the end of a drain to tell their clients."""

log = logging.getLogger("switchgear.worker")


class Worker:
    """Owns the journal, the leases and the upstream pool of one process."""

    def __init__(
        self,
        home: Home,
        index: int,
        transport: Transport,
        clock: Clock | None = None,
        log_format: LogFormat = "json",
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        """Takes the journal's lock. Raises OSError when the data folder can't be used."""
        self._home = home
        self._connections_max = connections_max
        self._index = index
        self._clock = clock or SystemClock()
        self.epoch = new_id()
        self._journal = Journal(home.journals / self.epoch, self._journal_grew)
        self._limiter = RateTable(home.rates, index)
        self._link = LinkClient()
        self._view: View | None = None
        self._health = Health(self._report_health)
        self._funds = Funds(self._link.call, self._link.notify, self._clock)
        self._directory = Directory(self._look_up, self._clock)
        self._meters = Meters()
        self._log = RequestLog(2, line_writer(log_format), wanted=log.isEnabledFor(logging.INFO))
        self._transport = transport
        self._files = Files(Fetcher())
        self._refused_records = RefusedRecords()
        self._hint_timer: asyncio.TimerHandle | None = None
        self._reported: Stats | None = None
        self._draining = False
        self._is_announced = False
        self._refused = asyncio.Event()
        books = Books(
            self._journal,
            self._funds,
            self._limiter,
            self._meters,
            self._log,
            self._clock,
            self._refused_records,
        )
        locator = Locator(self._link.call)
        responses = Responses(
            BulkLink(home).call, lambda: self._directory.pepper, self._meters, self._clock, self.epoch
        )
        self._rooms = Rooms(REQUEST_BODIES_BYTES_MAX, REPLY_BODIES_BYTES_MAX)
        upstream_store = UpstreamStore(transport, locator, self._clock, self._rooms.replies)
        self._follower = Follower(books, upstream_store, responses, self._current)
        tools = Tools(
            books,
            self._directory,
            self._health,
            transport,
            locator,
            self._count,
            EnvelopeSeals(lambda: self._directory.pepper),
            self._files,
            KeptThoughts(self._link.call, self._clock),
            responses,
            upstream_store,
            self._follower,
            Owned(responses),
            RefusalLines(self._log, self._clock),
            Paces(),
            self._rooms,
            self._current,
        )
        self._pipeline = Pipeline(tools)
        self.app = App(tools, self._pipeline, self._link.call, self._why_not_ready)

    def announced(self) -> None:
        """Whoever started the server can read how to use it; only then is this worker ready."""
        self._is_announced = True

    async def run(
        self, descriptor: int, stop: asyncio.Event, drain_s: float, serving_now: Callable[[], None]
    ) -> None:
        """Serves on the inherited socket until ``stop``, or until the controller says that this epoch is
        over."""
        self._link.connect(
            self._home.link_address(),
            self._hello,
            self._welcomed,
            self._told,
            self._link_lost,
            self._epoch_over,
        )
        background = [
            asyncio.create_task(endless)
            for endless in (
                self._report(),
                self._pipeline.look_after(),
                self._follower.claim_forever(),
            )
        ]
        # A worker that waits for a controller must hear that it is to stop, too.
        await _first(self._link.wait_welcome(), stop.wait(), self._refused.wait())
        if self._view is not None and not stop.is_set():
            await self._serve(descriptor, stop, drain_s, serving_now)
        for task in background:
            task.cancel()
        await self._leave()

    async def _serve(
        self, descriptor: int, stop: asyncio.Event, drain_s: float, serving_now: Callable[[], None]
    ) -> None:
        server = HttpServer(
            self.app.handle,
            socket.socket(fileno=descriptor),
            self._rooms.requests,
            connections_max=self._connections_max,
            is_trusted=self._is_trusted,
        )
        server.start()
        serving_now()
        await _first(stop.wait(), self._refused.wait())
        self._draining = True
        until_s = asyncio.get_running_loop().time() + drain_s
        drained = await server.drain(drain_s)
        # Calls in the background go on without a connection that would have to be drained.
        left_s = max(0.0, until_s - asyncio.get_running_loop().time())
        if not (drained and await self._pipeline.all_ended(left_s)):
            self._pipeline.stop()
            await server.drain(LAST_WORDS_S)
            await self._pipeline.all_ended(LAST_WORDS_S)
        server.stop()

    async def _leave(self) -> None:
        await self._follower.close()
        self._write_left_out(everything=True)
        self._funds.give_back_all()
        self._link.notify(self._meters.stats())
        await self._transport.close()
        await self._files.close()
        await self._link.close()
        self._journal.close()
        self._limiter.close()
        self._log.close()

    def _hello(self) -> Hello:
        version = self._view.snapshot.version if self._view else 0
        return Hello(self.epoch, self._index, os.getpid(), version, self._funds.all_totals())

    def _welcomed(self, welcome: Welcome) -> None:
        self._directory.pepper = welcome.pepper
        self._reported = None  # it may be another controller, which knows of nothing
        self._funds.adopt(welcome.leases)
        self._swap(welcome)

    def _swap(self, frame: Welcome | NewSnapshot) -> None:
        self._view = View(frame.snapshot)
        self._files.allow_ports(frame.snapshot.fetch_ports)
        self._directory.renew()
        self._health.clear_refused_credentials()

    def _told(self, call: ControllerCall) -> Result:
        """Answers the controller, at once."""
        if isinstance(call, Recall):
            return self._funds.recall(call)
        if isinstance(call, ChannelHealth):
            self._take_health(call)
            return Ok()
        if isinstance(call, StopResponse):
            self._pipeline.stop_one(call.id, call.owner)
            return Ok()
        if isinstance(call, StopCalls):
            return Stopped(self._pipeline.stop_calls(call.key_id, call.user_id))
        try:
            self._swap(call)
        except ValueError as error:
            # The old view stays: a snapshot that can't be used must not stop what works.
            return Failed(f"the snapshot was refused: {error}")
        return Ok()

    def _report_health(self, change: ChannelHealth) -> None:
        version = self._current().snapshot.version
        self._link.notify(msgspec.structs.replace(change, snapshot_version=version))

    def _take_health(self, change: ChannelHealth) -> None:
        """Another worker's finding; of a key only where both serve by the same configuration."""
        if change.secret < 0 or change.snapshot_version == self._current().snapshot.version:
            self._health.reported(change, self._clock.monotonic_ns())

    def _link_lost(self, reason: str) -> None:
        if not self._draining:  # then the end of the link is our own doing
            log.warning("the controller is away: %s", reason)

    def _epoch_over(self, reason: str) -> None:
        log.error("the controller ended this worker's epoch: %s", reason)
        self._refused.set()

    def _current(self) -> View:
        if self._view is None:
            raise RuntimeError("a call came before the first snapshot")
        return self._view

    def _is_trusted(self, peer_ip: str) -> bool:
        return is_within(parse_address(peer_ip), self._current().trusted)

    def _why_not_ready(self) -> str:
        if self._view is None:
            return "waiting for the controller"
        if not self._is_announced:
            return "starting"
        if self._draining:
            return "draining"
        if self._journal.refuses():
            return "the journal can't be written"
        return ""

    async def _look_up(self, digest: bytes) -> Principal | None:
        answer = await self._link.call(LookupKey(digest))
        if isinstance(answer, KeyFound):
            return answer.principal
        if isinstance(answer, KeyUnknown):
            return None
        raise ConnectionError("the controller could not look the key up")

    async def _count(self, text: str, model: str) -> int:
        answer = await self._link.call(CountTokens(text, model), COUNT_TIMEOUT_S)
        if isinstance(answer, TokenCount):
            return answer.tokens
        raise ConnectionError("the controller could not count")

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(STATS_INTERVAL_S)
            self._write_left_out()
            stats = self._meters.stats()
            if stats != self._reported:
                self._reported = stats
                self._link.notify(stats)

    def _write_left_out(self, *, everything: bool = False) -> None:
        """Records of refused calls that stand for others, once no further call brings them."""
        for record in self._refused_records.overdue(self._clock.monotonic_ns(), everything=everything):
            with contextlib.suppress(JournalBroken):
                self._journal.append(record)

    def _journal_grew(self) -> None:
        """Soon tells the controller that there is something to ingest; many records share one hint."""
        if self._hint_timer is None:
            self._hint_timer = asyncio.get_running_loop().call_later(HINT_INTERVAL_S, self._hint)

    def _hint(self) -> None:
        self._hint_timer = None
        self._link.notify(JournalGrew(self._journal.end_offset))


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
