"""Leases: who gets how much of an account, and how money that others hold free comes to whoever lacks it.

A waiting call goes ``asked → granted | recalling → waiting for running calls → granted | refused``. It gets
all of its accounts in one transaction or none of them, so a call that waits keeps no money from others. Of
those that need the same accounts one waits at a time, in the order of asking; the others queue behind it, and
refills take nothing of what it lacks. Time in the queue counts, but every call has its own last look, with a
recall before it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from functools import partial

import msgspec
from sqlalchemy import Connection

from switchgear.control.metrics import Metrics
from switchgear.control.threads import StoreThreads
from switchgear.control.workers import Workers
from switchgear.kernel.clock import Clock
from switchgear.kernel.limits import HOLD_WAIT_MS, HOLD_WAITERS_MAX, LINK_CALL_TIMEOUT_S, RECALL_WAIT_S
from switchgear.ledger.lease import plan_grant
from switchgear.link.peer import LinkAway, Peer
from switchgear.link.protocol import Acquire, Acquired, Failed, LeaseTotals, Recall, Returned
from switchgear.store.accounts import balance, book_return, grant_lease, leases_of
from switchgear.store.db import StoreError
from switchgear.store.leased import overdrawn, totals_of

log = logging.getLogger(__name__)

Needs = tuple[tuple[str, int], ...]
"""(account, nanos missing), no account twice."""


class Attempt(msgspec.Struct, frozen=True):
    """What one look at all accounts of a call came to."""

    totals: tuple[LeaseTotals, ...]
    short: str = ""
    """The account that does not cover its part; empty: all do, and are granted."""
    missing: int = 0
    unleased: int = 0
    others: int = 0
    """In leases of other worker lives, spent only as far as it was ingested: the most that can come back."""
    recalls: tuple[tuple[str, str, int], ...] = ()
    """(account, epoch, nanos) to ask back."""

    @property
    def is_hopeless(self) -> bool:
        """Whether even all that others have would not cover it."""
        return bool(self.short) and self.unleased + self.others < self.missing

    def answer(self) -> Acquired:
        available = max(self.unleased, 0) + max(self.others, 0)
        return Acquired(self.totals, not self.short, self.short, available if self.short else 0)


class _Queue:
    """Calls that wait for the same accounts."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiters = 0
        self.lacking = ""
        """The account that the first in the queue is short of."""
        self.changed = asyncio.Event()
        self.refused: dict[tuple[str, str], Attempt] = {}
        """(epoch, account) → the least need refused since the last change: one look refuses a crowd."""
        self.late: dict[tuple[str, str], Attempt] = {}
        """Likewise of those that waited their time; holds for others whose time is up."""

    def known_refusal(self, epoch: str, needs: Needs, *, late: bool) -> Attempt | None:
        """What a call before this one was told, if it goes for this one as well."""
        if self.changed.is_set():
            self.forget()
        for table in (self.refused, self.late) if late else (self.refused,):
            for account, missing in needs:
                known = table.get((epoch, account))
                if known is not None and missing >= known.missing:
                    return known
        return None

    def forget(self) -> None:
        """Before a new look: what was refused until now may be covered since."""
        self.changed.clear()
        self.refused.clear()
        self.late.clear()


