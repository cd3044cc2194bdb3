"""SQLite: one file for one machine.

It runs in WAL mode with full sync, so a commit that returned is on the disk; writers take the lock at BEGIN,
so a transaction never fails half-way for being late.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from switchgear.kernel.limits import (
    STORE_BUSY_TIMEOUT_MS,
    STORE_CONNECTIONS_MAX,
    STORE_MIGRATION_WAIT_S,
    STORE_WRITE_WAIT_S,
)
from switchgear.store.engine import WRITES, StoreBusy, StoreError

_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "temp_store = MEMORY",
    "wal_autocheckpoint = 4000",  # pages, 16 MB: a fifth faster at ingest than the usual 1000
)


class SqliteEngine:
    """A database file, made if it is not there. Raises StoreError if it can't be."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.name = str(file)
        _create_private(file)
        self.engine = _engine(file)
        self._watch: sqlite3.Connection | None = None
        """Makes no change itself, and so sees those of all others."""

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Also keeps two processes from turning a new file to WAL mode at once. The kernel frees the lock of
        a process that dies."""
        lock = self._file.with_name(f"{self._file.name}.opening")
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{lock}: {error.strerror}") from error
        try:
            give_up_at = time.monotonic() + STORE_MIGRATION_WAIT_S
            while not _locked(descriptor):
                if time.monotonic() > give_up_at:
                    raise StoreBusy(
                        f"{self.name}: another process has been opening it for {STORE_MIGRATION_WAIT_S} s"
                    )
                time.sleep(0.02)
            yield
        finally:
            os.close(descriptor)

    def before_migration(self, revision: str) -> None:
        """Copies the file to ``<name>.before-<revision>``."""
        backup = self._file.with_name(f"{self._file.name}.before-{revision}")
        backup.unlink(missing_ok=True)
        with self.engine.connect() as connection:
            _copy(connection, backup)
        backup.chmod(0o600)

    def copy(self, connection: Connection, target: Path) -> None:
        """The copy's epochs belong to no node: it may go on in another data folder, with an id of its own."""
        _copy(connection, target)
        try:
            with closing(sqlite3.connect(target)) as copy, copy:
                copy.execute("UPDATE epochs SET node = ''")
        except sqlite3.Error as error:
            raise StoreError(f"{target}: {error}") from error

    def stamp(self) -> object:
        """Costs a few microseconds. To be called by one thread. Times of files would not do: commits go over
        what is in the log already, and a clock may stand still."""
        try:
            if self._watch is None:
                self._watch = sqlite3.connect(self.name, timeout=0, check_same_thread=False)
            return self._watch.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            return object()  # nobody knows, so it has to be looked at

    def close(self) -> None:
        """The last connection folds the write-ahead log into the file."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
        self.engine.dispose()

    def fault(self, error: DBAPIError) -> StoreError:
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        kind = StoreBusy if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) else StoreError
        return kind(f"{self.name}: {str(error.orig).splitlines()[0]}")


def _copy(connection: Connection, target: Path) -> None:
    source = connection.connection.driver_connection
    assert isinstance(source, sqlite3.Connection)
    try:
        with closing(sqlite3.connect(target)) as destination:
            source.backup(destination)
    except sqlite3.Error as error:
        raise StoreError(f"{target}: {error}") from error


def _engine(file: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        pool_size=STORE_CONNECTIONS_MAX,
        max_overflow=0,
        pool_use_lifo=True,  # few threads at a time: the others' page caches stay empty
        pool_timeout=STORE_WRITE_WAIT_S,
        connect_args={"timeout": STORE_BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _create_private(file: Path) -> None:
    """SQLite would make the file with the ordinary mask; ours is for its owner only."""
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror}") from error


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own transaction handling starts too late and commits around DDL; we say BEGIN ourselves.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
