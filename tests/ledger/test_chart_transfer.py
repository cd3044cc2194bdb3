"""Account names and transfers.

Without these tests a renamed account would split a wallet in two, and a backward move of money would
go through.
"""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sim.ledger_parts import make_record

from switchgear.kernel.money import NANOS_MAX
from switchgear.ledger import chart, transfer
from switchgear.ledger.transfer import SHAPES, Transfer, balances

NAMES = st.text(st.characters(exclude_characters=":", codec="utf-8"), min_size=1, max_size=8)
WALLET, BUDGET = chart.wallet("u1"), chart.budget("k1")


def test_names_are_what_stored_books_contain() -> None:
    assert WALLET == "wallet:u1"
    assert BUDGET == "budget:key:k1"
    assert chart.lease(WALLET, "e1") == "lease:wallet:u1:e1"
    assert chart.lease(BUDGET, "e1") == "lease:budget:key:k1:e1"
    assert chart.source("topup") == "source:topup"
    assert chart.spent(BUDGET) == "spent:budget:key:k1"
    assert chart.revenue == "revenue"


@pytest.mark.parametrize(
    ("account", "kind"),
    [
        (WALLET, "wallet"),
        (BUDGET, "budget"),
        (chart.lease(WALLET, "e"), "lease"),
        (chart.source("quota"), "source"),
        (chart.spent(BUDGET), "spent"),
        (chart.revenue, "revenue"),
    ],
)
def test_kind_of_every_account(account: str, kind: str) -> None:
    assert chart.kind_of(account) == kind


@pytest.mark.parametrize("account", ["", "wallet", "wallet:", "revenue:x", "purse:u1", ":x"])
def test_other_strings_are_no_accounts(account: str) -> None:
    with pytest.raises(chart.BadAccount):
        chart.kind_of(account)


@given(NAMES, NAMES)
def test_a_lease_names_its_account_and_epoch(user_id: str, epoch: str) -> None:
    for account in (chart.wallet(user_id), chart.budget(user_id)):
        assert chart.leased_account(chart.lease(account, epoch)) == (account, epoch)


@pytest.mark.parametrize("name", ["", "lease:", "lease:e1", "lease::e1", "lease:wallet:u1:", "wallet:u1:e1"])
def test_other_strings_are_no_leases(name: str) -> None:
    with pytest.raises(chart.BadAccount):
        chart.leased_account(name)


@pytest.mark.parametrize("nanos", [0, -1, NANOS_MAX + 1])
def test_a_transfer_moves_a_positive_amount(nanos: int) -> None:
    with pytest.raises(ValueError, match="nanos"):
        Transfer("t", WALLET, chart.revenue, nanos, "fund", "", 0)


def test_a_transfer_joins_two_accounts_and_never_changes() -> None:
    with pytest.raises(ValueError, match="itself"):
        Transfer("t", WALLET, WALLET, 1, "fund", "", 0)
    move = Transfer("t", WALLET, chart.revenue, 1, "fund", "", 0)
    with pytest.raises(AttributeError):
        move.nanos = 2  # type: ignore[misc]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**msgspec.structs.asdict(move), "nanos": 0}, Transfer)


def test_funding_up_and_down() -> None:
    up = transfer.fund(WALLET, 5, chart.source("topup"), "order-1", at_ms=7)
    assert up == Transfer("order-1", "source:topup", WALLET, 5, "fund", "order-1", 7)
    down = transfer.fund(WALLET, -2, chart.source("topup"), "fix-1", ref="order-1")
    assert down == Transfer("fix-1", WALLET, "source:topup", 2, "fund", "order-1", 0)
    assert transfer.fund(WALLET, 1, chart.source("topup"), "least").credit == WALLET
    with pytest.raises(ValueError):
        transfer.fund(WALLET, 0, chart.source("topup"), "nothing")


def test_grants_and_returns_have_ids_that_follow_from_their_totals() -> None:
    first = transfer.grant(WALLET, "e1", 10, 10, 1)
    assert (first.debit, first.credit, first.nanos, first.kind) == (WALLET, "lease:wallet:u1:e1", 10, "grant")
    assert transfer.grant(WALLET, "e1", 10, 20, 1).id != first.id
    assert transfer.grant(WALLET, "e1", 10, 10, 9).id == first.id
    back = transfer.give_back(WALLET, "e1", 4, 4, 1)
    assert (back.debit, back.credit, back.nanos, back.kind) == ("lease:wallet:u1:e1", WALLET, 4, "return")
    assert len({back.id, first.id, transfer.give_back(WALLET, "e1", 4, 8, 1).id}) == 3


def test_settling_moves_the_charge_on_every_leg() -> None:
    record = make_record("r1", ((WALLET, 9), (BUDGET, 9)), 7)
    wallet_leg, budget_leg = transfer.settle(record, "e1")
    assert wallet_leg == Transfer("r1", "lease:wallet:u1:e1", "revenue", 7, "settle", "r1", 1)
    assert budget_leg == Transfer(
        "r1:b", "lease:budget:key:k1:e1", "spent:budget:key:k1", 7, "settle", "r1", 1
    )
    assert transfer.settle(make_record("r1", ((WALLET, 9),), 7), "e1") == (wallet_leg,)
    assert transfer.settle(make_record("r1", ((WALLET, 9), (BUDGET, 9)), 0), "e1") == ()


def test_burial_empties_a_lease_in_either_direction() -> None:
    (left,) = transfer.bury(WALLET, "e1", 3, 8)
    assert (left.debit, left.credit, left.nanos) == ("lease:wallet:u1:e1", WALLET, 3)
    (over,) = transfer.bury(WALLET, "e1", -3, 8)
    assert (over.debit, over.credit, over.nanos) == (WALLET, "lease:wallet:u1:e1", 3)
    assert left.id == over.id, "one burial a lease, whatever it held"
    assert transfer.bury(WALLET, "e1", 0, 8) == ()
    assert transfer.bury(WALLET, "e1", 1, 8)[0].credit == WALLET


def test_balances_sum_to_zero_and_every_builder_keeps_its_shape() -> None:
    moves = [
        transfer.fund(WALLET, 100, chart.source("config"), "f1"),
        transfer.fund(BUDGET, 50, chart.source("quota"), "f2"),
        transfer.fund(BUDGET, -5, chart.source("quota"), "f3"),
        transfer.grant(WALLET, "e1", 30, 30, 0),
        transfer.grant(BUDGET, "e1", 20, 20, 0),
        transfer.give_back(WALLET, "e1", 5, 5, 0),
        *transfer.settle(make_record("r1", ((WALLET, 9), (BUDGET, 9)), 7), "e1"),
        *transfer.bury(WALLET, "e1", 18, 0),
    ]
    found = balances(moves)
    assert sum(found.values()) == 0
    assert found == {
        "source:config": -100,
        WALLET: 93,
        "source:quota": -45,
        BUDGET: 25,
        "lease:wallet:u1:e1": 0,
        "lease:budget:key:k1:e1": 13,
        "revenue": 7,
        "spent:budget:key:k1": 7,
    }
    for move in moves:
        assert (chart.kind_of(move.debit), chart.kind_of(move.credit)) in SHAPES[move.kind]
