"""Holding money for a call: from this worker's leases at once, else with the controller's help.

The hit path is synchronous. When a lease does not cover a call, the controller extends it, recalling first
what other workers hold free; a call also waits a bounded time for running calls of the same wallet to give
back what they do not use. So money that is there is not refused, and money that is not there is not spent.
"""

import asyncio
from collections.abc import Awaitable, Callable

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import OVERLOADED, QUOTA, STORE_AWAY, ApiError
from switchgear.kernel.limits import HOLD_WAIT_S, HOLD_WAITERS_MAX
from switchgear.kernel.money import Nanos, usd_from_nanos
from switchgear.ledger.lease import LeaseBook
from switchgear.link.protocol import (
    Acquire,
    Acquired,
    LeaseTotals,
    Recall,
    Returned,
    WorkerCall,
    WorkerNotice,
)
from switchgear.link.snapshot import Principal

Ask = Callable[[WorkerCall], Awaitable[object]]
"""Sends a call over the link. Raises ConnectionError when the controller is away."""
Tell = Callable[[WorkerNotice], None]
Refine = Callable[[], Awaitable[Nanos]]
"""A closer, dearer estimate of the same call, asked for only when the cheap bound does not fit."""

NS = 1_000_000_000


class Funds:
    """The leases of one worker."""

    def __init__(self, ask: Ask, tell: Tell, clock: Clock) -> None:
        self.book = LeaseBook()
        self._ask = ask
        self._tell = tell
        self._clock = clock
        self._refilling: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        self._waiting = 0

    def hold(self, reservation: str, legs: tuple[tuple[str, Nanos], ...]) -> bool:
        """Holds every leg from the leases at hand, or none. Never waits."""
        if self.book.reserve(reservation, legs) is not None:
            return False
        for account, _ in legs:
            if self.book.refill_wanted(account) and account not in self._refilling:
                self._refill_soon(account)
        return True

    async def hold_with_help(self, reservation: str, who: Principal, nanos: Nanos, refine: Refine) -> Nanos:
        """Holds an amount with the controller's help; gives the amount held. Raises ApiError ``quota``."""
        if self._waiting >= HOLD_WAITERS_MAX:
            raise ApiError(
                OVERLOADED, "Too many calls wait for funds. Please try again shortly.", retry_after_s=1
            )
        self._waiting += 1
        try:
            if await self._extend(reservation, legs_of(who, nanos), wait=False) is None:
                return nanos
            nanos = min(nanos, await refine())
            return await self._hold_patiently(reservation, who, nanos)
        finally:
            self._waiting -= 1

    async def _hold_patiently(self, reservation: str, who: Principal, nanos: Nanos) -> Nanos:
        legs = legs_of(who, nanos)
        deadline_ns = self._clock.monotonic_ns() + int(HOLD_WAIT_S * NS)
        while True:
            self._settled.clear()
            refusal = await self._extend(reservation, legs, wait=True)
            if refusal is None:
                return nanos
            left_s = (deadline_ns - self._clock.monotonic_ns()) / NS
            if left_s <= 0 or not any(self.book.held(account) for account, _ in legs):
                raise _not_covered(who, nanos, refusal)
            # Somebody else may have settled while we asked; the event says so.
            try:
                async with asyncio.timeout(left_s):
                    await self._settled.wait()
            except TimeoutError:
                raise _not_covered(who, nanos, refusal) from None

    async def _extend(
        self, reservation: str, legs: tuple[tuple[str, Nanos], ...], *, wait: bool
    ) -> Acquired | None:
        """Asks for what is missing, then holds; None when held, else the controller's answer."""
        short = self.book.reserve(reservation, legs)
        if short is None:
            return None
        answer = await self._acquire(short.needs, wait=wait)
        if self.book.reserve(reservation, legs) is None:
            return None
        return answer

    async def _acquire(self, needs: tuple[tuple[str, Nanos], ...], *, wait: bool) -> Acquired:
        try:
            answer = await self._ask(Acquire(needs, wait))
        except ConnectionError:
            raise ApiError(
                STORE_AWAY, "Funds can't be reserved right now. Please try again shortly.", retry_after_s=1
            ) from None
        if not isinstance(answer, Acquired):
            raise ApiError(STORE_AWAY, "Funds can't be reserved right now.", retry_after_s=1)
        for totals in answer.totals:
            self.book.apply_grant(totals.account, totals.granted)
        return answer

    def settle(self, reservation: str, nanos: Nanos) -> None:
        """Ends a reservation with what the call came to; 0 gives it all back."""
        paid_back = self.book.settle(reservation, nanos, now_ns=self._clock.monotonic_ns())
        if self._waiting:
            self._settled.set()
        if paid_back:
            self._tell(Returned(self._totals(paid_back)))

    def recall(self, order: Recall) -> Returned:
        """Gives back what is free now; what is owed follows as calls settle."""
        now_ns = self._clock.monotonic_ns()
        self.book.recall(order.account, order.nanos, now_ns + order.hold_ms * 1_000_000, now_ns)
        return Returned(self._totals((order.account,)))

    def give_back_all(self) -> None:
        """Returns every free nano: this worker is about to stop."""
        accounts = self.book.give_back_all()
        if accounts:
            self._tell(Returned(self._totals(accounts)))

    def adopt(self, leases: tuple[LeaseTotals, ...]) -> None:
        """Takes over what the controller says of our leases after a new connection, and says again what it
        has not heard: what was given back while nobody listened."""
        for said in leases:
            self.book.adopt(said.account, said.granted, said.returned)
        heard = {said.account: said.returned for said in leases}
        unheard = tuple(
            totals for totals in self.all_totals() if totals.returned > heard.get(totals.account, 0)
        )
        if unheard:
            asyncio.get_running_loop().call_soon(self._tell, Returned(unheard))

    def all_totals(self) -> tuple[LeaseTotals, ...]:
        """What a new connection has to say."""
        return tuple(LeaseTotals(*entry) for entry in self.book.totals())

    def _totals(self, accounts: tuple[str, ...]) -> tuple[LeaseTotals, ...]:
        return tuple(LeaseTotals(*entry) for entry in self.book.totals(accounts))

    def _refill_soon(self, account: str) -> None:
        self._refilling.add(account)
        task = asyncio.get_running_loop().create_task(self._refill(account))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _refill(self, account: str) -> None:
        try:
            wanted = self.book.refill_wanted(account)
            if wanted:
                await self._acquire(((account, wanted),), wait=False)
        except ApiError:
            pass  # a refill is a courtesy: the call that needs the money asks again, and hears the reason
        finally:
            self._refilling.discard(account)


def legs_of(who: Principal, nanos: Nanos) -> tuple[tuple[str, Nanos], ...]:
    """The accounts that pay: the wallet, and the key's budget when it has one."""
    return ((who.wallet, nanos), (who.budget, nanos)) if who.budget else ((who.wallet, nanos),)


def _not_covered(who: Principal, nanos: Nanos, answer: Acquired) -> ApiError:
    needed, left = usd_from_nanos(nanos), usd_from_nanos(max(0, answer.available))
    if answer.short and answer.short == who.budget:
        what = f"the quota of API key '{who.key_name}' ({who.key_masked})"
    else:
        what = f"the balance of account '{who.user_name}'"
    return ApiError(
        QUOTA,
        f"This call may cost up to ${needed}, but {what} has ${left} left. Lower the output limit or top up.",
    )
