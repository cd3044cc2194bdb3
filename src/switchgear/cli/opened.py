"""Opens the data folder for a command, and turns what can go wrong with it into one line."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from switchgear.cli.output import Failure
from switchgear.kernel.home import Home
from switchgear.store.db import Database, StoreError, open_database
from switchgear.store.vault import Vault, bind_secrets, load_pepper, load_vault


class Secrets(msgspec.Struct, frozen=True):
    """What opens the secrets of a data folder."""

    vault: Vault
    pepper: bytes


@contextmanager
def store_of(data: Path, *, make: bool = False) -> Iterator[Database]:
    """The database of a data folder; ``make`` allows to begin a new one.

    Ends the command with one line if the folder or database can't be used, inside the block as well.
    """
    home = Home(data)
    try:
        if make:
            home.create()
        elif not home.database.exists():
            os.stat(home.path)  # tells a folder that may not be read from one that is empty
            raise Failure(f'{data} holds no Switchgear data; begin with "switchgear serve --data {data}"')
        if why := home.who_else_writes():
            raise Failure(f"the data folder {data} is not safe: {why}")
        database = open_database(home.database)
        try:
            yield database
        finally:
            database.close()
    except StoreError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(folder_problem(data, error)) from error


def secrets_of(data: Path, database: Database) -> Secrets:
    """Master key and pepper, checked against the database. Raises StoreError."""
    home = Home(data)
    secrets = Secrets(load_vault(home), load_pepper(home))

    def bind(connection: Connection) -> None:
        bind_secrets(connection, secrets.vault, secrets.pepper)

    database.write(bind)
    return secrets


def vault_of(data: Path) -> Vault:
    """The vault for a command that only reads. Raises StoreError."""
    return load_vault(Home(data))


def folder_problem(data: Path, error: OSError) -> str:
    """One line for a data folder that can't be used."""
    place = error.filename or data
    return f"the data folder can't be used: {place}: {os.strerror(error.errno) if error.errno else error}"


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000
