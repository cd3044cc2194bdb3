"""Leases: who gets how much of an account, and how money that others hold free comes to whoever lacks it.

A waiting call goes ``asked → granted | recalling → waiting for running calls → granted | refused``. Per
account one call waits at a time, in the order of asking; the others queue behind it, and refills take nothing
from them.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection

from switchgear.control.metrics import Metrics
from switchgear.control.threads import StoreThreads
from switchgear.control.workers import Workers
from switchgear.kernel.clock import Clock
from switchgear.kernel.limits import HOLD_WAIT_S, HOLD_WAITERS_MAX, LINK_CALL_TIMEOUT_S, RECALL_WAIT_S
from switchgear.ledger.lease import plan_grant
from switchgear.link.peer import LinkAway, Peer
from switchgear.link.protocol import Acquire, Acquired, Failed, LeaseTotals, Recall, Returned
from switchgear.store.accounts import balance, book_return, grant_lease, leases_of
from switchgear.store.db import StoreError
from switchgear.store.leased import overdrawn, totals_of

log = logging.getLogger(__name__)


class Attempt(msgspec.Struct, frozen=True):
    """What one look at an account came to."""

    covered: bool
    unleased: int
    others: int
    """In leases of other worker lives, spent only as far as it was ingested: the most that can come back."""
    recalls: tuple[tuple[str, int], ...] = ()

    def is_hopeless(self, missing: int) -> bool:
        """Whether even all that others have would not cover it."""
        return not self.covered and self.unleased + self.others < missing


class _Queue:
    """Calls that wait for one account."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiters = 0
        self.changed = asyncio.Event()
        self.refused: dict[str, tuple[int, Attempt]] = {}
        """Epoch → the least need refused since the last change: one look at the account refuses a crowd."""
        self.late: dict[str, tuple[int, Attempt]] = {}
        """Likewise of those that waited their time; holds for others whose time is up."""

    def known_refusal(self, epoch: str, missing: int, *, late: bool) -> Attempt | None:
        """What a call before this one was told, if it goes for this one as well."""
        if self.changed.is_set():
            self.refused.clear()
            self.late.clear()
            self.changed.clear()
        for table in (self.refused, self.late) if late else (self.refused,):
            if epoch in table and missing >= table[epoch][0]:
                return table[epoch][1]
        return None


