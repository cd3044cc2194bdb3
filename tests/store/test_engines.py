"""Without this: what only SQLite does leaks into the common part, or writers of two nodes run at once."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from switchgear.store import postgres
from switchgear.store.db import StoreBusy, StoreError, open_database
from switchgear.store.engine import WRITES, StoreEngine
from switchgear.store.postgres import PostgresEngine
from switchgear.store.sqlite import SqliteEngine

URL = "postgresql://relay:hush@db.internal/switchgear"


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[StoreEngine]]:
    """One of each; PostgreSQL's without its driver, which is not needed until it connects."""
    bare: Engine = create_engine("sqlite://")
    monkeypatch.setattr(postgres, "_engine", lambda _: bare)
    both: list[StoreEngine] = [SqliteEngine(tmp_path / "s.db"), PostgresEngine(make_url(URL))]
    yield both
    for each in both:
        each.close()


class Recorder:
    def __init__(self, **options: Any) -> None:
        self.options = options
        self.said: list[str] = []

    def get_execution_options(self) -> dict[str, Any]:
        return self.options

    def exec_driver_sql(self, sql: str) -> None:
        self.said.append(sql)


def test_without_its_driver_postgresql_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> Engine:
        raise ModuleNotFoundError("No module named 'psycopg'")

    monkeypatch.setattr(postgres, "_engine", missing)
    with pytest.raises(StoreError, match="psycopg is not installed") as fault:
        open_database(URL)
    assert "hush" not in str(fault.value)


def test_a_url_that_can_t_be_read_is_refused_without_showing_it() -> None:
    with pytest.raises(StoreError, match="not of the form postgresql://") as fault:
        open_database("postgresql://relay:hush@host:port/x")
    assert "hush" not in str(fault.value)


def test_writers_of_postgresql_take_one_lock_and_readers_one_moment() -> None:
    writer, reader = Recorder(**{WRITES: True}), Recorder()
    postgres._begin(writer)  # type: ignore[arg-type]
    postgres._begin(reader)  # type: ignore[arg-type]
    assert [sql.split("(")[0] for sql in writer.said] == ["SELECT pg_advisory_xact_lock"]
    assert reader.said == ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"]


@pytest.mark.parametrize(
    ("sqlstate", "again"), [("40001", True), ("40P01", True), ("55P03", True), ("53100", False)]
)
def test_faults_of_postgresql_that_pass_are_tried_again(engines, sqlstate: str, again: bool) -> None:
    cause = type("Cause", (Exception,), {"sqlstate": sqlstate})("first line\nsecond")
    fault = engines[1].fault(DBAPIError("SELECT 1", {}, cause))
    assert isinstance(fault, StoreBusy) == again
    assert str(fault) == "postgresql://relay:***@db.internal/switchgear: first line"


def test_a_stamp_never_claims_that_nothing_has_changed_where_nobody_can_know(engines) -> None:
    file, server = engines
    assert file.stamp() == file.stamp()
    assert server.stamp() != server.stamp()


def test_postgresql_is_copied_with_its_own_tools(engines, tmp_path: Path) -> None:
    connection: Connection = SimpleNamespace()  # type: ignore[assignment]
    with pytest.raises(StoreError, match="pg_dump"):
        engines[1].copy(connection, tmp_path / "copy.db")
