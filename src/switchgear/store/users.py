"""Users: a name, a status and a wallet."""

import msgspec
from sqlalchemy import Connection, select, update

from switchgear.kernel.config import UserConfig
from switchgear.kernel.ids import new_id
from switchgear.ledger import chart
from switchgear.store.accounts import balances, fund_declared, top_up
from switchgear.store.db import ApplyError
from switchgear.store.rows import bump_config_version, change_lines, put_row
from switchgear.store.tables import users


class UserRow(msgspec.Struct, frozen=True):
    """A user as lists show it; the balance is what lies in the wallet, without what workers hold on lease."""

    id: str
    name: str
    status: str
    created_at_ms: int
    wallet: str
    balance_nanos: int


def create_user(connection: Connection, user: UserConfig, now_ms: int) -> str:
    """Makes a user and funds the wallet; returns the id. Raises ApplyError if the name is taken."""
    if _id_of(connection, user.name) is not None:
        raise ApplyError(f"user {user.name!r}: already exists")
    put_user(connection, user, now_ms)
    bump_config_version(connection)
    return user_id(connection, user.name)


def put_user(connection: Connection, user: UserConfig, now_ms: int) -> tuple[str, ...]:
    """Makes or changes the user and funds the wallet up to the declared total; says what changed."""
    wanted = {"name": user.name} | ({"status": user.status} if user.status is not None else {})
    at_first = {"id": new_id(), "status": "active", "created_at_ms": now_ms}
    fresh = {name: value for name, value in at_first.items() if name not in wanted}
    changed = put_row(connection, users, users.c.name, wanted, fresh)
    lines = change_lines("user", user.name, changed)
    if user.balance_nanos is None:
        return lines
    wallet = chart.wallet(user_id(connection, user.name))
    booked = fund_declared(connection, wallet, user.balance_nanos, f"user {user.name}", now_ms)
    return (*lines, f"user {user.name!r}: wallet {booked:+d} nanos") if booked else lines


def user_id(connection: Connection, name: str, wanted_by: str = "") -> str:
    """Raises ApplyError if there is no such user; ``wanted_by`` says who needs it."""
    found = _id_of(connection, name)
    if found is None:
        missing = f"there is no user {name!r}"
        raise ApplyError(f"{wanted_by}: {missing}" if wanted_by else missing)
    return found


def set_user_status(connection: Connection, name: str, status: str) -> bool:
    """Sets ``active`` or ``disabled``; False if it was so already. Raises ApplyError if there is none."""
    identifier = user_id(connection, name)
    statement = update(users).where(users.c.id == identifier, users.c.status != status).values(status=status)
    if connection.execute(statement).rowcount == 0:
        return False
    bump_config_version(connection)
    return True


def top_up_user(connection: Connection, name: str, nanos: int, ref: str, at_ms: int) -> int:
    """Puts money into the wallet; returns its balance. A ``ref`` that was booked before changes nothing."""
    return top_up(connection, user_id(connection, name), nanos, ref, at_ms)


def list_users(connection: Connection) -> list[UserRow]:
    """All users by name."""
    held = balances(connection, chart.wallet(""))
    rows = connection.execute(select(users).order_by(users.c.name))
    return [
        UserRow(
            id=row.id,
            name=row.name,
            status=row.status,
            created_at_ms=row.created_at_ms,
            wallet=chart.wallet(row.id),
            balance_nanos=held.get(chart.wallet(row.id), 0),
        )
        for row in rows
    ]


def _id_of(connection: Connection, name: str) -> str | None:
    return connection.execute(select(users.c.id).where(users.c.name == name)).scalar()
