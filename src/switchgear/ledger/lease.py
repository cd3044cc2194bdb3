"""Leases: what a worker may spend without asking, and how much of an account the controller lets out.

A reservation goes ``held → ended``, and it ends exactly once, with a charge from zero up.
Of a lease, ``free = granted − returned − spent − held``; ``granted`` and ``returned`` only ever grow, so a
figure that is lost, late or said twice between worker and controller changes nothing.
"""

from collections.abc import Iterable, Sequence

import msgspec

from switchgear.kernel.limits import (
    LEASE_FRACTION,
    LEASE_LOW_WATER_FRACTION,
    LEASE_NANOS_MAX,
    LEASE_NANOS_MIN,
)

Legs = tuple[tuple[str, int], ...]


class UnknownReservation(KeyError):
    """The reservation was never made, or has ended already."""


class DuplicateReservation(ValueError):
    """A reservation of this name is still held."""


class Shortfall(msgspec.Struct, frozen=True, gc=False):
    """Nothing was held. ``needs``: (account, nanos that its lease lacks) of each leg that does not cover."""

    needs: Legs


class GrantPlan(msgspec.Struct, frozen=True, gc=False):
    """What to grant now, and, when that is less than was missing, what to recall first: (epoch, nanos).

    For a call that waits, ``grant_nanos`` is 0 or at least what was missing; no grant and no recalls means
    that the account does not cover it.
    """

    grant_nanos: int
    recalls: Legs = ()


class _Lease:
    """One account's part in this worker, in nanos."""

    __slots__ = ("granted", "held", "owed", "owed_until_ns", "peak", "returned", "spent")

    def __init__(self) -> None:
        self.granted = 0
        self.returned = 0
        self.spent = 0
        self.held = 0
        self.owed = 0
        """Recalled, but not free yet."""
        self.owed_until_ns = 0
        self.peak = 0
        """Free after the last grant: what a refill aims at. 0 after a recall: others need the money more."""

    @property
    def free(self) -> int:
        """Negative when a charge came out above its hold: then the next call has to bring that in first."""
        return self.granted - self.returned - self.spent - self.held

    def give_back(self, nanos: int) -> int:
        """Returns up to ``nanos`` of what is free, and says how much it was."""
        given = min(nanos, self.free)
        if given <= 0:
            return 0
        self.returned += given
        return given


