"""Holding money for a call: from this worker's leases at once, else with the controller's help.

The hit path is synchronous. A call that the lease does not cover goes ``first ask → held | waiting ask → held
| waiting for running calls → waiting ask again → held | refused``. A waiting ask puts what its accounts hold
free back with the controller and asks for the whole amount, so nobody keeps a part that another one lacks. Of
the calls that need the same accounts one asks at a time. A refusal needs an answer to which nothing has
changed since: so money that is there is not refused, and money that is not there is not spent.

A call that can do with less than the most that it may cost (a ``Span``) gets an eighth of what is there, as
far as that is between the two: so one call leaves something for those beside it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import msgspec

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import OVERLOADED, QUOTA, STORE_AWAY, ApiError
from switchgear.kernel.limits import HOLD_SHARE, HOLD_WAIT_MS, HOLD_WAITERS_MAX
from switchgear.kernel.money import Nanos, usd_from_nanos
from switchgear.ledger.lease import LeaseBook, Legs, Shortfall
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

NS = 1_000_000_000
MS = 1_000_000


class Span(msgspec.Struct, frozen=True):
    """What a call wants to hold."""

    most: Nanos
    least: Nanos
    """With less it is of no use."""
    advice: Callable[[Nanos], str] = lambda available: "Lower the output limit or top up."
    """What its client may do while only so much is available."""

    def share(self, available: Nanos) -> Nanos:
        """What it holds where so much is there."""
        return max(self.least, min(self.most, available // HOLD_SHARE))


Refine = Callable[[], Awaitable[Span]]
"""A closer, dearer estimate of the same call, asked for only when the cheap bound does not fit."""


class Refused(msgspec.Struct, frozen=True):
    """An answer to one call that may go for others, too."""

    nanos: int
    answer: Acquired
    version: int
    """Of the desk when it was asked."""
    answered_ns: int
    is_final: bool
    """No time would have helped; otherwise it holds for calls whose time is up."""


class Desk:
    """Calls that need help with the same accounts: one asks at a time, in the order of coming."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.calls = 0
        self.version = 0
        """Grows whenever more may be free in this worker, or back with the controller."""
        self.changed = asyncio.Event()
        self.asked: Legs = ()
        """What a waiting ask is out for: what calls free meanwhile belongs to it."""
        self.refused: Refused | None = None
        self.asked_in_vain = (-1, 0)
        """Version and time of a first ask that brought nothing: the next call need not repeat it."""
        self.unleased: Nanos = 0
        """Beside the leases, by the last first ask."""

    def say_changed(self) -> None:
        self.version += 1
        self.changed.set()
        self.changed = asyncio.Event()

    def known_refusal(self, nanos: int, since_ns: int, *, late: bool) -> Acquired | None:
        """An answer that came after ``since_ns`` and goes for this call as well."""
        said = self.refused
        if said is None or said.version != self.version or said.answered_ns < since_ns or nanos < said.nanos:
            return None
        return said.answer if said.is_final or late else None


