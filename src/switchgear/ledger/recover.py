"""After a break: what to book when a worker comes back, and what when it never will.

An epoch goes ``live → ended (its journal ingested to the end, or written off) → buried``. Burial is final: whoever
comes with a buried epoch afterwards is refused, and neither its totals nor its journal move money.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from switchgear.ledger import chart
from switchgear.ledger.transfer import Transfer, bury

Totals = tuple[tuple[str, int, int], ...]
"""(account, granted, returned), cumulative nanos of one epoch's leases."""


class EpochBuried(Exception):
    """The epoch's leases were emptied; the worker that uses it must end, and start as a new one."""


class Reconciliation(msgspec.Struct, frozen=True):
    """Returns the database does not know of yet, and the totals that hold once they are booked."""

    returns_to_book: tuple[tuple[str, int], ...]
    """(account, nanos)."""
    welcome_totals: Totals


def reconcile(
    db_totals: Iterable[tuple[str, int, int]], hello_totals: Iterable[tuple[str, int, int]]
) -> Reconciliation:
    """Compares what the database says of an epoch's leases with what its worker says.

    Grants are the database's truth, returns the worker's. A return is only booked as far as something was granted:
    a worker that knows of more than the database (restored from a backup) can't make money. Doing it again, with the
    welcome totals as those of the database, books nothing.
    """
    known = {account: (granted, returned) for account, granted, returned in db_totals}
    returns: list[tuple[str, int]] = []
    for account, _, said in hello_totals:
        granted, returned = known.get(account, (0, 0))
        more = min(said, granted) - returned
        if more > 0:
            returns.append((account, more))
            known[account] = (granted, returned + more)
        else:
            known[account] = (granted, returned)
    return Reconciliation(tuple(returns), tuple((name, *totals) for name, totals in known.items()))


def plan_burial(balances: Mapping[str, int], epoch: str, at_ms: int) -> tuple[Transfer, ...]:
    """Transfers that empty every lease of an ended epoch, given balances after its journal's end was ingested.

    Commit them together with marking the epoch buried. ``balances`` may hold other accounts too.
    """
    plan: list[Transfer] = []
    for account, nanos in sorted(balances.items()):
        if chart.kind_of(account) == "lease":
            leased, of_epoch = chart.leased_account(account)
            if of_epoch == epoch:
                plan.extend(bury(leased, epoch, nanos, at_ms))
    return tuple(plan)


def check_epoch(epoch: str, buried: Collection[str]) -> None:
    """Raises EpochBuried; ask it before a Hello is answered or a journal is ingested."""
    if epoch in buried:
        raise EpochBuried(epoch)
