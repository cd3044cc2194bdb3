"""Without this: an admin login that changes at every start, or lets somebody else in."""

from switchgear.store.admins import admin_hash, ensure_admin, is_password, set_admin_password
from switchgear.store.db import Database


def test_the_first_admin_is_told_once(database: Database) -> None:
    name, password = database.write(ensure_admin)
    assert password is not None
    assert len(password) >= 20
    assert database.write(ensure_admin) == (name, None)
    assert database.read(lambda c: is_password(admin_hash(c, name), password))
    assert not database.read(lambda c: is_password(admin_hash(c, name), password + "x"))
    assert not database.read(lambda c: is_password(admin_hash(c, "nobody"), password))
    assert not database.read(lambda c: is_password(admin_hash(c, name), ""))


def test_a_password_can_be_set_anew(database: Database) -> None:
    name, old = database.write(ensure_admin)
    database.write(lambda c: set_admin_password(c, name, "new"))
    assert database.read(lambda c: is_password(admin_hash(c, name), "new"))
    assert not database.read(lambda c: is_password(admin_hash(c, name), old or ""))
