"""Without this: half-written transactions, starts that fail beside another process, unclear errors."""

import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import IntegrityError

from switchgear.store import db
from switchgear.store.accounts import balance, top_up
from switchgear.store.db import Database, StoreBusy, StoreError, open_database
from switchgear.store.rows import bump_config_version, config_version
from switchgear.store.tables import groups

OPEN = "import sys; from switchgear.store.db import open_database; open_database(sys.argv[1]).close()"


def _add_group(name: str) -> object:
    return lambda connection: connection.execute(groups.insert().values(name=name, ratio_ppm=1))


def _count(connection: Connection) -> int:
    return connection.execute(select(func.count()).where(groups.c.name == "a")).scalar_one()


def test_an_exception_rolls_everything_back(database: Database) -> None:
    def fails(connection: Connection) -> None:
        _add_group("a")(connection)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        database.write(fails)
    assert database.read(_count) == 0


def test_a_read_changes_nothing(database: Database) -> None:
    database.read(_add_group("a"))
    assert database.read(_count) == 0


def test_a_clash_is_the_callers_to_see(database: Database) -> None:
    database.write(_add_group("a"))
    with pytest.raises(IntegrityError):
        database.write(_add_group("a"))


def _commit_elsewhere(path: Path, *after: str) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE meta SET value = value + 1 WHERE name = 'config_version'")
        other.commit()
        for statement in after:
            other.execute(statement).fetchall()


@pytest.mark.parametrize(
    "after", [(), ("PRAGMA wal_checkpoint(PASSIVE)",), ("PRAGMA wal_checkpoint(TRUNCATE)",)]
)
def test_every_commit_of_another_process_shows_though_the_clock_stands_still(
    database: Database, tmp_path: Path, after: tuple[str, ...]
) -> None:
    """Commits of one size go over each other in the log, and their times are those of a coarse clock."""
    path = tmp_path / "switchgear.db"
    database.write(bump_config_version)
    seen = [database.stamp()]
    for _ in range(5):
        _commit_elsewhere(path, *after)
        for name in (path, path.with_name(path.name + "-wal")):
            os.utime(name, ns=(0, 0))
        seen.append(database.stamp())
    assert len(set(seen)) == len(seen)
    assert database.stamp() == seen[-1]
    database.write(bump_config_version)
    assert database.stamp() != seen[-1]


def test_two_databases_and_many_threads_lose_no_write(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    both = [open_database(path), open_database(path)]

    def count_up(n: int) -> None:
        both[n % 2].write(bump_config_version)
        both[n % 2].write(lambda c: top_up(c, "u", 5, f"ref {n // 2}", 0))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count_up, range(60)))
    assert both[0].read(config_version) == 60
    # Each reference was said through both databases and booked once.
    assert both[1].read(lambda c: balance(c, "wallet:u")) == 30 * 5
    for database in both:
        database.close()


def test_a_reader_sees_one_moment_while_another_writes(database: Database) -> None:
    def look_twice(connection: Connection) -> tuple[int, int]:
        before = _count(connection)
        writer = threading.Thread(target=database.write, args=(_add_group("a"),))
        writer.start()
        writer.join()
        return before, _count(connection)

    assert database.read(look_twice) == (0, 0)
    assert database.read(_count) == 1


def test_a_writer_elsewhere_is_waited_for_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "STORE_BUSY_TIMEOUT_MS", 10)
    path = tmp_path / "s.db"
    database = open_database(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="locked"):
        database.write(_add_group("a"))
    other.execute("ROLLBACK")
    database.write(_add_group("a"))
    other.close()
    database.close()


def test_several_processes_may_make_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    starts = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", OPEN, str(path)], env=environment)
        for _ in range(3)
    ]
    assert [start.wait(timeout=60) for start in starts] == [0, 0, 0]
    database = open_database(path)
    assert database.read(_count) == 0
    database.close()


def test_one_process_at_a_time_opens_or_migrates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "STORE_MIGRATION_WAIT_S", 0.05)
    with (tmp_path / "s.db.opening").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StoreBusy, match="another process"):
            open_database(tmp_path / "s.db")
    open_database(tmp_path / "s.db").close()


def test_a_current_database_opens_without_alembic(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    open_database(path).close()
    check = f"{OPEN}; assert 'alembic' not in sys.modules"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", check, str(path)], env=environment, check=True, timeout=60)


def test_the_file_is_for_its_owner_only_and_synced(database: Database, tmp_path: Path) -> None:
    assert (tmp_path / "switchgear.db").stat().st_mode & 0o077 == 0

    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert database.read(pragmas) == ["wal", 2, 1]


def test_what_is_no_database_of_ours_is_refused_in_one_line(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"not a database, by far" * 100)
    foreign = tmp_path / "foreign.db"
    other = sqlite3.connect(foreign)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    newer = tmp_path / "newer.db"
    open_database(newer).close()
    other = sqlite3.connect(newer)
    other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.commit()
    other.close()
    folder = tmp_path / "folder.db"
    folder.mkdir()
    for path, words in (
        (garbage, "not a database"),
        (foreign, "not one of Switchgear"),
        (newer, "newer Switchgear"),
        (folder, "directory"),
        (tmp_path / "nowhere" / "x.db", "No such file"),
    ):
        with pytest.raises(StoreError, match=words) as caught:
            open_database(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert garbage.read_bytes().startswith(b"not a database")


def test_damage_found_later_is_a_store_error(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    open_database(path).close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"malformed|corrupt"):
        open_database(path).write(_add_group("a"))
