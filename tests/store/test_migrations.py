"""Without this: a new version that can't read an old database, or spoils it when a migration fails half-way.

``schemas/<revision>.sql`` is a database with data as each released schema left it; a new schema adds its own.
"""

import shutil
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from switchgear.kernel.secret import key_digest
from switchgear.store import db, migrate
from switchgear.store.accounts import balances
from switchgear.store.auditing import audit_database, drift
from switchgear.store.channels import list_channels
from switchgear.store.db import SCHEMA_HEAD, Database, StoreError, open_database
from switchgear.store.keys import find_principal
from switchgear.store.rows import config_version
from switchgear.store.tables import metadata
from switchgear.store.usage import list_usage
from switchgear.store.vault import bind_secrets

SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))
STEP = """
from alembic import op
from sqlalchemy import Column, Integer
revision = "test2"
down_revision = "{head}"
def upgrade():
    op.create_table("extra", Column("id", Integer, primary_key=True))
    {then}
"""


@pytest.fixture
def later_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes the program one schema newer; its step may fail after its first statement."""

    def make(then: str) -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "versions" / "test2_extra.py").write_text(STEP.format(then=then, head=SCHEMA_HEAD))
        monkeypatch.setattr(migrate, "MIGRATIONS", folder)
        monkeypatch.setattr(db, "SCHEMA_HEAD", "test2")

    return make


def _restore(dump: Path, target: Path) -> None:
    connection = sqlite3.connect(target)
    connection.executescript(dump.read_text())
    connection.close()


def test_the_steps_build_what_the_tables_say(database: Database) -> None:
    assert migrate.known_revisions()[-1] == SCHEMA_HEAD
    assert database.read(lambda c: compare_metadata(MigrationContext.configure(c), metadata)) == []


def test_every_schema_has_its_dump() -> None:
    assert tuple(dump.stem for dump in SCHEMAS) == migrate.known_revisions()


@pytest.mark.parametrize("dump", SCHEMAS, ids=lambda dump: dump.stem)
def test_a_database_of_any_released_schema_opens_with_its_data(
    dump: Path, tmp_path: Path, vault, pepper
) -> None:
    path = tmp_path / "old.db"
    _restore(dump, path)
    database = open_database(path)
    database.write(lambda c: bind_secrets(c, vault, pepper))
    assert database.read(audit_database) == []
    assert database.read(drift) == 0
    assert {name: nanos for name, nanos in database.read(balances).items() if nanos} == {
        "source:config": -1_005_000,
        "wallet:0190000000000000000000000000acce": 900_000,
        "budget:key:0190000000000000000000000000c1c1": 4_000,
        "lease:wallet:0190000000000000000000000000acce:0190000000000000000000000000e001": 99_970,
        "lease:budget:key:0190000000000000000000000000c1c1:0190000000000000000000000000e001": 970,
        "revenue": 30,
        "spent:budget:key:0190000000000000000000000000c1c1": 30,
    }
    principal = database.read(lambda c: find_principal(c, key_digest("sk-" + "A1" * 24, pepper)))
    assert principal is not None
    assert (principal.user_name, principal.slot) == ("acme", 1)
    (channel,) = database.read(lambda c: list_channels(c, vault))
    assert channel.config.keys == ("sk-upstream",)
    assert channel.config.dialects == (() if dump.stem == "0001" else ("openai_chat",))
    assert [record.charge.nanos for record in database.read(list_usage)] == [30]
    assert database.read(config_version) == 1
    database.close()


def test_a_migration_keeps_a_copy_and_the_data(tmp_path: Path, later_version) -> None:
    path = tmp_path / "old.db"
    _restore(SCHEMAS[0], path)
    later_version("pass")
    database = open_database(path)
    assert database.read(lambda c: c.execute(text("SELECT count(*) FROM extra")).scalar()) == 0
    assert database.read(audit_database) == []
    database.close()
    copy = tmp_path / "old.db.before-test2"
    assert copy.stat().st_mode & 0o777 == 0o600
    before = sqlite3.connect(copy)
    assert before.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    assert before.execute("SELECT nanos FROM usage").fetchall() == [(30,)]
    before.close()
    open_database(path).close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, later_version) -> None:
    path = tmp_path / "old.db"
    _restore(SCHEMAS[0], path)
    later_version('op.execute("INSERT INTO nowhere VALUES (1)")')
    for _ in range(2):
        with pytest.raises(StoreError, match=r"old\.db: no such table: nowhere"):
            open_database(path)
    after = sqlite3.connect(path)
    tables = {name for (name,) in after.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert "extra" not in tables
    assert after.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    after.close()
