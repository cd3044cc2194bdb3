"""Without this: an audit that calls spoilt books clean. Each damage done here by hand must be found."""

import pytest
from sqlalchemy import text, update

from switchgear.kernel.charge import Charge, ChargeLine
from switchgear.ledger.record import encode_record
from switchgear.store import auditing
from switchgear.store.accounts import book_return, bury_epoch, grant_lease, top_up
from switchgear.store.auditing import audit_database, drift
from switchgear.store.db import Database
from switchgear.store.epochs import open_epoch
from switchgear.store.ingest import ingest
from switchgear.store.tables import usage


@pytest.fixture
def books(database: Database, make_record, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A live and a buried worker, top-ups, grants, a return and ten charged calls; chunks of three rows."""
    monkeypatch.setattr(auditing, "AUDIT_CHUNK_ROWS", 3)
    records = [make_record(n + 1, request_id=f"{n:032x}", budget="") for n in range(10)]

    def fill(connection) -> None:
        top_up(connection, "u1", 1_000, "first", 1)
        for epoch, batch in (("dead", records[:5]), ("live", records[5:])):
            open_epoch(connection, epoch, 0, 1, "n")
            grant_lease(connection, "wallet:u1", epoch, 200, 2)
            ingest(connection, epoch, batch, 0, 500)
        book_return(connection, "wallet:u1", "live", 50, 3)
        bury_epoch(connection, "dead", 4)

    database.write(fill)
    return database


def test_right_books_are_clean(books: Database) -> None:
    assert books.read(audit_database) == []
    assert books.read(drift) == 0


@pytest.mark.parametrize(
    ("damage", "kinds", "off"),
    [
        ("UPDATE accounts SET balance = balance + 5 WHERE id = 'revenue'", {"balance", "zero_sum"}, 10),
        ("DELETE FROM accounts WHERE id = 'revenue'", {"balance", "zero_sum"}, 110),
        ("INSERT INTO accounts VALUES ('lease:wallet:u1:dead', 3)", {"balance", "zero_sum"}, 6),
        ("DELETE FROM transfers WHERE kind = 'bury'", {"balance", "buried_lease"}, 370),
        (f"DELETE FROM transfers WHERE id = '{3:032x}'", {"balance", "unsettled"}, 8),
        (f"UPDATE transfers SET nanos = 9 WHERE id = '{3:032x}'", {"balance", "settled_wrong"}, 10),
        (f"UPDATE transfers SET kind = 'fund' WHERE id = '{3:032x}'", {"shape", "unsettled"}, 0),
        (f"DELETE FROM usage WHERE request_id = '{7:032x}'", {"unrecorded"}, 0),
        (f"UPDATE usage SET record = x'c1' WHERE request_id = '{7:032x}'", {"row", "unrecorded"}, 0),
        (f"UPDATE usage SET nanos = 1 WHERE request_id = '{7:032x}'", {"row"}, 0),
        ("UPDATE leases SET granted = 201", {"lease_totals"}, 0),
        ("UPDATE leases SET returned = 0", {"lease_totals"}, 0),
    ],
)
def test_damage_is_found(books: Database, damage: str, kinds: set[str], off: int) -> None:
    books.write(lambda c: c.execute(text(damage)))
    assert {finding.kind for finding in books.read(audit_database)} >= kinds
    assert books.read(drift) == off


def test_a_charge_that_its_lines_do_not_give_is_found(books: Database, make_record) -> None:
    charge = Charge(4, "price", 1_000_000, (ChargeLine("input_uncached", 5, 1_000_000),))
    wrong = make_record(request_id=f"{3:032x}", budget="", charge=charge)
    replace = update(usage).where(usage.c.request_id == wrong.request_id).values(record=encode_record(wrong))
    books.write(lambda c: c.execute(replace))
    assert [finding.kind for finding in books.read(audit_database)] == ["charge"]