class Leases:
    """Answers ``Acquire`` and books ``Returned``. Lives on the controller's loop."""

    def __init__(self, store: StoreThreads, workers: Workers, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._workers = workers
        self._clock = clock
        self._metrics = metrics
        self._queues: dict[tuple[str, ...], _Queue] = {}
        self._recalls: set[asyncio.Task[None]] = set()

    async def acquire(self, epoch: str, call: Acquire) -> Acquired | Failed:
        """Extends leases so that every need is covered, or none of them; then says which account is short.

        The answer goes out on the turn of the loop that learns of the commit, so that no later recall
        overtakes it: whoever is recalled knows its grants.
        """
        deadline_ns = self._clock.monotonic_ns() + min(call.wait_ms, HOLD_WAIT_MS) * 1_000_000
        try:
            if not call.wait:
                return await self._refill(epoch, call.needs)
            attempt = None
            if _accounts(call.needs) not in self._queues:
                attempt = await self._store.write(partial(self._attempt, epoch=epoch, needs=call.needs))
            if attempt is None or (attempt.short and not attempt.is_hopeless):
                attempt = await self._wait_for(epoch, call.needs, deadline_ns)
            return attempt.answer()
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
        told = None if accounts is None else frozenset(accounts)
        for wanted, queue in self._queues.items():
            if told is None or not told.isdisjoint(wanted):
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

    async def _refill(self, epoch: str, needs: Needs) -> Acquired:
        """Grants a comfortable size where there is enough, and nothing of what a waiting call lacks."""
        lacking = {queue.lacking for queue in self._queues.values()}

        def grant(connection: Connection) -> Acquired:
            unleased = [
                0 if account in lacking else self._grant_comfortably(connection, epoch, account, missing)
                for account, missing in needs
            ]
            return Acquired(_totals(connection, epoch, needs), True, unleased=min(unleased, default=0))

        return await self._store.write(grant)

    def _grant_comfortably(self, connection: Connection, epoch: str, account: str, missing: int) -> int:
        """Returns what the account has left beside its leases."""
        unleased = max(0, balance(connection, account))
        if not missing:
            return unleased
        plan = plan_grant(unleased, missing, (), self._sharers(), wait=False)
        if plan.grant_nanos:
            grant_lease(connection, account, epoch, plan.grant_nanos, self._clock.now_ms())
        return unleased - plan.grant_nanos

    async def _wait_for(self, epoch: str, needs: Needs, deadline_ns: int) -> Attempt:
        """The look that granted, else the last one."""
        accounts = _accounts(needs)
        queue = self._queues.setdefault(accounts, _Queue())
        if queue.waiters >= HOLD_WAITERS_MAX:
            raise StoreError(f"too many calls wait for {', '.join(accounts)}")
        queue.waiters += 1
        try:
            async with queue.lock:
                try:
                    return await self._wait_in_turn(queue, epoch, needs, deadline_ns)
                finally:
                    queue.lacking = ""
        finally:
            queue.waiters -= 1
            if not queue.waiters:
                self._queues.pop(accounts, None)

    async def _wait_in_turn(self, queue: _Queue, epoch: str, needs: Needs, deadline_ns: int) -> Attempt:
        recalled = False
        while True:
            late = self._clock.monotonic_ns() >= deadline_ns
            refusal = queue.known_refusal(epoch, needs, late=late)
            if refusal is not None:
                return refusal
            attempt = await self._store.write(partial(self._attempt, epoch=epoch, needs=needs))
            queue.lacking = attempt.short
            if not attempt.short:
                return attempt
            if attempt.is_hopeless:
                queue.refused[epoch, attempt.short] = attempt
                return attempt
            if not recalled or late:
                await self._call_back(attempt)
                recalled = True
                if late:
                    return await self._last_look(queue, epoch, needs)
                continue
            left_s = (deadline_ns - self._clock.monotonic_ns()) / 1e9
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await queue.changed.wait()

    async def _last_look(self, queue: _Queue, epoch: str, needs: Needs) -> Attempt:
        queue.forget()
        attempt = await self._store.write(partial(self._attempt, epoch=epoch, needs=needs))
        if attempt.short:
            queue.late[epoch, attempt.short] = attempt
        return attempt

    async def _call_back(self, attempt: Attempt) -> None:
        await self._recall_all(attempt.recalls)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RECALL_WAIT_S):
                await self._workers.catch_up()  # so that what is spent no longer looks like held

    def _attempt(self, connection: Connection, epoch: str, needs: Needs) -> Attempt:
        """Grants every need or none."""
        grants: list[tuple[str, int]] = []
        short: list[Attempt] = []
        for account, missing in needs:
            unleased = balance(connection, account)
            others = [(giver, nanos) for giver, nanos in leases_of(connection, account) if giver != epoch]
            # A worker life that is not connected can't be asked; its money comes back when it is buried.
            reachable = [(giver, nanos) for giver, nanos in others if giver in self._workers]
            plan = plan_grant(unleased, missing, reachable, self._sharers(), wait=True)
            if plan.grant_nanos or missing <= 0:
                grants.append((account, plan.grant_nanos))
                continue
            most = sum(nanos for _, nanos in others if nanos > 0)
            asked = plan.recalls or tuple((giver, nanos) for giver, nanos in reachable if nanos > 0)
            recalls = tuple((account, giver, nanos) for giver, nanos in asked)
            short.append(Attempt((), account, missing, unleased, most, recalls))
        if not short:
            for account, nanos in grants:
                grant_lease(connection, account, epoch, nanos, self._clock.now_ms())
        totals = _totals(connection, epoch, needs)
        if not short:
            return Attempt(totals)
        worst = next((look for look in short if look.is_hopeless), short[0])
        recalls = tuple(recall for look in short for recall in look.recalls)
        return msgspec.structs.replace(worst, totals=totals, recalls=recalls)

    def _sharers(self) -> int:
        return max(1, len(self._workers))

    async def _recall_all(self, leases: Iterable[tuple[str, str, int]]) -> None:
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
            result = await peer.call(Recall(account, nanos, HOLD_WAIT_MS), LINK_CALL_TIMEOUT_S)
        except LinkAway:
            return
        if isinstance(result, Returned):
            await self.book(epoch, result.totals)


def _accounts(needs: Needs) -> tuple[str, ...]:
    return tuple(account for account, _ in needs)


def _totals(connection: Connection, epoch: str, needs: Needs) -> tuple[LeaseTotals, ...]:
    return tuple(LeaseTotals(*total) for total in totals_of(connection, epoch, _accounts(needs)))
