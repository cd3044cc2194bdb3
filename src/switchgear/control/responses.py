"""What workers keep and ask for of responses, and the sweeping of those that have expired.

New ones that come close together are written in one transaction, as each of these waits for the disk.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection

from switchgear.control.threads import StoreThreads
from switchgear.control.workers import Workers
from switchgear.kernel.clock import Clock
from switchgear.kernel.limits import (
    RESPONSE_HISTORY_BYTES_MAX,
    RESPONSE_KEEP_BATCH,
    RESPONSE_STORED_BYTES_MAX,
    RESPONSES_BYTES_MAX,
    RESPONSES_OWNER_BYTES_MAX,
)
from switchgear.kernel.stored import StoredResponse
from switchgear.link.peer import LinkAway
from switchgear.link.protocol import (
    ClaimBill,
    DropResponse,
    Failed,
    FindResponse,
    KeepResponse,
    Ok,
    ResponseFound,
    ResponseUnknown,
    Result,
    StopResponse,
)
from switchgear.store.db import StoreError
from switchgear.store.responses import (
    HistoryTooLong,
    change_response,
    claim_due,
    drop_response,
    find_response,
    find_turns,
    keep_responses,
    sweep_responses,
    trim_largest,
    trim_responses,
)

DAY_MS = 86_400_000
_STOP_TIMEOUT_S = 1.0

log = logging.getLogger(__name__)

Call = KeepResponse | FindResponse | DropResponse | ClaimBill


class Responses:
    """Stored responses of the installation."""

    def __init__(
        self,
        store: StoreThreads,
        workers: Workers,
        clock: Clock,
        retention_days: int,
        trusted_ms: Callable[[], int] | None = None,
        disk_is_full: Callable[[], bool] = lambda: False,
    ) -> None:
        """``retention_days`` 0: nothing is kept. ``trusted_ms``: time by which responses expire; the clock's
        own where that never jumps."""
        self._trusted_ms = trusted_ms or clock.now_ms
        self._disk_is_full = disk_is_full
        self._store = store
        self._workers = workers
        self._clock = clock
        self._retention_ms = retention_days * DAY_MS
        self._waiting: list[tuple[StoredResponse, asyncio.Future[None]]] = []
        self._keeping: asyncio.Task[None] | None = None

    async def answer(self, body: Call) -> Result:
        """Raises StoreError."""
        if isinstance(body, FindResponse):
            return await self._store.read(partial(self._find, body=body, now_ms=self._trusted_ms()))
        if isinstance(body, KeepResponse):
            return await (self._change(body.response) if body.if_open else self._keep(body.response))
        if isinstance(body, DropResponse):
            return await self._drop(body)
        due = await self._store.write(partial(claim_due, epoch=body.epoch))
        return ResponseUnknown("") if due is None else ResponseFound(due)

    async def sweep(self, now_ms: int) -> None:
        """Deletes all that has expired by then, and what is over an owner's bound or over that of all, some
        at a time. Raises StoreError."""
        while await self._store.write(partial(sweep_responses, now_ms=now_ms)):
            pass
        while await self._store.write(partial(trim_responses, bytes_max=RESPONSES_OWNER_BYTES_MAX)):
            pass
        while await self._store.write(partial(trim_largest, bytes_max=RESPONSES_BYTES_MAX)):
            pass

    async def _keep(self, response: StoredResponse) -> Result:
        if not self._retention_ms and not response.bill:
            return Failed("nothing is kept here")
        if not response.bill and self._disk_is_full():
            return Failed("the disk is nearly full")
        if response.bytes_total > RESPONSE_STORED_BYTES_MAX:
            return Failed(f"a response of {response.bytes_total} bytes is too large to be kept")
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((response, kept))
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep_waiting())
        await kept
        return Ok()

    async def _keep_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:RESPONSE_KEEP_BATCH], self._waiting[RESPONSE_KEEP_BATCH:]
            until_ms = self._clock.now_ms() + self._retention_ms
            kept = [response for response, _ in batch]
            fault: Exception | None = None
            try:
                await self._store.write(partial(keep_responses, kept=kept, expires_at_ms=until_ms))
            except Exception as error:
                fault = error
            for _, done in batch:
                if done.done():
                    continue  # its connection went while it waited
                if fault is None:
                    done.set_result(None)
                else:
                    done.set_exception(StoreError(str(fault)))

    async def _change(self, response: StoredResponse) -> Result:
        if response.bytes_total > RESPONSE_STORED_BYTES_MAX:
            return Failed(f"a response of {response.bytes_total} bytes is too large to be kept")
        before = await self._store.read(
            partial(find_response, id=response.id, owner=response.owner, now_ms=self._trusted_ms())
        )
        if not await self._store.write(partial(change_response, response=response)):
            return ResponseUnknown(response.id)
        if response.status == "cancelled" and before is not None:
            await self._stop(before)
        return Ok()

    async def _drop(self, body: DropResponse) -> Result:
        before = await self._store.read(
            partial(find_response, id=body.id, owner=body.owner, now_ms=self._trusted_ms())
        )
        if before is None or not await self._store.write(
            partial(drop_response, id=body.id, owner=body.owner)
        ):
            return ResponseUnknown(body.id)
        if before.is_open and not before.channel:
            await self._stop(before)
        return Ok()

    async def _stop(self, response: StoredResponse) -> None:
        """Has the worker that makes it give it up; one that is away gives nothing up, and its result goes
        nowhere."""
        peer = self._workers.peer_of(response.epoch)
        if peer is None:
            return
        try:
            await peer.call(StopResponse(response.id, response.owner), _STOP_TIMEOUT_S)
        except LinkAway as fault:
            log.warning("a worker was not told to stop a response", extra={"reason": str(fault)})

    def _find(
        self, connection: Connection, body: FindResponse, now_ms: int
    ) -> ResponseFound | ResponseUnknown:
        found = find_response(connection, body.id, body.owner, now_ms)
        if found is None:
            return ResponseUnknown(body.id)
        if not body.with_turns:
            return ResponseFound(found)
        short = StoredResponse(
            found.id,
            found.owner,
            found.key_id,
            found.model,
            found.created_at_ms,
            found.status,
            found.previous_id,
            found.channel,
            found.secret_digest,
            found.background,
        )
        if found.channel:
            return ResponseFound(short)
        try:
            turns = find_turns(connection, body.id, body.owner, now_ms, RESPONSE_HISTORY_BYTES_MAX)
        except HistoryTooLong:
            return ResponseUnknown(body.id, too_long=True)
        return ResponseUnknown(turns) if isinstance(turns, str) else ResponseFound(short, turns)