class Leases:
    """Answers ``Acquire`` and books ``Returned``. Lives on the controller's loop."""

    def __init__(self, store: StoreThreads, workers: Workers, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._workers = workers
        self._clock = clock
        self._metrics = metrics
        self._queues: dict[str, _Queue] = {}
        self._recalls: set[asyncio.Task[None]] = set()

    async def acquire(self, epoch: str, call: Acquire) -> Acquired | Failed:
        """Extends leases so that every need is covered, or says which account does not cover it."""
        deadline_ns = self._clock.monotonic_ns() + int(HOLD_WAIT_S * 1e9)
        try:
            queued = tuple(need for need in call.needs if need[0] in self._queues)
            free_now = tuple(need for need in call.needs if need not in queued)
            looks = await self._look(epoch, free_now, call.wait)
            if call.wait:
                seen = dict(zip(free_now, looks, strict=True))
                for need in (*free_now, *queued):
                    short = await self._shortage(epoch, need, seen.get(need), deadline_ns)
                    if short is not None:
                        available = max(short.unleased, 0) + max(short.others, 0)
                        return await self._answer(epoch, call, False, need[0], available)
            return await self._answer(epoch, call, True)
        except StoreError as fault:
            log.warning("a lease could not be granted", extra={"epoch": epoch, "reason": str(fault)})
            return Failed(str(fault))

    async def book(self, epoch: str, totals: Iterable[LeaseTotals]) -> None:
        """Books what a worker says it gave back. Its figures are cumulative: a repeat books nothing."""
        told = tuple(totals)
        now_ms = self._clock.now_ms()

        def write(connection: Connection) -> None:
            for lease in told:
                book_return(connection, lease.account, epoch, lease.returned, now_ms)

        try:
            await self._store.write(write)
        except StoreError as fault:
            log.error("a return was not booked yet", extra={"epoch": epoch, "reason": str(fault)})
        self.wake(lease.account for lease in told)

    def wake(self, accounts: Iterable[str] | None = None) -> None:
        """Has waiting calls look again: money came back, was spent, or was added. None: all of them."""
        for account in tuple(self._queues) if accounts is None else accounts:
            queue = self._queues.get(account)
            if queue is not None:
                queue.changed.set()

    async def recall_overdrawn(self) -> None:
        """Recalls every lease of accounts below zero, as a lowered quota leaves them."""

        def leased(connection: Connection) -> list[tuple[str, str, int]]:
            return [
                (account, epoch, nanos)
                for account in overdrawn(connection)
                for epoch, nanos in leases_of(connection, account)
                if nanos > 0
            ]

        await self._recall_all(await self._store.read(leased))

    async def _look(self, epoch: str, needs: tuple[tuple[str, int], ...], wait: bool) -> list[Attempt]:
        """Grants what can be granted at once, all in one transaction."""
        if not needs:
            return []
        return await self._store.write(
            lambda connection: [self._attempt(connection, epoch, *need, wait=wait) for need in needs]
        )

    async def _shortage(
        self, epoch: str, need: tuple[str, int], look: Attempt | None, deadline_ns: int
    ) -> Attempt | None:
        """None: covered, at the first look or after waiting. ``look`` None: others wait for this account."""
        if look is not None and look.covered:
            return None
        if look is not None and look.is_hopeless(need[1]):
            return look
        return await self._wait_for(epoch, *need, deadline_ns)

    async def _wait_for(self, epoch: str, account: str, missing: int, deadline_ns: int) -> Attempt | None:
        """None once the account covers the need; else the last look at it."""
        queue = self._queues.setdefault(account, _Queue())
        if queue.waiters >= HOLD_WAITERS_MAX:
            raise StoreError(f"too many calls wait for {account}")
        queue.waiters += 1
        try:
            async with queue.lock:
                return await self._wait_in_turn(queue, epoch, account, missing, deadline_ns)
        finally:
            queue.waiters -= 1
            if not queue.waiters:
                self._queues.pop(account, None)

    async def _wait_in_turn(
        self, queue: _Queue, epoch: str, account: str, missing: int, deadline_ns: int
    ) -> Attempt | None:
        recalled = False
        while True:
            left_s = (deadline_ns - self._clock.monotonic_ns()) / 1e9
            refusal = queue.known_refusal(epoch, missing, late=left_s <= 0)
            if refusal is not None:
                return refusal
            attempt = await self._store.write(
                lambda connection: self._attempt(connection, epoch, account, missing, wait=True)
            )
            if attempt.covered:
                return None
            left_s = (deadline_ns - self._clock.monotonic_ns()) / 1e9
            if attempt.is_hopeless(missing):
                queue.refused[epoch] = (missing, attempt)
                return attempt
            if recalled and left_s <= 0:
                queue.late[epoch] = (missing, attempt)
                return attempt
            if not recalled:
                recalled = True
                await self._recall_all([(account, giver, nanos) for giver, nanos in attempt.recalls])
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RECALL_WAIT_S):
                        await self._workers.catch_up()  # so that what is spent no longer looks like held
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await queue.changed.wait()

    def _attempt(self, connection: Connection, epoch: str, account: str, missing: int, wait: bool) -> Attempt:
        unleased = balance(connection, account)
        others = [(giver, nanos) for giver, nanos in leases_of(connection, account) if giver != epoch]
        # A worker life that is not connected can't be asked; its money comes back when it is buried.
        reachable = [(giver, nanos) for giver, nanos in others if giver in self._workers]
        plan = plan_grant(unleased, missing, reachable, max(1, len(self._workers)), wait)
        if plan.grant_nanos:
            grant_lease(connection, account, epoch, plan.grant_nanos, self._clock.now_ms())
        most = sum(nanos for _, nanos in others if nanos > 0)
        recalls = plan.recalls or tuple((giver, nanos) for giver, nanos in reachable if nanos > 0)
        return Attempt(bool(plan.grant_nanos) or missing <= 0, unleased, most, recalls)

    async def _answer(
        self, epoch: str, call: Acquire, covered: bool, short: str = "", available: int = 0
    ) -> Acquired:
        asked = [account for account, _ in call.needs]
        totals = await self._store.read(lambda connection: totals_of(connection, epoch, asked))
        told = tuple(LeaseTotals(*total) for total in totals)
        return Acquired(told, covered, short, available)

    async def _recall_all(self, leases: list[tuple[str, str, int]]) -> None:
        """Recalls (account, epoch, nanos) from all at once, and waits a bounded time for their answers."""
        sent = set()
        for account, epoch, nanos in leases:
            peer = self._workers.peer_of(epoch)
            if peer is not None:
                sent.add(asyncio.create_task(self._recall(peer, account, epoch, nanos), name="recall"))
        self._recalls |= sent
        for task in sent:
            task.add_done_callback(self._recalls.discard)
        if sent:
            await asyncio.wait(sent, timeout=RECALL_WAIT_S)

    async def _recall(self, peer: Peer, account: str, epoch: str, nanos: int) -> None:
        """The answer is booked however late it comes: the worker has already parted with the money."""
        self._metrics.count("recalls_total")
        try:
            result = await peer.call(Recall(account, nanos, int(HOLD_WAIT_S * 1000)), LINK_CALL_TIMEOUT_S)
        except LinkAway:
            return
        if isinstance(result, Returned):
            await self.book(epoch, result.totals)
