"""PostgreSQL: one database for several nodes.

Writing transactions take one advisory lock, so they run one after another as on SQLite. Under SERIALIZABLE
any two that book to one account would clash and start again, and all book to ``revenue``. Each statement of
READ COMMITTED sees all that was committed before the lock was had; a snapshot would be older than it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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

_DRIVER = "postgresql+psycopg"
_LOCK_SPACE = 0x53574752
"""Of our advisory locks; they are the database's own, so two databases of a server don't meet."""
_WRITING, _OPENING = 1, 2
_TRY_AGAIN = frozenset(
    {
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "55P03",  # lock_not_available: the timeout of a lock
    }
)


class PostgresEngine:
    """A database at ``postgresql://user@host/name``. Raises StoreError if its driver is not installed."""

    def __init__(self, url: URL) -> None:
        self.name = url.render_as_string(hide_password=True)
        try:
            self.engine = _engine(url.set(drivername=_DRIVER))
        except ImportError:
            raise StoreError(f"{self.name}: the Python package psycopg is not installed") from None

    @contextmanager
    def opening(self) -> Iterator[None]:
        """The server frees the lock of a connection that ends."""
        try:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql(f"SET lock_timeout = {STORE_MIGRATION_WAIT_S * 1000:.0f}")
                connection.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK_SPACE}, {_OPENING})")
                try:
                    yield
                finally:
                    connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_LOCK_SPACE}, {_OPENING})")
                    connection.exec_driver_sql(f"SET lock_timeout = {STORE_BUSY_TIMEOUT_MS}")
        except DBAPIError as error:
            raise self.fault(error) from error

    def before_migration(self, revision: str) -> None:
        """Nothing: tables change within the transaction, which a fault rolls back; operators have dumps."""

    def copy(self, connection: Connection, target: Path) -> None:
        raise StoreError("this database is PostgreSQL; back it up with its own tools, such as pg_dump")

    def stamp(self) -> object:
        """Always another: nothing on this side knows of the commits of other nodes."""
        return object()

    def close(self) -> None:
        self.engine.dispose()

    def fault(self, error: DBAPIError) -> StoreError:
        kind = StoreBusy if getattr(error.orig, "sqlstate", None) in _TRY_AGAIN else StoreError
        lines = str(error.orig).splitlines() or [type(error.orig).__name__]
        return kind(f"{self.name}: {lines[0]}")


def _engine(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=STORE_CONNECTIONS_MAX,
        max_overflow=0,
        pool_use_lifo=True,
        pool_pre_ping=True,  # a server that was started again must not cost a transaction
        pool_timeout=STORE_WRITE_WAIT_S,
        connect_args={
            "connect_timeout": max(2, STORE_BUSY_TIMEOUT_MS // 1000),
            "options": f"-c lock_timeout={STORE_BUSY_TIMEOUT_MS} -c synchronous_commit=on",
        },
    )
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    if options.get(WRITES, False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_SPACE}, {_WRITING})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
