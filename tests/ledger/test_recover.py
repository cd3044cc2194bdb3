"""Recovery and reconciliation.

Without these tests money could stay in dead leases, or a return be booked twice.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.ledger import chart
from switchgear.ledger.recover import EpochBuried, Reconciliation, check_epoch, plan_burial, reconcile
from switchgear.ledger.transfer import balances

W, B = "wallet:u", "budget:key:k"


def test_a_lost_return_is_booked_and_a_lost_grant_is_told() -> None:
    found = reconcile(((W, 100, 10), (B, 50, 0)), ((W, 80, 25),))
    assert found == Reconciliation(((W, 15),), ((W, 100, 25), (B, 50, 0)))
    assert reconcile(((W, 10, 0),), ((W, 10, 1),)).returns_to_book == ((W, 1),)


def test_agreement_books_nothing() -> None:
    assert reconcile(((W, 100, 10),), ((W, 100, 10),)) == Reconciliation((), ((W, 100, 10),))
    assert reconcile((), ()) == Reconciliation((), ())


def test_a_worker_behind_the_database_books_nothing() -> None:
    assert reconcile(((W, 100, 10),), ((W, 100, 4),)) == Reconciliation((), ((W, 100, 10),))


def test_a_database_restored_from_a_backup_is_not_made_to_invent_money() -> None:
    assert reconcile(((W, 20, 0),), ((W, 100, 60),)) == Reconciliation(((W, 20),), ((W, 20, 20),))
    assert reconcile((), ((W, 100, 60),)) == Reconciliation((), ((W, 0, 0),))


PAIRS = st.tuples(st.integers(0, 99), st.integers(0, 99))
TOTALS = st.dictionaries(st.sampled_from([W, B, "wallet:v"]), PAIRS)


@given(TOTALS, TOTALS)
def test_reconciling_again_books_nothing(db: dict, hello: dict) -> None:
    said = tuple((account, *pair) for account, pair in hello.items())
    first = reconcile(((account, *pair) for account, pair in db.items()), said)
    assert all(nanos > 0 for _, nanos in first.returns_to_book)
    again = reconcile(first.welcome_totals, said)
    assert again == Reconciliation((), first.welcome_totals)


def test_burial_empties_the_leases_of_one_epoch_only() -> None:
    books = {
        chart.lease(W, "e1"): 7,
        chart.lease(B, "e1"): -2,
        chart.lease("wallet:v", "e1"): 0,
        chart.lease(W, "e2"): 5,
        W: 90,
        B: 10,
        chart.revenue: 3,
        chart.source("topup"): -113,
    }
    plan = plan_burial(books, "e1", 9)
    moved = balances(plan)
    assert moved == {chart.lease(W, "e1"): -7, W: 7, chart.lease(B, "e1"): 2, B: -2}
    after = {account: nanos + moved.get(account, 0) for account, nanos in books.items()}
    assert plan_burial(after, "e1", 10) == ()


def test_a_buried_epoch_is_refused() -> None:
    check_epoch("e1", {"e2"})
    with pytest.raises(EpochBuried, match="e2"):
        check_epoch("e2", {"e2"})
