"""Old records. Without this: the database grows for ever, or money is lost, doubled or moved between accounts
when records make room."""

import contextlib
from pathlib import Path

import pytest
from sqlalchemy import func, select

from switchgear.kernel.limits import RETENTION_ROWS
from switchgear.ledger import chart
from switchgear.ledger.transfer import fund
from switchgear.store.accounts import balances, book_return, bury_epoch, grant_lease, post
from switchgear.store.auditing import audit_database, drift
from switchgear.store.backup import backup
from switchgear.store.db import Database, open_database
from switchgear.store.epochs import open_epoch
from switchgear.store.ingest import ingest
from switchgear.store.retention import DAY_MS, fold_leases, fold_records
from switchgear.store.tables import transfers, usage

START_MS = 1_700_000_000_000 // DAY_MS * DAY_MS
USD = 10**9
WALLET, BUDGET = chart.wallet("u1"), chart.budget("k1")


@pytest.fixture
def books(database: Database, make_record):
    """Ten days of two workers, one of them dead; 60 records a day, a third of them free."""

    def write(connection) -> None:
        for account in (WALLET, BUDGET):
            post(connection, [fund(account, USD, chart.source("config"), f"f:{account}", at_ms=START_MS)])
        for epoch in ("e1", "e2"):
            open_epoch(connection, epoch, 0, START_MS)
            for account in (WALLET, BUDGET):
                grant_lease(connection, account, epoch, 100_000_000, START_MS)
                grant_lease(connection, account, epoch, 5, START_MS)
        for day in range(10):
            for epoch in ("e1", "e2"):
                records = [
                    make_record(0 if n % 3 == 0 else 1000 + n, at_ms=START_MS + day * DAY_MS + n)
                    for n in range(30)
                ]
                ingest(connection, epoch, records, day * 100, (day + 1) * 100)
        book_return(connection, WALLET, "e1", 3_000, START_MS)
        bury_epoch(connection, "e1", START_MS + 10 * DAY_MS)

    database.write(write)
    return database


def fold(database: Database, before_ms: int) -> int:
    total = 0
    while count := database.write(lambda c: fold_records(c, before_ms)):
        total += count
    after = ""
    while after := database.write(lambda c, after=after: fold_leases(c, before_ms, after)):
        pass
    return total


def held(database: Database) -> dict[str, int]:
    return {name: nanos for name, nanos in database.read(balances).items() if nanos}


def count(database: Database, table) -> int:
    return database.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar())


def kinds(database: Database) -> dict[str, int]:
    query = select(transfers.c.kind, func.count()).group_by(transfers.c.kind)
    return database.read(lambda c: dict(c.execute(query).all()))


def check(database: Database, before: dict[str, int]) -> None:
    assert held(database) == before
    assert database.read(audit_database) == []
    assert database.read(drift) == 0


def test_records_become_sums_by_day_and_every_balance_stays(books: Database) -> None:
    before = held(books)
    assert fold(books, START_MS + 4 * DAY_MS) == 4 * 60
    check(books, before)
    assert count(books, usage) == 6 * 60
    assert kinds(books)["sum"] == 4 * 2 * 2  # days, workers, accounts
    assert fold(books, START_MS + 4 * DAY_MS) == 0
    check(books, before)


def test_a_day_that_is_folded_in_parts_is_one_sum(books: Database) -> None:
    before = held(books)
    for at in range(0, 40, 7):
        fold(books, START_MS + at)
        check(books, before)
    assert kinds(books)["sum"] == 4


def test_of_a_dead_worker_only_what_it_spent_is_left(books: Database) -> None:
    before = held(books)
    fold(books, START_MS + 20 * DAY_MS)
    check(books, before)
    assert count(books, usage) == 0
    assert kinds(books) == {"fund": 2, "grant": 4, "sum": 10 * 2 * 2}
    pairs = select(transfers.c.debit, transfers.c.credit)
    named = books.read(lambda c: [tuple(row) for row in c.execute(pairs)])
    assert not any("e1" in name for pair in named for name in pair)
    assert (WALLET, chart.revenue) in named


def test_a_lease_stays_while_a_settlement_out_of_it_does(books: Database) -> None:
    """Its worker's clock was ahead: records come after its own burial."""
    before = held(books)
    assert books.write(lambda c: fold_leases(c, START_MS + 20 * DAY_MS)) != ""
    check(books, before)
    assert kinds(books)["grant"] == 8


def test_what_was_folded_is_not_booked_again_by_its_journal(books: Database, make_record) -> None:
    before = held(books)
    again = make_record(1000, at_ms=START_MS)
    books.write(lambda c: ingest(c, "e2", [again], 1000, 1100))
    changed = held(books)
    assert changed != before
    fold(books, START_MS + 20 * DAY_MS)
    assert books.write(lambda c: ingest(c, "e2", [again], 1000, 1100)) == 0
    check(books, changed)


def test_a_restored_copy_and_a_journal_that_comes_late_keep_the_books_right(
    books: Database, tmp_path: Path, make_record
) -> None:
    """Between two foldings: the copy knows neither the first one, nor the worker whose journal is left."""
    copy = tmp_path / "copy.db"
    backup(books, copy)
    fold(books, START_MS + 4 * DAY_MS)
    late = [make_record(1000, at_ms=START_MS + day * DAY_MS) for day in range(6)]

    def replay(connection) -> None:
        open_epoch(connection, "e9", 0, START_MS + 10 * DAY_MS)
        assert ingest(connection, "e9", late, 0, 100) == len(late)
        assert ingest(connection, "e9", late, 0, 100) == 0
        bury_epoch(connection, "e9", START_MS + 11 * DAY_MS)

    with contextlib.closing(open_database(copy)) as restored:
        restored.write(replay)
        before = held(restored)
        assert before[WALLET] == held(books)[WALLET] - 6 * 1000
        for days in (4, 5, 20):
            fold(restored, START_MS + days * DAY_MS)
            check(restored, before)
        assert count(restored, usage) == 0


def test_each_step_is_short(books: Database) -> None:
    assert books.write(lambda c: fold_records(c, START_MS + 20 * DAY_MS)) == RETENTION_ROWS