class LeaseBook:
    """All leases and reservations of one worker life.

    A lease stays in the book for that life, even when empty: its totals are what the controller is told.
    """

    def __init__(self) -> None:
        self._leases: dict[str, _Lease] = {}
        self._reservations: dict[str, Legs] = {}

    def reserve(self, reservation: str, legs: Legs) -> Shortfall | None:
        """Holds ``nanos`` of each leg (account, nanos ≥ 0) or nothing at all. None: held.

        No two legs name the same account. A leg of 0 is always covered. Raises DuplicateReservation.
        """
        if reservation in self._reservations:
            raise DuplicateReservation(reservation)
        shortfall = self._hold(legs)
        if shortfall is None:
            self._reservations[reservation] = legs
        return shortfall

    def raise_hold(self, reservation: str, nanos_more: int) -> Shortfall | None:
        """Holds more on every leg of a running reservation, or nothing more at all."""
        legs = self._reservations.get(reservation)
        if legs is None:
            raise UnknownReservation(reservation)
        shortfall = self._hold(tuple((account, nanos_more) for account, _ in legs))
        if shortfall is None:
            self._reservations[reservation] = tuple((account, nanos + nanos_more) for account, nanos in legs)
        return shortfall

    def settle(self, reservation: str, nanos: int, now_ns: int = 0) -> tuple[str, ...]:
        """Ends a reservation: books ``nanos`` on every leg, in full even above the hold; 0 cancels it.

        Returns the accounts of which an owed recall was paid, wholly or partly, by this; tell the controller.
        Raises UnknownReservation the second time.
        """
        if nanos < 0:
            raise ValueError(f"a charge can't be negative: {nanos}")
        legs = self._reservations.pop(reservation, None)
        if legs is None:
            raise UnknownReservation(reservation)
        paid: tuple[str, ...] = ()
        for account, held in legs:
            lease = self._leases[account]
            lease.held -= held
            lease.spent += nanos
            if lease.owed and self._pay_owed(lease, held - nanos, now_ns):
                paid += (account,)
        return paid

    def apply_grant(self, account: str, granted_total: int) -> bool:
        """Takes the controller's cumulative figure; a smaller one than known is late, and ignored.

        Says whether it was news.
        """
        lease = self._lease(account)
        if granted_total > lease.granted:
            lease.granted = granted_total
            lease.peak = max(lease.free, 0)
            return True
        return False

    def recall(self, account: str, nanos: int, until_ns: int, now_ns: int) -> int:
        """Gives back up to ``nanos`` of what is free now, and says how much.

        The rest stays owed until ``until_ns``, on top of what earlier recalls are still owed.
        """
        lease = self._lease(account)
        given = lease.give_back(nanos)
        lease.peak = 0
        standing = lease.owed if now_ns < lease.owed_until_ns else 0
        lease.owed = standing + nanos - given
        lease.owed_until_ns = max(until_ns, lease.owed_until_ns)
        return given

    def legs(self, reservation: str) -> Legs:
        """What a running reservation holds; empty when it is not running."""
        return self._reservations.get(reservation, ())

    def free(self, account: str) -> int:
        lease = self._leases.get(account)
        return lease.free if lease else 0

    def held(self, account: str) -> int:
        lease = self._leases.get(account)
        return lease.held if lease else 0

    def totals(self, accounts: Iterable[str] | None = None) -> tuple[tuple[str, int, int], ...]:
        """(account, granted, returned), cumulative; of all accounts when none are named."""
        leases = self._leases
        names = leases if accounts is None else accounts
        return tuple((name, leases[name].granted, leases[name].returned) for name in names if name in leases)

    def refill_wanted(self, account: str) -> int:
        """Nanos to ask for in the background when little is left of the last grant, else 0.

        Below ``LEASE_NANOS_MIN`` and after a recall nothing is wanted:
        then whoever needs money gets the exact amount.
        """
        lease = self._leases.get(account)
        if lease is None or lease.peak < LEASE_NANOS_MIN:
            return 0
        free = lease.free
        return lease.peak - free if free < lease.peak // LEASE_LOW_WATER_FRACTION else 0

    def give_back_all(self) -> tuple[str, ...]:
        """At drain: returns all that is free, and says of which accounts. Running calls keep their holds."""
        changed = []
        for account, lease in self._leases.items():
            lease.peak = 0
            if lease.give_back(lease.free):
                changed.append(account)
        return tuple(changed)

    def adopt(self, account: str, granted_total: int, returned_total: int) -> None:
        """After a reconnect: learns of grants whose answer was lost. Neither total ever shrinks."""
        self.apply_grant(account, granted_total)
        lease = self._leases[account]
        lease.returned = max(lease.returned, returned_total)

    def _hold(self, legs: Legs) -> Shortfall | None:
        leases = self._leases
        needs: Legs = ()
        for account, nanos in legs:
            lease = self._lease(account)
            free = lease.granted - lease.returned - lease.spent - lease.held
            if nanos > free and nanos:
                needs += ((account, nanos - free),)
        if needs:
            return Shortfall(needs)
        for account, nanos in legs:
            leases[account].held += nanos
        return None

    def _lease(self, account: str) -> _Lease:
        lease = self._leases.get(account)
        if lease is None:
            lease = self._leases[account] = _Lease()
        return lease

    @staticmethod
    def _pay_owed(lease: _Lease, freed: int, now_ns: int) -> int:
        """Pays an owed recall from what one ended call freed, never from a grant meant for another call."""
        if now_ns >= lease.owed_until_ns:
            lease.owed = 0
            return 0
        given = lease.give_back(min(lease.owed, freed))
        lease.owed -= given
        return given


def plan_grant(
    unleased: int, missing: int, others_free: Sequence[tuple[str, int]], workers: int, wait: bool
) -> GrantPlan:
    """How much of an account to lease to a worker that lacks ``missing`` nanos. Never more than ``unleased``.

    ``others_free``: (epoch, what its lease could give at most) of the other workers that can be asked. Every
    one of them is asked for all that is lacking, as only they know what they hold; too much given back does
    no harm. ``wait`` false is a refill: it recalls nothing, and gets nothing when the account is low.
    """
    share = max(unleased, 0) // (LEASE_FRACTION * workers)
    low = share < LEASE_NANOS_MIN
    comfortable = 0 if low else min(share, LEASE_NANOS_MAX)
    if not wait:
        return GrantPlan(comfortable)
    if unleased >= missing:
        return GrantPlan(max(missing, comfortable))
    lacking = missing - unleased
    givers = [(epoch, most) for epoch, most in others_free if most > 0]
    if sum(most for _, most in givers) < lacking:
        return GrantPlan(0)
    return GrantPlan(0, tuple((epoch, min(most, lacking)) for epoch, most in givers))
