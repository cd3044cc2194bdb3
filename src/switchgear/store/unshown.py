"""Secrets that were made but not shown yet: sealed in a file of the data folder until somebody has seen them.

The file is written before the transaction that makes them is committed, and removed when they are out. So a
start that is cut off in between loses nothing: the next one finds them here, and those that never came to the
database are told from the others by it.
"""

import os

import msgspec
from sqlalchemy import Connection

from switchgear.kernel.home import Home
from switchgear.kernel.secret import key_digest
from switchgear.store.admins import check_admin
from switchgear.store.db import StoreError
from switchgear.store.keys import find_principal
from switchgear.store.vault import Vault

_RECORD = "unshown"


class Unshown(msgspec.Struct, frozen=True):
    """In plain."""

    keys: tuple[tuple[str, str], ...] = ()
    """(name, key) of API keys."""
    admin: tuple[str, str] | None = None
    """(name, password) of the administrator."""

    def __bool__(self) -> bool:
        return bool(self.keys or self.admin)

    def and_also(self, newer: "Unshown") -> "Unshown":
        """Both, with the newer value where they say different things about one."""
        return Unshown(tuple((dict(self.keys) | dict(newer.keys)).items()), newer.admin or self.admin)


def read_unshown(connection: Connection, home: Home, vault: Vault, pepper: bytes) -> Unshown:
    """What still waits to be shown and is still in force; nothing where the file can't be read."""
    try:
        kept = msgspec.json.decode(vault.open(_RECORD, home.unshown.read_bytes()), type=Unshown)
    except (OSError, StoreError, msgspec.DecodeError):
        return Unshown()
    keys = tuple((name, key) for name, key in kept.keys if _is_key(connection, name, key, pepper))
    admin = kept.admin if kept.admin and check_admin(connection, *kept.admin) else None
    return Unshown(keys, admin)


def keep_unshown(home: Home, vault: Vault, unshown: Unshown) -> None:
    """Call it in the transaction that makes them; with nothing to keep, the file goes. Raises OSError: then
    nothing must be made."""
    if not unshown:
        home.unshown.unlink(missing_ok=True)
        return
    fresh = home.unshown.with_name(f"{home.unshown.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(vault.seal(_RECORD, msgspec.json.encode(unshown).decode()))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(home.unshown)


def _is_key(connection: Connection, name: str, key: str, pepper: bytes) -> bool:
    found = find_principal(connection, key_digest(key, pepper))
    return found is not None and found.key_name == name
