"""Without this: SQL that only SQLite understands spreads, and PostgreSQL means a rewrite."""

import ast
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from switchgear import store
from switchgear.store import db
from switchgear.store.db import add_up, insert_many
from switchgear.store.tables import accounts, groups, metadata

FOLDER = Path(store.__file__).parent
RAW = {"text", "exec_driver_sql"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_raw_sql_stands_with_the_engines_only(path: Path) -> None:
    called = {
        node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    assert path.name in {"db.py", "sqlite.py", "postgres.py"} or not called & RAW


def test_every_table_can_be_made_on_postgresql() -> None:
    dialect = postgresql.dialect()
    for table in metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert "CREATE INDEX" in str(CreateIndex(index).compile(dialect=dialect))


def test_conflicts_are_said_in_the_words_of_postgresql() -> None:
    dialect = postgresql.dialect()
    addition = str(db._addition(dialect, accounts.c.balance).compile(dialect=dialect))
    assert "ON CONFLICT (id) DO UPDATE SET balance = (accounts.balance + excluded.balance)" in addition
    ignoring = db._insert(dialect, groups).on_conflict_do_nothing()
    assert str(ignoring.compile(dialect=dialect)).endswith("ON CONFLICT DO NOTHING")


@pytest.mark.parametrize("style", ["qmark", "named"])
def test_rows_arrive_whatever_the_driver_takes(style: Literal["qmark", "named"]) -> None:
    """SQLite's takes tuples, PostgreSQL's dictionaries; both ways end in the same rows."""
    engine = create_engine("sqlite://", paramstyle=style)
    assert engine.dialect.positional == (style == "qmark")
    with engine.connect() as connection:
        metadata.create_all(connection)
        insert_many(connection, groups, ("name", "ratio_ppm"), [("a", 1), ("b", 2)])
        insert_many(connection, groups, ("name", "ratio_ppm"), [])
        add_up(connection, accounts.c.balance, {"y": -1, "x": 5})
        add_up(connection, accounts.c.balance, {"y": -1, "z": 3})
        rows = connection.execute(select(groups.c.name, groups.c.ratio_ppm).order_by(groups.c.name))
        assert rows.all() == [("a", 1), ("b", 2)]
        held = connection.execute(select(accounts).order_by(accounts.c.id)).all()
        assert held == [("x", 5), ("y", -2), ("z", 3)]
    engine.dispose()
