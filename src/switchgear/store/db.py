"""One database behind two verbs: ``write`` runs a function in a transaction, ``read`` on a fixed view.

What only one engine has is in its own module, behind ``StoreEngine``.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Dialect, Table, insert, inspect, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from switchgear.kernel.limits import STORE_CONNECTIONS_MAX, STORE_WRITE_ATTEMPTS_MAX, STORE_WRITE_WAIT_S
from switchgear.store.engine import WRITES, StoreEngine
from switchgear.store.engine import StoreBusy as StoreBusy
from switchgear.store.engine import StoreError as StoreError
from switchgear.store.postgres import PostgresEngine
from switchgear.store.sqlite import SqliteEngine

SCHEMA_HEAD = "0005"
"""The newest migration; a test compares it with the files. Equal: a start needs no Alembic."""

T = TypeVar("T")
Insert = sqlite.Insert | postgresql.Insert


class ApplyError(StoreError):
    """A wanted change names an object that is not there, or clashes with one that is."""


class Database:
    """One open database, for all threads of a process. Other processes may have it open as well."""

    def __init__(self, engine: StoreEngine) -> None:
        self._engine = engine
        self._name = engine.name
        # Threads wait here rather than inside the engine: SQLite's waiting is polling.
        self._writing = threading.Lock()

    def write(self, fn: Callable[[Connection], T]) -> T:
        """Runs ``fn`` in one transaction and commits it; an exception rolls everything back and passes on.

        ``fn`` may be run again if the database was busy, so it must do nothing else than its SQL. Raises
        StoreError when the database fails, ``sqlalchemy.exc.IntegrityError`` as it is.
        """
        if not self._writing.acquire(timeout=STORE_WRITE_WAIT_S):
            raise StoreBusy(f"{self._name}: another thread has been writing for {STORE_WRITE_WAIT_S} s")
        try:
            for _ in range(STORE_WRITE_ATTEMPTS_MAX - 1):
                with suppress(StoreBusy):
                    return self._run(fn, writes=True)
            return self._run(fn, writes=True)
        finally:
            self._writing.release()

    def read(self, fn: Callable[[Connection], T]) -> T:
        """Runs ``fn`` on one consistent view of the database, and rolls back whatever it did."""
        return self._run(fn, writes=False)

    def stamp(self) -> object:
        """Differs from an earlier one if anybody, in any process, has committed something since; costs next
        to nothing. An engine that can't know says that somebody has."""
        return self._engine.stamp()

    def copy(self, target: Path) -> None:
        """Copies the database, as of one moment, to the file at ``target`` while others go on writing.

        The copy's epochs belong to no node. Raises StoreError.
        """
        self.read(lambda connection: self._engine.copy(connection, target))

    def close(self) -> None:
        """Closes every connection."""
        self._engine.close()

    def _run(self, fn: Callable[[Connection], T], writes: bool) -> T:
        try:
            with self._engine.engine.connect().execution_options(**{WRITES: writes}) as connection:
                with connection.begin() as transaction:
                    value = fn(connection)
                    if not writes:
                        transaction.rollback()
                return value
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise self._engine.fault(error) from error
        except PoolTimeout:
            raise StoreBusy(f"{self._name}: all {STORE_CONNECTIONS_MAX} connections are taken") from None


def open_database(place: str | Path) -> Database:
    """The database at ``place``, the path of an SQLite file or a URL ``postgresql://…``; made or migrated if
    need be.

    Raises StoreError with one clear line if it can't be read or written, is no database, or was made by a
    newer Switchgear.
    """
    engine = _engine_at(place)
    database = Database(engine)
    try:
        with engine.opening():
            revision = database.read(_revision)
            if revision != SCHEMA_HEAD:
                _migrate(database, engine, revision)
    except BaseException:
        database.close()
        raise
    return database


def _engine_at(place: str | Path) -> StoreEngine:
    if isinstance(place, Path) or not place.startswith(("postgresql://", "postgres://")):
        return SqliteEngine(Path(place))
    try:
        return PostgresEngine(make_url(place))
    except (ArgumentError, ValueError):
        raise StoreError("the database URL is not of the form postgresql://user@host/name") from None


def insert_into(connection: Connection, table: Table) -> Insert:
    """An INSERT that can be told what to do on conflict; both engines say it alike."""
    return _insert(connection.dialect, table)


def insert_many(
    connection: Connection, table: Table, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Inserts plain rows, values in the order of ``names``.

    Where the driver takes tuples, SQLAlchemy's work for each row is left out: it was a third of an ingest.
    """
    if not rows:
        return
    if connection.dialect.positional:
        connection.exec_driver_sql(_insert_text(connection.dialect, table, names), list(rows))
    else:
        connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])


def add_up(connection: Connection, column: Column[int], amounts: Mapping[str, int]) -> None:
    """Adds to ``column`` of the rows with these primary keys, making those that are not there."""
    # In order of their names, so that two transactions never wait for each other crosswise.
    rows = sorted(amounts.items())
    if connection.dialect.positional:
        connection.exec_driver_sql(_addition_text(connection.dialect, column), rows)
    else:
        id_name = column.table.primary_key.columns[0].name
        values = [{id_name: name, column.name: amount} for name, amount in rows]
        connection.execute(_addition(connection.dialect, column), values)


@lru_cache(maxsize=32)
def _insert_text(dialect: Dialect, table: Table, names: tuple[str, ...]) -> str:
    return str(insert(table).compile(dialect=dialect, column_keys=list(names)))


@lru_cache(maxsize=32)
def _addition_text(dialect: Dialect, column: Column[int]) -> str:
    names = [column.table.primary_key.columns[0].name, column.name]
    return str(_addition(dialect, column).compile(dialect=dialect, column_keys=names))


def _addition(dialect: Dialect, column: Column[int]) -> Insert:
    statement = _insert(dialect, column.table)
    return statement.on_conflict_do_update(
        index_elements=[column.table.primary_key.columns[0].name],
        set_={column.name: column + statement.excluded[column.name]},
    )


def _insert(dialect: Dialect, table: Table) -> Insert:
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def _revision(connection: Connection) -> str | None:
    """The schema's revision; None: an empty database. Raises StoreError if it belongs to something else."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise StoreError(f"{connection.engine.url.database}: a database, but not one of Switchgear")
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(database: Database, engine: StoreEngine, revision: str | None) -> None:
    from switchgear.store import migrate  # only here, as Alembic is slow to import

    if revision is not None:
        if revision not in migrate.known_revisions():
            raise StoreError(
                f"{engine.name}: made by a newer Switchgear (schema {revision}; ours is {SCHEMA_HEAD})"
            )
        engine.before_migration(SCHEMA_HEAD)
    database.write(migrate.upgrade)
