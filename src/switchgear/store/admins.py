"""Administrators: a name and an argon2id hash."""

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, select

from switchgear.store.db import insert_into
from switchgear.store.tables import admins

FIRST_ADMIN = "admin"
PASSWORD_BYTES = 15


def ensure_admin(connection: Connection) -> tuple[str, str | None]:
    """The first administrator's name, and the password if it was made just now; it can't be read again."""
    name = connection.execute(select(admins.c.name).order_by(admins.c.name).limit(1)).scalar()
    if name is not None:
        return str(name), None
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    set_admin_password(connection, FIRST_ADMIN, password)
    return FIRST_ADMIN, password


def set_admin_password(connection: Connection, name: str, password: str) -> None:
    """Makes the administrator if need be."""
    values = {"name": name, "password_hash": PasswordHasher().hash(password)}
    statement = insert_into(connection, admins).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def admin_hash(connection: Connection, name: str) -> str | None:
    """The hash of an administrator's password; None where there is none of this name."""
    return connection.execute(select(admins.c.password_hash).where(admins.c.name == name)).scalar()


def is_password(known: str | None, password: str) -> bool:
    """Whether the hash is this password's. Takes some 50 ms and 64 MiB by design, whatever the answer; no
    database is held meanwhile."""
    if known is None:
        PasswordHasher().hash(password)  # an unknown name takes as long to refuse as a wrong password
        return False
    try:
        return PasswordHasher().verify(known, password)
    except (VerificationError, InvalidHashError):
        return False
