"""Accounts, transfers and leases in the database.

A transfer is inserted once and never changed; a balance is the sum of its account's transfers, kept beside them
in the same transaction. A lease account is forgotten when its epoch is buried, as it is empty for good.
"""

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Column, Connection, delete, select

from switchgear.kernel.ids import new_id
from switchgear.kernel.limits import STORE_ROWS_PER_STATEMENT_MAX
from switchgear.ledger import chart
from switchgear.ledger.recover import EpochBuried, plan_burial
from switchgear.ledger.transfer import Transfer, fund, give_back, grant
from switchgear.store.db import StoreError, add_up, insert_into, insert_many
from switchgear.store.epochs import epoch_state, mark_buried
from switchgear.store.tables import accounts, epochs, grants_declared, leases, transfers

_TRANSFER_COLUMNS = ("id", "debit", "credit", "nanos", "kind", "ref", "at_ms")


class NotCovered(StoreError):
    """The account does not hold what was to be leased out of it."""


def post(connection: Connection, moves: Iterable[Transfer]) -> int:
    """Books transfers and their balances, each id once whatever is repeated; returns how many were new."""
    fresh: dict[str, Transfer] = {}
    for move in moves:
        fresh.setdefault(move.id, move)
    for known in known_ids(connection, transfers.c.id, list(fresh)):
        del fresh[known]
    post_new(connection, list(fresh.values()))
    return len(fresh)


def post_new(connection: Connection, moves: Sequence[Transfer]) -> None:
    """Books transfers that can't be known yet. An id that is, after all, raises IntegrityError."""
    if not moves:
        return
    rows = [(m.id, m.debit, m.credit, m.nanos, m.kind, m.ref, m.at_ms) for m in moves]
    insert_many(connection, transfers, _TRANSFER_COLUMNS, rows)
    change: dict[str, int] = {}
    for move in moves:
        change[move.debit] = change.get(move.debit, 0) - move.nanos
        change[move.credit] = change.get(move.credit, 0) + move.nanos
    add_up(connection, accounts.c.balance, change)


def balance(connection: Connection, account: str) -> int:
    """Nanos on the account; 0 if it was never used."""
    return connection.execute(select(accounts.c.balance).where(accounts.c.id == account)).scalar() or 0


def balances(connection: Connection, prefix: str = "") -> dict[str, int]:
    """Account → nanos, of all accounts whose name starts so."""
    query = select(accounts.c.id, accounts.c.balance)
    if prefix:
        query = query.where(accounts.c.id.startswith(prefix, autoescape=True))
    return {row.id: row.balance for row in connection.execute(query)}


def top_up(connection: Connection, user_id: str, nanos: int, ref: str, at_ms: int) -> int:
    """Puts money into a user's wallet (negative: takes it back); returns its balance.

    A ``ref`` that was booked before changes nothing. Raises ValueError for zero.
    """
    wallet = chart.wallet(user_id)
    post(connection, [fund(wallet, nanos, chart.source("topup"), f"topup:{ref}", ref=ref, at_ms=at_ms)])
    return balance(connection, wallet)


def fund_declared(connection: Connection, account: str, declared: int, ref: str, at_ms: int) -> int:
    """Books the difference between what configuration declares and what it has funded before; returns it."""
    query = select(grants_declared.c.nanos).where(grants_declared.c.account == account)
    difference = declared - (connection.execute(query).scalar() or 0)
    if difference:
        source, transfer_id = chart.source("config"), f"declared:{new_id()}"
        post(connection, [fund(account, difference, source, transfer_id, ref=ref, at_ms=at_ms)])
        statement = insert_into(connection, grants_declared).values(account=account, nanos=declared)
        connection.execute(
            statement.on_conflict_do_update(index_elements=["account"], set_={"nanos": declared})
        )
    return difference


