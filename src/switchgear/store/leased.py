"""Questions that the controller asks of leases often: of a few accounts, never of all of them."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, or_, select

from switchgear.store.tables import accounts, leases


def totals_of(connection: Connection, epoch: str, wanted: Sequence[str]) -> list[tuple[str, int, int]]:
    """(account, granted, returned) of a worker's leases on these accounts, cumulative nanos."""
    query = select(leases.c.account, leases.c.granted, leases.c.returned)
    rows = connection.execute(query.where(leases.c.epoch == epoch, leases.c.account.in_(wanted)))
    return sorted((row.account, row.granted, row.returned) for row in rows)


def outstanding(connection: Connection) -> int:
    """Nanos in all leases together."""
    query = select(func.coalesce(func.sum(accounts.c.balance), 0)).where(accounts.c.id.startswith("lease:"))
    return int(connection.execute(query).scalar_one())


def overdrawn(connection: Connection) -> list[str]:
    """Wallets and budgets below zero, by name."""
    spendable = or_(accounts.c.id.startswith("wallet:"), accounts.c.id.startswith("budget:"))
    query = select(accounts.c.id).where(accounts.c.balance < 0, spendable).order_by(accounts.c.id)
    return list(connection.execute(query).scalars())
