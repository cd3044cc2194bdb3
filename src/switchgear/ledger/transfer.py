"""Moves of money between two accounts: made by the few builders below, inserted once, never changed.

Every builder gives its transfer an id that follows from what it means, so that doing the same thing again
makes the same id, and a database that ignores ids it knows makes every repeat harmless.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from switchgear.kernel.money import NANOS_MAX
from switchgear.ledger import chart
from switchgear.ledger.record import UsageRecord

TransferKind = Literal["fund", "grant", "return", "settle", "bury", "sum"]

SHAPES: dict[str, frozenset[tuple[str, str]]] = {
    "fund": frozenset(
        {
            ("source", "wallet"),
            ("wallet", "source"),
            ("source", "budget"),
            ("budget", "source"),
        }
    ),
    "grant": frozenset({("wallet", "lease"), ("budget", "lease")}),
    "return": frozenset({("lease", "wallet"), ("lease", "budget")}),
    "settle": frozenset({("lease", "revenue"), ("lease", "spent")}),
    "sum": frozenset({("lease", "revenue"), ("lease", "spent"), ("wallet", "revenue"), ("budget", "spent")}),
    "bury": frozenset({("lease", "wallet"), ("lease", "budget"), ("wallet", "lease"), ("budget", "lease")}),
}
"""Kind → the (debit, credit) kinds of account it may join."""

BUDGET_LEG = ":b"
"""Ends the id of the budget's leg of a settlement; the wallet's leg has the request id itself."""


class Transfer(msgspec.Struct, frozen=True):
    """``nanos`` (1 … 2⁶³−1) leave ``debit`` and arrive at ``credit``. Raises ValueError on anything else."""

    id: str
    debit: str
    credit: str
    nanos: int
    kind: TransferKind
    ref: str
    """What it is for: a request id, an epoch, or the reference of a top-up."""
    at_ms: int

    def __post_init__(self) -> None:
        if not 0 < self.nanos <= NANOS_MAX:
            raise ValueError(f"a transfer moves 1 to {NANOS_MAX} nanos, not {self.nanos} ({self.id})")
        if self.debit == self.credit:
            raise ValueError(f"a transfer joins two accounts, not {self.debit} with itself ({self.id})")


def fund(account: str, nanos: int, source: str, id: str, *, ref: str = "", at_ms: int = 0) -> Transfer:
    """A top-up, a configured balance or a quota from ``source`` (an account name); negative takes back."""
    debit, credit = (source, account) if nanos > 0 else (account, source)
    return Transfer(id, debit, credit, abs(nanos), "fund", ref or id, at_ms)


def grant(account: str, epoch: str, nanos: int, granted_total: int, at_ms: int) -> Transfer:
    """Extends a lease. ``granted_total`` is the lease's cumulative figure with this grant in it."""
    lease = chart.lease(account, epoch)
    return Transfer(f"grant:{lease}:{granted_total}", account, lease, nanos, "grant", epoch, at_ms)


def give_back(account: str, epoch: str, nanos: int, returned_total: int, at_ms: int) -> Transfer:
    """Shrinks a lease. ``returned_total`` is the lease's cumulative figure with this return in it."""
    lease = chart.lease(account, epoch)
    return Transfer(f"return:{lease}:{returned_total}", lease, account, nanos, "return", epoch, at_ms)


def settle(record: UsageRecord, epoch: str) -> tuple[Transfer, ...]:
    """What a record costs, out of the leases of the worker life that wrote it; no transfer for no charge."""
    nanos = record.charge.nanos
    if nanos == 0:
        return ()
    request_id = record.request_id
    wallet_leg = Transfer(
        request_id,
        chart.lease(record.wallet, epoch),
        chart.revenue,
        nanos,
        "settle",
        request_id,
        record.at_ms,
    )
    if not record.budget:
        return (wallet_leg,)
    budget_leg = Transfer(
        request_id + BUDGET_LEG,
        chart.lease(record.budget, epoch),
        chart.spent(record.budget),
        nanos,
        "settle",
        request_id,
        record.at_ms,
    )
    return wallet_leg, budget_leg


def bury(account: str, epoch: str, lease_balance: int, at_ms: int) -> tuple[Transfer, ...]:
    """Empties the lease of a dead epoch: what is left goes back, an overdraft is taken from the account.

    Final, and one id per lease: call it only when the epoch's journal is ingested to its end or written off.
    """
    if lease_balance == 0:
        return ()
    lease = chart.lease(account, epoch)
    debit, credit = (lease, account) if lease_balance > 0 else (account, lease)
    return (Transfer(f"bury:{lease}", debit, credit, abs(lease_balance), "bury", epoch, at_ms),)


def summed(debit: str, credit: str, nanos: int, day_ms: int) -> Transfer:
    """The settlements of one day between two accounts, once their records are gone: out of a lease, or out of
    its account when the lease is gone too."""
    return Transfer(f"sum:{debit}:{credit}:{day_ms}", debit, credit, nanos, "sum", "", day_ms)


def balances(transfers: Iterable[Transfer]) -> dict[str, int]:
    """Account → nanos, from nothing but the transfers. The values sum to zero."""
    result: dict[str, int] = {}
    for transfer in transfers:
        result[transfer.debit] = result.get(transfer.debit, 0) - transfer.nanos
        result[transfer.credit] = result.get(transfer.credit, 0) + transfer.nanos
    return result