class Funds:
    """The leases of one worker."""

    def __init__(self, ask: Ask, tell: Tell, clock: Clock) -> None:
        self.book = LeaseBook()
        self._ask = ask
        self._tell = tell
        self._clock = clock
        self._refilling: set[str] = set()
        self._tasks: set[asyncio.Task[object]] = set()
        self._desks: dict[tuple[str, ...], Desk] = {}
        self._waiting = 0

    def hold(self, reservation: str, legs: tuple[tuple[str, Nanos], ...]) -> bool:
        """Holds every leg from the leases at hand, or none. Never waits."""
        if self.book.reserve(reservation, legs) is not None:
            return False
        for account, _ in legs:
            if self.book.refill_wanted(account) and account not in self._refilling:
                self._refill_soon(account)
        return True

    async def hold_with_help(self, reservation: str, who: Principal, span: Span, refine: Refine) -> Nanos:
        """Holds an amount with the controller's help; gives the amount held. Raises ApiError ``quota``."""
        if self._waiting >= HOLD_WAITERS_MAX:
            raise ApiError(
                OVERLOADED, "Too many calls wait for funds. Please try again shortly.", retry_after_s=1
            )
        accounts = tuple(account for account, _ in legs_of(who, span.most))
        desk = self._desks.setdefault(accounts, Desk())
        self._waiting += 1
        desk.calls += 1
        try:
            return await self._hold_at(desk, reservation, who, span, refine)
        finally:
            self._waiting -= 1
            desk.calls -= 1
            if not desk.calls:
                self._desks.pop(accounts, None)

    async def _hold_at(
        self, desk: Desk, reservation: str, who: Principal, span: Span, refine: Refine
    ) -> Nanos:
        since_ns = self._clock.monotonic_ns()
        async with desk.lock:
            short = self.book.reserve(reservation, legs_of(who, span.most))
            if short is None:
                return span.most
            version, at_ns = desk.asked_in_vain
            away = None
            if version != desk.version or at_ns < since_ns:
                away = await self._ask_first(desk, who, short)
            available = desk.unleased + self._free(who)
            nanos = span.share(available)
            if self.book.reserve(reservation, legs_of(who, nanos)) is None:
                return nanos
            if away is not None:
                raise away
        refined = await refine()
        if refined.most > span.most:
            refined = msgspec.structs.replace(refined, most=span.most, least=min(refined.least, span.least))
        return await self._hold_patiently(desk, reservation, who, refined, available)

    async def _ask_first(self, desk: Desk, who: Principal, short: Shortfall) -> ApiError | None:
        """Asks for a comfortable lease, and learns what else there is. Returns the error when nobody
        answers: what is at hand may do."""
        version, missing = desk.version, dict(short.needs)
        needs = tuple((account, missing.get(account, 0)) for account, _ in legs_of(who, 0))
        desk.unleased = 0
        try:
            desk.unleased = (await self._acquire(Acquire(needs, wait=False))).unleased
        except ApiError as away:
            return away
        desk.asked_in_vain = (version, self._clock.monotonic_ns())
        return None

    def _free(self, who: Principal) -> Nanos:
        """In the leases at hand, of whichever account has less."""
        return max(0, min(self.book.free(account) for account, _ in legs_of(who, 0)))

    async def _hold_patiently(
        self, desk: Desk, reservation: str, who: Principal, span: Span, available: Nanos
    ) -> Nanos:
        """Ends after one ask with no time left at the latest; that one is always made. What is not covered at
        first is waited for with the least that will do."""
        nanos = span.share(available)
        since_ns = self._clock.monotonic_ns()
        deadline_ns = since_ns + HOLD_WAIT_MS * MS
        is_last = False
        while True:
            legs = legs_of(who, nanos)
            async with desk.lock:
                if self.book.reserve(reservation, legs) is None:
                    return nanos
                left_ns = max(0, deadline_ns - self._clock.monotonic_ns())
                version = desk.version
                answer = desk.known_refusal(nanos, since_ns, late=not left_ns)
                if answer is None:
                    wait_ns = left_ns if nanos == span.least else 0
                    answer = await self._ask_waiting(desk, legs, wait_ns)
                    if self.book.reserve(reservation, legs) is None:
                        return nanos
            if nanos > span.least:
                nanos = span.least
                continue
            if not left_ns and (is_last or not answer.covered):
                raise _not_covered(who, span, answer)
            is_last = not left_ns  # what was granted was taken by another call: once more
            if answer.covered or desk.version != version:
                continue
            if not self.book.held(answer.short):
                raise _not_covered(who, span, answer)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0, deadline_ns - self._clock.monotonic_ns()) / NS):
                    await desk.changed.wait()

    async def _ask_waiting(self, desk: Desk, legs: Legs, left_ns: int) -> Acquired:
        """Asks for all of the legs, having put back what of them was here."""
        asked_ns, version = self._clock.monotonic_ns(), desk.version
        self._put_back(legs)
        needs = tuple((account, nanos - min(0, self.book.free(account))) for account, nanos in legs)
        desk.asked = legs
        try:
            answer = await self._acquire(Acquire(needs, True, left_ns // MS), desk)
        finally:
            desk.asked = ()
        if not answer.covered:
            now_ns = self._clock.monotonic_ns()
            is_final = now_ns - asked_ns < left_ns  # said before time was up
            desk.refused = Refused(legs[0][1], answer, version, now_ns, is_final)
        return answer

    async def _acquire(self, call: Acquire, desk: Desk | None = None) -> Acquired:
        """The answer is taken in even when the call that asked is given up: its money must not get lost."""
        task = asyncio.get_running_loop().create_task(self._take_answer(call, desk))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        answer = await asyncio.shield(task)
        if answer is None:
            raise ApiError(
                STORE_AWAY, "Funds can't be reserved right now. Please try again shortly.", retry_after_s=1
            )
        return answer

    async def _take_answer(self, call: Acquire, desk: Desk | None) -> Acquired | None:
        try:
            answer = await self._ask(call)
        except ConnectionError:
            return None
        if not isinstance(answer, Acquired):
            return None
        if desk is not None:
            desk.asked = ()  # what comes now is to stay
        grown = {said.account for said in answer.totals if self.book.apply_grant(said.account, said.granted)}
        if grown:
            self._say_changed(grown)
        return answer

    async def raise_hold(self, reservation: str, nanos: Nanos) -> bool:
        """Holds more for a running call, with the controller's help where the leases lack it; False where
        nobody has it, or the call has ended."""
        for wait in (False, True):
            if not self.book.legs(reservation):
                return False
            short = self.book.raise_hold(reservation, nanos)
            if short is None:
                return True
            try:
                await self._acquire(Acquire(short.needs, wait, 0))
            except ApiError:
                return False
        return bool(self.book.legs(reservation)) and self.book.raise_hold(reservation, nanos) is None

    def settle(self, reservation: str, nanos: Nanos) -> None:
        """Ends a reservation with what the call came to; 0 gives it all back."""
        legs = self.book.legs(reservation) if self._desks else ()
        paid_back = self.book.settle(reservation, nanos, now_ns=self._clock.monotonic_ns())
        if paid_back:
            self._tell(Returned(self._totals(paid_back)))
        if legs:
            self._say_changed({account for account, _ in legs})

    def _say_changed(self, accounts: set[str]) -> None:
        for wanted, desk in self._desks.items():
            if not accounts.isdisjoint(wanted):
                if desk.asked:
                    self._put_back(desk.asked)
                desk.say_changed()

    def _put_back(self, legs: Legs) -> None:
        """Returns what is free of the legs' accounts, up to the legs' amounts."""
        accounts: tuple[str, ...] = ()
        for account, nanos in legs:
            given = min(nanos, self.book.free(account))
            if given > 0:
                now_ns = self._clock.monotonic_ns()
                self.book.recall(account, given, 0, now_ns)
                accounts += (account,)
        if accounts:
            self._tell(Returned(self._totals(accounts)))

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
                await self._acquire(Acquire(((account, wanted),), wait=False))
        except ApiError:
            pass  # a refill is a courtesy: the call that needs the money asks again, and hears the reason
        finally:
            self._refilling.discard(account)


def legs_of(who: Principal, nanos: Nanos) -> tuple[tuple[str, Nanos], ...]:
    """The accounts that pay: the wallet, and the key's budget when it has one."""
    return ((who.wallet, nanos), (who.budget, nanos)) if who.budget else ((who.wallet, nanos),)


def _not_covered(who: Principal, span: Span, answer: Acquired) -> ApiError:
    available = max(0, answer.available)
    needed, left = usd_from_nanos(span.least), usd_from_nanos(available)
    may = "may cost up to" if span.least == span.most else "needs at least"
    if answer.short and answer.short == who.budget:
        what = f"the quota of API key '{who.key_name}' ({who.key_masked})"
    else:
        what = f"the balance of account '{who.user_name}'"
    return ApiError(
        QUOTA, f"This call {may} ${needed}, but {what} has ${left} left. {span.advice(available)}"
    )
