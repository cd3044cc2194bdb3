"""The worker's book and the controller's grants.

Without these tests two calls could spend the same money, a charge could be booked twice, or a user whose
money lies on another worker be refused.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.limits import LEASE_FRACTION, LEASE_NANOS_MAX, LEASE_NANOS_MIN
from switchgear.ledger.lease import (
    DuplicateReservation,
    GrantPlan,
    LeaseBook,
    Shortfall,
    UnknownReservation,
    plan_grant,
)

W, B = "wallet:u", "budget:key:k"


@pytest.fixture
def book() -> LeaseBook:
    """100 in the wallet's lease, 50 in the budget's."""
    book = LeaseBook()
    book.apply_grant(W, 100)
    book.apply_grant(B, 50)
    return book


def test_an_unknown_account_has_nothing() -> None:
    book = LeaseBook()
    assert (book.free(W), book.held(W), book.refill_wanted(W), book.totals((W,))) == (0, 0, 0, ())
    assert book.reserve("r", ((W, 5),)) == Shortfall(((W, 5),))


def test_all_legs_are_held_or_none(book: LeaseBook) -> None:
    assert book.reserve("r1", ((W, 60), (B, 60))) == Shortfall(((B, 10),))
    assert (book.held(W), book.held(B)) == (0, 0)
    assert book.reserve("r1", ((W, 130), (B, 60))) == Shortfall(((W, 30), (B, 10)))
    assert book.reserve("r1", ((W, 50), (B, 50))) is None
    assert (book.free(W), book.free(B), book.held(W), book.held(B)) == (50, 0, 50, 50)
    assert book.reserve("r2", ((W, 10), (B, 1))) == Shortfall(((B, 1),))


@pytest.mark.parametrize(("charge", "free"), [(0, 100), (30, 70), (40, 60), (45, 55), (140, -40)])
def test_a_charge_is_booked_in_full_and_the_hold_ends(book: LeaseBook, charge: int, free: int) -> None:
    assert book.reserve("r", ((W, 40), (B, 40))) is None
    assert book.settle("r", charge) == ()
    assert (book.free(W), book.held(W)) == (free, 0)
    assert book.free(B) == 50 - charge


def test_a_reservation_ends_once(book: LeaseBook) -> None:
    book.reserve("r", ((W, 40),))
    with pytest.raises(DuplicateReservation):
        book.reserve("r", ((W, 1),))
    with pytest.raises(ValueError, match="negative"):
        book.settle("r", -1)
    book.settle("r", 40)
    with pytest.raises(UnknownReservation):
        book.settle("r", 40)
    assert book.free(W) == 60


def test_below_zero_nothing_is_admitted_but_what_is_free_of_charge(book: LeaseBook) -> None:
    book.reserve("r", ((W, 100),))
    book.settle("r", 110)
    assert book.reserve("r2", ((W, 5),)) == Shortfall(((W, 15),))
    assert book.reserve("r3", ((W, 0),)) is None


def test_a_hold_grows_on_all_legs_or_none(book: LeaseBook) -> None:
    book.reserve("r", ((W, 30), (B, 30)))
    assert book.raise_hold("r", 30) == Shortfall(((B, 10),))
    assert book.held(W) == 30
    assert book.raise_hold("r", 20) is None
    assert (book.held(W), book.held(B)) == (50, 50)
    book.settle("r", 1)
    assert (book.free(W), book.free(B)) == (99, 49)
    with pytest.raises(UnknownReservation):
        book.raise_hold("r", 1)


def test_totals_only_grow(book: LeaseBook) -> None:
    book.apply_grant(W, 80)
    assert book.free(W) == 100, "a late answer is ignored"
    book.apply_grant(W, 120)
    assert book.recall(W, 20, 0, 0) == 20
    book.adopt(W, 110, 5)
    assert book.totals() == ((W, 120, 20), (B, 50, 0))
    book.adopt(W, 130, 25)
    assert book.totals((W, "wallet:other")) == ((W, 130, 25),)
    book.adopt("wallet:new", 7, 0)
    assert book.free("wallet:new") == 7


def test_a_recall_takes_what_is_free_and_is_owed_the_rest(book: LeaseBook) -> None:
    book.reserve("r1", ((W, 70),))
    book.reserve("r2", ((W, 20),))
    assert book.recall(W, 50, until_ns=100, now_ns=0) == 10
    assert (book.free(W), book.held(W)) == (0, 90)
    assert book.settle("r2", 5, now_ns=50) == (W,)
    assert (book.free(W), book.totals((W,))) == (0, ((W, 100, 25),))
    book.apply_grant(W, 110)
    assert book.settle("r1", 30, now_ns=60) == (W,)
    assert book.totals((W,)) == ((W, 110, 50),), "25 were still owed, of the 40 that came free"
    assert book.free(W) == 25


def test_a_grant_for_a_waiting_call_is_not_given_back_to_an_earlier_recall(book: LeaseBook) -> None:
    book.reserve("r1", ((W, 100),))
    book.recall(W, 50, until_ns=100, now_ns=0)
    book.apply_grant(W, 130)
    assert book.settle("r1", 100, now_ns=1) == ()
    assert book.free(W) == 30


def test_what_was_given_back_can_not_be_reserved(book: LeaseBook) -> None:
    assert book.recall(W, 30, 0, 0) == 30
    assert book.reserve("r", ((W, 71),)) == Shortfall(((W, 1),))
    assert book.reserve("r", ((W, 70),)) is None


def test_an_owed_recall_expires(book: LeaseBook) -> None:
    book.reserve("r1", ((W, 60),))
    book.reserve("r2", ((W, 40),))
    book.recall(W, 50, until_ns=100, now_ns=0)
    assert book.settle("r1", 0, now_ns=100) == ()
    assert book.settle("r2", 0, now_ns=1) == (), "once expired it is gone"
    assert book.free(W) == 100


def test_recalls_add_up_while_they_last(book: LeaseBook) -> None:
    book.reserve("r", ((W, 100),))
    book.recall(W, 10, until_ns=100, now_ns=0)
    book.recall(W, 20, until_ns=50, now_ns=10)
    assert book.settle("r", 0, now_ns=99) == (W,)
    assert book.totals((W,)) == ((W, 100, 30),), "until the later of the two ends"
    book.reserve("r", ((W, 70),))
    book.recall(W, 10, until_ns=200, now_ns=150)
    book.recall(W, 15, until_ns=400, now_ns=200)
    book.settle("r", 0, now_ns=301)
    assert book.totals((W,)) == ((W, 100, 45),), "the expired one no longer counts"


def test_a_recall_of_an_unknown_or_overdrawn_account_gives_nothing(book: LeaseBook) -> None:
    assert book.recall("wallet:new", 5, 100, 0) == 0
    book.reserve("r", ((W, 100),))
    book.settle("r", 120)
    assert book.recall(W, 5, 100, 0) == 0
    assert book.free(W) == -20


def test_drain_returns_what_is_free_and_keeps_what_is_held(book: LeaseBook) -> None:
    book.reserve("r", ((W, 30), (B, 50)))
    assert book.give_back_all() == (W,)
    assert book.totals() == ((W, 100, 70), (B, 50, 0))
    book.settle("r", 10)
    assert book.give_back_all() == (W, B)
    assert book.totals() == ((W, 100, 90), (B, 50, 40))
    assert book.give_back_all() == ()


def test_a_refill_is_wanted_below_a_fourth_of_the_last_grant() -> None:
    book = LeaseBook()
    grant = 8 * LEASE_NANOS_MIN
    book.apply_grant(W, grant)
    assert book.reserve("r", ((W, grant - grant // 4),)) is None
    assert book.refill_wanted(W) == 0
    book.raise_hold("r", 1)
    assert book.refill_wanted(W) == grant - grant // 4 + 1
    book.apply_grant(W, 2 * grant)
    assert book.refill_wanted(W) == 0
    assert book.recall(W, 1, 0, 0) == 1
    book.apply_grant(W, 2 * grant)
    book.reserve("r2", ((W, book.free(W)),))
    assert book.refill_wanted(W) == 0, "after a recall the money is needed elsewhere"


def test_small_leases_are_not_refilled() -> None:
    book = LeaseBook()
    book.apply_grant(W, LEASE_NANOS_MIN - 1)
    book.reserve("r", ((W, LEASE_NANOS_MIN - 1),))
    assert book.refill_wanted(W) == 0
    book.apply_grant(B, LEASE_NANOS_MIN)
    book.reserve("r2", ((B, LEASE_NANOS_MIN),))
    assert book.refill_wanted(B) == LEASE_NANOS_MIN


RICH = 100 * LEASE_FRACTION * LEASE_NANOS_MIN


def test_a_rich_account_leases_a_comfortable_share() -> None:
    assert plan_grant(RICH, 5, (), 2, True) == GrantPlan(RICH // (2 * LEASE_FRACTION))
    assert plan_grant(RICH, 5, (), 2, False) == GrantPlan(RICH // (2 * LEASE_FRACTION))
    assert plan_grant(RICH, RICH - 1, (), 2, True) == GrantPlan(RICH - 1), "what is missing, if it is there"
    assert plan_grant(10**18, 5, (), 1, True) == GrantPlan(LEASE_NANOS_MAX)


def test_a_low_account_grants_exactly_what_is_missing_and_no_refill() -> None:
    low = LEASE_FRACTION * LEASE_NANOS_MIN - 1
    assert plan_grant(low, 7, (), 1, True) == GrantPlan(7)
    assert plan_grant(low + 1, 7, (), 1, True) == GrantPlan(LEASE_NANOS_MIN)
    assert plan_grant(low, 7, (("e2", 100),), 1, False) == GrantPlan(0)


def test_what_is_lacking_is_recalled_from_everybody_who_may_have_it() -> None:
    others = (("e2", 30), ("e3", 4), ("e4", 0), ("e5", -3))
    assert plan_grant(10, 20, others, 4, True) == GrantPlan(0, (("e2", 10), ("e3", 4)))
    assert plan_grant(-10, 20, others, 4, True) == GrantPlan(0, (("e2", 30), ("e3", 4)))


def test_what_nobody_can_have_is_not_recalled() -> None:
    assert plan_grant(10, 20, (("e2", 9),), 2, True) == GrantPlan(0)
    assert plan_grant(10, 20, (("e2", 10),), 2, True) == GrantPlan(0, (("e2", 10),))
    assert plan_grant(-5, 1, (), 2, True) == GrantPlan(0)
    assert plan_grant(0, 1, (("e2", 1),), 2, True) == GrantPlan(0, (("e2", 1),))


AMOUNTS = st.integers(-(10**7), 10**12)


@given(
    unleased=AMOUNTS,
    missing=st.integers(1, 10**12),
    wait=st.booleans(),
    workers=st.integers(1, 16),
    others=st.lists(AMOUNTS, max_size=5),
)
def test_never_more_than_there_is_and_never_less_than_is_missing(
    unleased: int, missing: int, wait: bool, workers: int, others: list[int]
) -> None:
    givers = [(f"e{index}", most) for index, most in enumerate(others)]
    plan = plan_grant(unleased, missing, givers, workers, wait)
    assert 0 <= plan.grant_nanos <= max(unleased, 0)
    if wait:
        assert (plan.grant_nanos >= missing) == (unleased >= missing)
        assert not (plan.grant_nanos and plan.recalls)
        within_reach = unleased + sum(most for most in others if most > 0) >= missing
        assert bool(plan.recalls) == (unleased < missing and within_reach)
    else:
        assert plan.recalls == ()
    for epoch, nanos in plan.recalls:
        assert 0 < nanos <= dict(givers)[epoch]
