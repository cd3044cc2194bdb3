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
    known = list_admins(connection)
    return (known[0], None) if known else (FIRST_ADMIN, reset_admin_password(connection, FIRST_ADMIN))


def list_admins(connection: Connection) -> list[str]:
    """Their names, sorted."""
    return list(connection.execute(select(admins.c.name).order_by(admins.c.name)).scalars())


def reset_admin_password(connection: Connection, name: str) -> str:
    """A new password of an administrator, who is made if need be; it can't be read again."""
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    set_admin_password(connection, name, password)
    return password


def set_admin_password(connection: Connection, name: str, password: str) -> None:
    """Makes the administrator if need be."""
    values = {"name": name, "password_hash": PasswordHasher().hash(password)}
    statement = insert_into(connection, admins).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def check_admin(connection: Connection, name: str, password: str) -> bool:
    """Whether this is the administrator's password. Takes some 50 ms by design, whatever the answer."""
    known = connection.execute(select(admins.c.password_hash).where(admins.c.name == name)).scalar()
    if known is None:
        PasswordHasher().hash(password)  # an unknown name takes as long to refuse as a wrong password
        return False
    try:
        return PasswordHasher().verify(known, password)
    except (VerificationError, InvalidHashError):
        return False
