"""Without this: money booked twice, leases that exceed their account, returns that are believed blindly."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from switchgear.ledger import chart
from switchgear.ledger.recover import EpochBuried
from switchgear.ledger.transfer import Transfer
from switchgear.store.accounts import (
    NotCovered,
    balance,
    balances,
    book_return,
    bury_epoch,
    grant_lease,
    lease_totals,
    leases_of,
    post,
    top_up,
)
from switchgear.store.auditing import audit_database, drift
from switchgear.store.db import Database, StoreError
from switchgear.store.epochs import buried_epochs, epoch_state, live_epochs, open_epoch
from switchgear.store.ingest import ingest

WALLET = "wallet:u1"
LEASE = chart.lease(WALLET, "e1")


@pytest.fixture
def funded(database: Database) -> Iterator[Database]:
    """A wallet of 100 nanos and two workers; whatever a test does, the books must be right after it."""
    database.write(lambda c: top_up(c, "u1", 100, "first", 1))
    database.write(lambda c: (open_epoch(c, "e1", 0, 10, "n"), open_epoch(c, "e2", 1, 11, "n")))
    yield database
    assert database.read(drift) == 0
    assert [f for f in database.read(audit_database) if f.kind != "below_zero"] == []


def _books(connection: Connection) -> dict[str, int]:
    return {account: nanos for account, nanos in balances(connection).items() if nanos}


def test_a_transfer_is_booked_once(funded: Database) -> None:
    moves = [
        Transfer("t1", "source:topup", WALLET, 5, "fund", "", 1),
        Transfer("t2", "source:topup", WALLET, 7, "fund", "", 1),
        Transfer("t1", "source:topup", WALLET, 5, "fund", "", 1),
    ]
    assert funded.write(lambda c: post(c, moves)) == 2
    assert funded.write(lambda c: post(c, moves)) == 0
    assert funded.write(lambda c: post(c, [])) == 0
    assert funded.read(_books) == {"source:topup": -112, WALLET: 112}


def test_a_top_up_is_booked_once_for_its_user_and_reference(funded: Database) -> None:
    assert funded.write(lambda c: top_up(c, "u1", 30, "invoice 1", 2)) == 130
    assert funded.write(lambda c: top_up(c, "u1", 30, "invoice 1", 3)) == 130
    assert funded.write(lambda c: top_up(c, "u2", 30, "invoice 1", 3)) == 30
    assert funded.write(lambda c: top_up(c, "u1", -10, "refund", 3)) == 120


def test_grants_add_up_and_never_exceed_the_account(funded: Database) -> None:
    assert funded.write(lambda c: grant_lease(c, WALLET, "e1", 60, 2)) == 60
    assert funded.write(lambda c: grant_lease(c, WALLET, "e1", 30, 2)) == 90
    with pytest.raises(NotCovered, match="holds 10 nanos"):
        funded.write(lambda c: grant_lease(c, WALLET, "e2", 11, 2))
    assert funded.write(lambda c: grant_lease(c, WALLET, "e2", 10, 2)) == 10
    assert funded.write(lambda c: grant_lease(c, WALLET, "e2", 0, 2)) == 10
    assert funded.read(lambda c: leases_of(c, WALLET)) == [("e1", 90), ("e2", 10)]
    assert funded.read(lambda c: balance(c, WALLET)) == 0
    with pytest.raises(StoreError, match="never opened"):
        funded.write(lambda c: grant_lease(c, WALLET, "e3", 1, 2))


def test_returns_are_cumulative_and_bounded_by_grants(funded: Database) -> None:
    funded.write(lambda c: grant_lease(c, WALLET, "e1", 60, 2))
    said = [(20, 20), (20, 0), (10, 0), (35, 15), (99, 25), (99, 0)]
    assert [funded.write(lambda c, t=t: book_return(c, WALLET, "e1", t, 3)) for t, _ in said] == [
        booked for _, booked in said
    ]
    assert funded.read(lambda c: lease_totals(c, "e1")) == [(WALLET, 60, 60)]
    assert funded.read(lambda c: balance(c, WALLET)) == 100
    assert funded.write(lambda c: book_return(c, WALLET, "e2", 5, 3)) == 0
    assert funded.write(lambda c: book_return(c, WALLET, "unknown", 5, 3)) == 0


def test_burial_brings_home_what_is_left_and_is_final(funded: Database, make_record) -> None:
    funded.write(lambda c: grant_lease(c, WALLET, "e1", 60, 2))
    funded.write(lambda c: ingest(c, "e1", [make_record(25, budget="")], 0, 10))
    assert funded.write(lambda c: bury_epoch(c, "e1", 4)) == 35
    assert funded.write(lambda c: bury_epoch(c, "e1", 5)) == 0
    assert funded.read(_books) == {"source:topup": -100, WALLET: 75, "revenue": 25}
    assert LEASE not in funded.read(balances)
    assert funded.read(lambda c: (lease_totals(c, "e1"), leases_of(c, WALLET))) == ([], [])
    assert funded.write(lambda c: book_return(c, WALLET, "e1", 60, 5)) == 0
    with pytest.raises(EpochBuried):
        funded.write(lambda c: grant_lease(c, WALLET, "e1", 1, 5))
    funded.write(lambda c: open_epoch(c, "e1", 0, 9, "n"))
    assert funded.read(lambda c: epoch_state(c, "e1")) == "buried"
    assert funded.read(buried_epochs) == {"e1"}
    assert [epoch.id for epoch in funded.read(live_epochs)] == ["e2"]


def test_burial_takes_an_overspent_lease_out_of_the_wallet(funded: Database, make_record) -> None:
    funded.write(lambda c: grant_lease(c, WALLET, "e1", 90, 2))
    funded.write(lambda c: ingest(c, "e1", [make_record(130, budget="")], 0, 10))
    assert funded.read(lambda c: leases_of(c, WALLET)) == [("e1", -40)]
    assert funded.write(lambda c: bury_epoch(c, "e1", 4)) == -40
    assert funded.read(_books) == {"source:topup": -100, WALLET: -30, "revenue": 130}


def test_burial_spares_epochs_with_like_names(funded: Database) -> None:
    funded.write(lambda c: open_epoch(c, "xe1", 0, 1, "n"))
    funded.write(lambda c: open_epoch(c, "e%", 0, 1, "n"))
    funded.write(lambda c: grant_lease(c, WALLET, "xe1", 10, 2))
    funded.write(lambda c: grant_lease(c, WALLET, "e1", 10, 2))
    assert funded.write(lambda c: bury_epoch(c, "e%", 3)) == 0
    assert funded.write(lambda c: bury_epoch(c, "e1", 3)) == 10
    assert funded.read(lambda c: leases_of(c, WALLET)) == [("xe1", 10)]
