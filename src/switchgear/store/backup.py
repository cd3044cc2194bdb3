"""A copy of the database, as of one moment, while everybody goes on writing."""

import os
from pathlib import Path

from switchgear.store.db import Database, StoreError, backup_sqlite


def backup(database: Database, target: str | Path) -> int:
    """Copies to a new file that only its owner can read; returns its size in bytes.

    The file appears whole or not at all. Raises StoreError if it exists already or can't be written.
    """
    file = Path(target)
    if file.exists():
        raise StoreError(f"{file}: already exists")
    partial = file.with_name(f"{file.name}.partial")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        backup_sqlite(database, partial)
        with partial.open("rb+") as copy:
            os.fsync(copy.fileno())
        size_bytes = partial.stat().st_size
        partial.rename(file)
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return size_bytes
