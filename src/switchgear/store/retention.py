"""Old records make room: what they cost stays in the books, summed by account and day.

Two steps, each some rows at a time. First the records of requests and their settlements go; one transfer of
kind ``sum`` takes the place of all settlements between the same two accounts on one day. Later, when all of a
dead worker's records are gone, so do its grants, returns and burial: what is left of its leases is what they
spent, straight from wallet to revenue. Every balance stays what it was, to the nano.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select

from switchgear.kernel.limits import RETENTION_LEASES, RETENTION_ROWS
from switchgear.ledger import chart
from switchgear.ledger.transfer import BUDGET_LEG, Transfer, summed
from switchgear.store.db import insert_into
from switchgear.store.tables import epochs, transfers, usage

DAY_MS = 86_400_000
_T = transfers.c


def fold_records(connection: Connection, before_ms: int) -> int:
    """Deletes some records from before that time, and sums their settlements; how many records."""
    query = select(usage.c.request_id).where(usage.c.at_ms < before_ms).order_by(usage.c.at_ms)
    ids = list(connection.execute(query.limit(RETENTION_ROWS)).scalars())
    if not ids:
        return 0
    legs = [*ids, *(id + BUDGET_LEG for id in ids)]
    settled = and_(_T.id.in_(legs), _T.kind == "settle")
    sums: dict[tuple[str, str, int], int] = {}
    for row in connection.execute(select(transfers).where(settled)):
        place = row.debit, row.credit, row.at_ms // DAY_MS
        sums[place] = sums.get(place, 0) + row.nanos
    connection.execute(delete(transfers).where(settled))
    connection.execute(delete(usage).where(usage.c.request_id.in_(ids)))
    _add_sums(connection, sums)
    return len(ids)


def fold_leases(connection: Connection, before_ms: int, after: str = "") -> str:
    """Puts direct sums in the place of some leases whose workers were buried before that time. To be called
    once ``fold_records`` finds nothing more from before it.

    Returns the last lease that was looked at, for the next call's ``after``; empty: there are no more. One
    that still has settlements of its own stays for another time.
    """
    dead = select(epochs.c.id).where(epochs.c.state == "buried", epochs.c.buried_at_ms < before_ms)
    granted = and_(_begins(_T.id, "grant:"), _T.kind == "grant", _T.ref.in_(dead), _T.credit > after)
    names = select(_T.credit).where(granted).distinct().order_by(_T.credit).limit(RETENTION_LEASES)
    found = list(connection.execute(names).scalars())
    for lease in found:
        _fold_lease(connection, lease)
    return found[-1] if found else ""


def _fold_lease(connection: Connection, lease: str) -> None:
    of_lease = or_(*(_begins(_T.id, f"{kind}:{lease}:") for kind in ("grant", "return", "sum")))
    own = or_(and_(of_lease, or_(_T.debit == lease, _T.credit == lease)), _T.id == f"bury:{lease}")
    account, _ = chart.leased_account(lease)
    sums: dict[tuple[str, str, int], int] = {}
    left = 0
    for row in connection.execute(select(transfers).where(own)):
        left += row.nanos if row.credit == lease else -row.nanos
        if row.kind == "sum":
            place = account, row.credit, row.at_ms // DAY_MS
            sums[place] = sums.get(place, 0) + row.nanos
    if left == 0:
        connection.execute(delete(transfers).where(own))
        _add_sums(connection, sums)


def _add_sums(connection: Connection, sums: dict[tuple[str, str, int], int]) -> None:
    """A sum grows until all of its day is in it. Balances do not change: as much was deleted before."""
    for (debit, credit, day), nanos in sorted(sums.items()):
        move = summed(debit, credit, nanos, day * DAY_MS)
        values = {name: getattr(move, name) for name in Transfer.__struct_fields__}
        statement = insert_into(connection, transfers).values(**values)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["id"], set_={"nanos": _T.nanos + statement.excluded.nanos}
            )
        )


def _begins(column: Any, prefix: str) -> ColumnElement[bool]:
    """As a range, so that the primary key finds it."""
    return and_(column >= prefix, column < prefix + "\x7f")
