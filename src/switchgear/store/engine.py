"""What a database engine has of its own. All raw SQL that only one engine understands is in its module."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

WRITES = "switchgear_writes"
"""Execution option of a connection: True if its transaction may write."""


class StoreError(Exception):
    """The database can't be used, or not now; the message is one line for an operator."""


class StoreBusy(StoreError):
    """Another writer holds the database for longer than we wait."""


class StoreEngine(Protocol):
    """One database of one engine.

    Its transactions that may write run one after another, over all processes and nodes, and each sees what
    those before it committed: the ledger looks at a balance before it moves money. Those that only read see
    one moment, and wait for nobody.
    """

    name: str
    """For messages; holds no password."""
    engine: Engine

    def opening(self) -> AbstractContextManager[None]:
        """One process at a time, over all nodes, opens or migrates. Raises StoreBusy, StoreError."""
        ...

    def before_migration(self, revision: str) -> None:
        """Keeps what a failed migration to ``revision`` could spoil. Raises StoreError."""
        ...

    def copy(self, connection: Connection, target: Path) -> None:
        """Writes the whole database, as of one moment, to a file. Raises StoreError."""
        ...

    def stamp(self) -> object:
        """Differs from an earlier one if anybody may have committed something since."""
        ...

    def close(self) -> None:
        """Closes every connection."""
        ...

    def fault(self, error: DBAPIError) -> StoreError:
        """The driver's error as ours; StoreBusy if the transaction may be run again at once."""
        ...