def grant_lease(connection: Connection, account: str, epoch: str, nanos: int, at_ms: int) -> int:
    """Moves money into a worker's lease; returns the lease's cumulative grants.

    Raises NotCovered if the account holds less, EpochBuried if the worker is buried, StoreError if it is
    unknown.
    """
    state = epoch_state(connection, epoch)
    if state is None:
        raise StoreError(f"epoch {epoch} was never opened")
    if state == "buried":
        raise EpochBuried(epoch)
    granted, returned = _totals(connection, account, epoch)
    if nanos == 0:
        return granted
    held = balance(connection, account)
    if held < nanos:
        raise NotCovered(f"{account} holds {held} nanos, {nanos} were to be leased")
    granted += nanos
    post(connection, [grant(account, epoch, nanos, granted, at_ms)])
    _set_totals(connection, account, epoch, granted, returned)
    return granted


def book_return(connection: Connection, account: str, epoch: str, returned_total: int, at_ms: int) -> int:
    """Books what a worker gave back, by its cumulative figure; returns the nanos that were new.

    No more is booked than was ever granted, and nothing for a buried or unknown epoch.
    """
    if epoch_state(connection, epoch) != "live":
        return 0
    granted, returned = _totals(connection, account, epoch)
    more = min(returned_total, granted) - returned
    if more <= 0:
        return 0
    post(connection, [give_back(account, epoch, more, returned + more, at_ms)])
    _set_totals(connection, account, epoch, granted, returned + more)
    return more


def lease_totals(connection: Connection, epoch: str) -> list[tuple[str, int, int]]:
    """(account, granted, returned) of each lease of a worker, cumulative nanos; none once it is buried."""
    query = select(leases.c.account, leases.c.granted, leases.c.returned).where(leases.c.epoch == epoch)
    return [tuple(row) for row in connection.execute(query.order_by(leases.c.account))]


def leases_of(connection: Connection, account: str) -> list[tuple[str, int]]:
    """(epoch, nanos) of each live lease on an account: granted − returned − spent as far as ingested."""
    query = select(leases.c.epoch).join(epochs).where(leases.c.account == account, epochs.c.state == "live")
    names = {chart.lease(account, epoch): epoch for epoch in connection.execute(query).scalars()}
    held = dict.fromkeys(names, 0)
    for chunk in _chunks(list(names)):
        rows = connection.execute(select(accounts.c.id, accounts.c.balance).where(accounts.c.id.in_(chunk)))
        held |= {row.id: row.balance for row in rows}
    return sorted((names[name], nanos) for name, nanos in held.items())


def bury_epoch(connection: Connection, epoch: str, at_ms: int) -> int:
    """Empties every lease of an ended worker back into its account and marks it buried; returns nanos moved.

    Final: call it once the journal is ingested to its end or written off. A repeat does nothing.
    """
    if epoch_state(connection, epoch) != "live":
        return 0
    of_epoch = accounts.c.id.endswith(f":{epoch}", autoescape=True)
    is_lease = accounts.c.id.startswith("lease:", autoescape=True)
    rows = connection.execute(select(accounts.c.id, accounts.c.balance).where(is_lease, of_epoch))
    held = {row.id: row.balance for row in rows}
    post(connection, plan_burial(held, epoch, at_ms))
    connection.execute(delete(accounts).where(is_lease, of_epoch, accounts.c.balance == 0))
    connection.execute(delete(leases).where(leases.c.epoch == epoch))
    mark_buried(connection, epoch, at_ms)
    return sum(held.values())


def known_ids(connection: Connection, column: Column[str], ids: Sequence[str]) -> Iterator[str]:
    """Those of ``ids`` that the id column holds already."""
    for chunk in _chunks(ids):
        yield from connection.execute(select(column).where(column.in_(chunk))).scalars()


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), STORE_ROWS_PER_STATEMENT_MAX):
        yield values[start : start + STORE_ROWS_PER_STATEMENT_MAX]


def _totals(connection: Connection, account: str, epoch: str) -> tuple[int, int]:
    query = select(leases.c.granted, leases.c.returned)
    row = connection.execute(query.where(leases.c.epoch == epoch, leases.c.account == account)).one_or_none()
    return (0, 0) if row is None else (row.granted, row.returned)


def _set_totals(connection: Connection, account: str, epoch: str, granted: int, returned: int) -> None:
    statement = insert_into(connection, leases).values(
        epoch=epoch, account=account, granted=granted, returned=returned
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["epoch", "account"], set_={"granted": granted, "returned": returned}
        )
    )
