"""One database behind two verbs: ``write`` runs a function in a transaction, ``read`` on a fixed view.

All that is particular to an engine is in this file. SQLite runs in WAL mode with full sync, so a commit that
returned is on the disk; writers take the lock at BEGIN, so a transaction never fails half-way for being late.
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Dialect, Engine, Table, create_engine, event, insert, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from switchgear.kernel.limits import (
    STORE_BUSY_TIMEOUT_MS,
    STORE_CONNECTIONS_MAX,
    STORE_MIGRATION_WAIT_S,
    STORE_WRITE_ATTEMPTS_MAX,
    STORE_WRITE_WAIT_S,
)

SCHEMA_HEAD = "0005"
"""The newest migration; a test compares it with the files. Equal: a start needs no Alembic."""

_SQLITE_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "temp_store = MEMORY",
    "wal_autocheckpoint = 4000",  # pages, 16 MB: a fifth faster at ingest than the usual 1000
)

T = TypeVar("T")
Insert = sqlite.Insert | postgresql.Insert


class StoreError(Exception):
    """The database can't be used, or not now; the message is one line for an operator."""


class StoreBusy(StoreError):
    """Another writer holds the database for longer than we wait."""


class ApplyError(StoreError):
    """A wanted change names an object that is not there, or clashes with one that is."""


class Database:
    """One open database, for all threads of a process. Other processes may have it open as well."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        # Threads wait here rather than inside SQLite, whose waiting is polling.
        self._writing = threading.Lock()
        self._watch: sqlite3.Connection | None = None
        """Makes no change itself, and so sees those of all others."""

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
        """Differs from an earlier one if anybody, in any process, has committed something since; costs a few
        microseconds. To be called by one thread. Times of files would not do: commits go over what is in the
        log already, and a clock may stand still."""
        try:
            if self._watch is None:
                self._watch = sqlite3.connect(self._name, timeout=0, check_same_thread=False)
            return self._watch.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            return object()  # nobody knows, so it has to be looked at

    def close(self) -> None:
        """Closes every connection; the last one folds the write-ahead log into the file."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
        self._engine.dispose()

    def _run(self, fn: Callable[[Connection], T], writes: bool) -> T:
        try:
            with self._engine.connect().execution_options(switchgear_writes=writes) as connection:
                with connection.begin() as transaction:
                    value = fn(connection)
                    if not writes:
                        transaction.rollback()
                return value
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise _store_error(self._name, error) from error
        except PoolTimeout:
            raise StoreBusy(f"{self._name}: all {STORE_CONNECTIONS_MAX} connections are taken") from None


def open_database(path: str | Path) -> Database:
    """The database at ``path``, made or migrated if need be.

    Raises StoreError with one clear line if the file can't be read or written, is no database, or was made by
    a newer Switchgear. An existing file is copied to ``<name>.before-<revision>`` before it is migrated.
    """
    file = Path(path)
    engine = _sqlite_engine(file)
    database = Database(engine, str(file))
    try:
        # Held for the first look as well: two processes can't both turn a new file to WAL mode.
        with _opening_lock(file):
            revision = database.read(_revision)
            if revision != SCHEMA_HEAD:
                _migrate(database, file, revision)
    except BaseException:
        database.close()
        raise
    return database


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


def backup_sqlite(database: Database, target: Path) -> None:
    """Copies the database, as of one moment, to the file at ``target`` while others go on writing."""

    def copy(connection: Connection) -> None:
        source = connection.connection.driver_connection
        if not isinstance(source, sqlite3.Connection):
            raise StoreError("this database is not SQLite; back it up with its own tools")
        try:
            with closing(sqlite3.connect(target)) as destination:
                source.backup(destination)
        except sqlite3.Error as error:
            raise StoreError(f"{target}: {error}") from error

    database.read(copy)


def _revision(connection: Connection) -> str | None:
    """The schema's revision; None: an empty database. Raises StoreError if it belongs to something else."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise StoreError(f"{connection.engine.url.database}: a database, but not one of Switchgear")
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(database: Database, file: Path, revision: str | None) -> None:
    from switchgear.store import migrate  # only here, as Alembic is slow to import

    if revision is not None:
        if revision not in migrate.known_revisions():
            raise StoreError(f"{file}: made by a newer Switchgear (schema {revision}; ours is {SCHEMA_HEAD})")
        backup = file.with_name(f"{file.name}.before-{SCHEMA_HEAD}")
        backup.unlink(missing_ok=True)
        backup_sqlite(database, backup)
        backup.chmod(0o600)
    database.write(migrate.upgrade)


@contextmanager
def _opening_lock(file: Path) -> Iterator[None]:
    """One process at a time opens and migrates; the kernel frees the lock of one that dies."""
    lock = file.with_name(f"{file.name}.opening")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{lock}: {error.strerror}") from error
    try:
        give_up_at = time.monotonic() + STORE_MIGRATION_WAIT_S
        while not _locked(descriptor):
            if time.monotonic() > give_up_at:
                raise StoreBusy(f"{file}: another process has been opening it for {STORE_MIGRATION_WAIT_S} s")
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sqlite_engine(file: Path) -> Engine:
    _create_private(file)
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        pool_size=STORE_CONNECTIONS_MAX,
        max_overflow=0,
        pool_use_lifo=True,  # few threads at a time: the others' page caches stay empty
        pool_timeout=STORE_WRITE_WAIT_S,
        connect_args={"timeout": STORE_BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_private(file: Path) -> None:
    """SQLite would make the file with the ordinary mask; ours is for its owner only."""
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror}") from error


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own transaction handling starts too late and commits around DDL; we say BEGIN ourselves.
    connection.isolation_level = None
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("switchgear_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _store_error(name: str, error: DBAPIError) -> StoreError:
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    kind = StoreBusy if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) else StoreError
    return kind(f"{name}: {str(error.orig).splitlines()[0]}")
