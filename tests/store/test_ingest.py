"""Without this: a charge that is lost or booked twice when a batch is repeated, cut short or out of order."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select
from sqlalchemy.exc import IntegrityError

from switchgear.ledger.recover import EpochBuried
from switchgear.ledger.transfer import Transfer
from switchgear.store.accounts import balance, balances, bury_epoch, post
from switchgear.store.auditing import audit_database, drift
from switchgear.store.db import Database
from switchgear.store.epochs import open_epoch
from switchgear.store.ingest import GapError, cursor, ingest
from switchgear.store.tables import transfers
from switchgear.store.usage import list_usage

SIZE = 100
"""Bytes of one record in the journals of this file."""


def test_a_batch_books_both_legs_and_moves_the_cursor(database: Database, make_record) -> None:
    records = [make_record(30), make_record(12), make_record(0)]
    database.write(lambda c: open_epoch(c, "e1", 0, 1, "n"))
    assert database.write(lambda c: ingest(c, "e1", records, 0, 300)) == 3
    assert database.read(lambda c: cursor(c, "e1")) == 300
    assert database.read(balances) == {
        "lease:wallet:u1:e1": -42,
        "revenue": 42,
        "lease:budget:key:k1:e1": -42,
        "spent:budget:key:k1": 42,
    }
    assert database.read(list_usage) == sorted(records, key=lambda r: r.request_id, reverse=True)
    assert database.read(audit_database) == []


def test_repeats_change_nothing(database: Database, make_record) -> None:
    records = [make_record(30), make_record(12)]
    assert database.write(lambda c: ingest(c, "e1", records, 0, 200)) == 2
    before = database.read(balances)
    assert database.write(lambda c: ingest(c, "e1", records, 0, 200)) == 0
    # The same records at other offsets, in another journal, or twice in a batch are still the same requests.
    assert database.write(lambda c: ingest(c, "e1", records, 200, 400)) == 0
    assert database.write(lambda c: ingest(c, "e2", [records[0], records[0]], 0, 200)) == 0
    assert database.read(balances) == before


def test_an_overlap_books_only_what_is_new(database: Database, make_record) -> None:
    records = [make_record(1), make_record(10), make_record(100)]
    database.write(lambda c: ingest(c, "e1", records[:2], 0, 200))
    assert database.write(lambda c: ingest(c, "e1", records[1:], 100, 300)) == 1
    assert database.read(lambda c: balance(c, "revenue")) == 111


def test_a_gap_is_refused_and_nothing_of_it_stays(database: Database, make_record) -> None:
    with pytest.raises(GapError, match="cursor is at 0"):
        database.write(lambda c: ingest(c, "e1", [make_record()], 1, 100))
    assert database.read(lambda c: cursor(c, "e1")) == 0
    assert database.read(list_usage) == []
    for start, end in ((-1, 5), (5, 4)):
        with pytest.raises(ValueError, match="offsets"):
            database.write(lambda c, s=start, e=end: ingest(c, "e1", [], s, e))


def test_a_buried_journal_moves_no_money(database: Database, make_record) -> None:
    record = make_record(5)
    database.write(lambda c: open_epoch(c, "e1", 0, 1, "n"))
    database.write(lambda c: ingest(c, "e1", [record], 0, 100))
    database.write(lambda c: bury_epoch(c, "e1", 2))
    assert database.write(lambda c: ingest(c, "e1", [record], 0, 100)) == 0
    with pytest.raises(EpochBuried):
        database.write(lambda c: ingest(c, "e1", [make_record(7)], 100, 200))
    assert database.read(lambda c: balance(c, "revenue")) == 5


def test_a_failure_half_way_leaves_nothing(database: Database, make_record) -> None:
    record = make_record(5)
    stray = Transfer(record.request_id, "source:topup", "wallet:u1", 5, "fund", "", 1)
    database.write(lambda c: post(c, [stray]))
    with pytest.raises(IntegrityError):
        database.write(lambda c: ingest(c, "e1", [make_record(1), record], 0, 200))
    assert database.read(lambda c: (cursor(c, "e1"), list_usage(c))) == (0, [])
    assert database.read(drift) == 0


def test_the_work_of_a_batch_does_not_grow_by_statements(database: Database, make_record) -> None:
    """20,000 records a second need few, large statements: one a row would be ten times slower."""
    statements: list[int] = []
    for size in (2, 256):
        batch = [make_record(n + 1, user_id=f"u{n % 7}") for n in range(size)]

        def step(connection, batch=batch, size=size) -> int:
            count: list[str] = []
            event.listen(connection, "before_cursor_execute", lambda *call: count.append(call[2]))
            new = ingest(connection, f"e{size}", batch, 0, 100)
            statements.append(len(count))
            return new

        assert database.write(step) == size
    assert statements == [7, 7]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    nanos=st.lists(st.integers(0, 50), min_size=1, max_size=12),
    batches=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.booleans()), max_size=12),
)
def test_any_history_of_batches_books_each_record_once(
    database: Database, make_record, nanos, batches
) -> None:
    """Batches of random bounds, some rolled back after the fact, then the whole journal once more."""
    epoch = make_record().request_id
    journal = [make_record(n, user_id=epoch) for n in nanos]
    for bound, other, fails in [*batches, (0, len(journal), False)]:
        start, end = sorted((min(bound, len(journal)), min(other, len(journal))))

        def step(connection, start=start, end=end, fails=fails):
            ingest(connection, epoch, journal[start:end], start * SIZE, end * SIZE)
            if fails:
                raise InterruptedError

        before = database.read(lambda c: cursor(c, epoch))
        try:
            database.write(step)
        except GapError:
            assert start * SIZE > before
        except InterruptedError:
            assert database.read(lambda c: cursor(c, epoch)) == before
        else:
            assert database.read(lambda c: cursor(c, epoch)) == max(before, end * SIZE)
        passed = database.read(lambda c: cursor(c, epoch)) // SIZE
        lease = database.read(lambda c: balance(c, f"lease:wallet:{epoch}:{epoch}"))
        assert lease == -sum(nanos[:passed])
    ids = [record.request_id for record, n in zip(journal, nanos, strict=True) if n]
    booked = database.read(
        lambda c: c.execute(select(func.count()).where(transfers.c.id.in_(ids))).scalar_one()
    )
    assert booked == len(ids)
    assert database.read(drift) == 0
