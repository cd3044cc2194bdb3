"""Making a row be what is wanted, and saying what that changed."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table, insert, select, update

from switchgear.store.db import insert_into
from switchgear.store.tables import meta

_CONFIG_VERSION = "config_version"
_WORDS = {
    "digest": "key",
    "masked": "",  # goes with the digest
    "user_id": "user",
    "group_name": "group",
    "group_names": "groups",
    "has_quota": "whether it has a quota",
}
"""Columns that are called otherwise in a config file."""


def put_row(
    connection: Connection,
    table: Table,
    by: Column[str],
    wanted: Mapping[str, Any],
    at_first: Mapping[str, Any],
) -> tuple[str, ...] | None:
    """Makes the row that ``by`` names hold the wanted values; ``at_first`` is added only to a new row.

    Returns the columns that changed (none: it was so already), or None if the row was made.
    """
    names = [table.c[name] for name in wanted]
    row = connection.execute(select(*names).where(by == wanted[by.name])).mappings().one_or_none()
    if row is None:
        connection.execute(insert(table).values(**at_first, **wanted))
        return None
    changed = tuple(name for name, value in wanted.items() if row[name] != value)
    if changed:
        values = {name: wanted[name] for name in changed}
        connection.execute(update(table).where(by == wanted[by.name]).values(**values))
    return changed


def change_lines(kind: str, name: str, changed: Sequence[str] | None) -> tuple[str, ...]:
    """One line for the operator, or none: ``key 'ci': changed rpm, tpm``."""
    if changed is None:
        return (f"{kind} {name!r}: created",)
    words = [_WORDS.get(column, column) for column in changed]
    return (f"{kind} {name!r}: changed {', '.join(word for word in words if word)}",) if words else ()


def config_version(connection: Connection) -> int:
    """Grows with every change of what workers must know; 0 before the first."""
    value = connection.execute(select(meta.c.value).where(meta.c.name == _CONFIG_VERSION)).scalar()
    return int(value) if value is not None else 0


def bump_config_version(connection: Connection) -> int:
    """Call it in the transaction of the change itself; returns the new version."""
    version = config_version(connection) + 1
    statement = insert_into(connection, meta).values(name=_CONFIG_VERSION, value=str(version))
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": str(version)}))
    return version
