"""The audit: without these tests it could call broken books clean, which is worse than having no audit."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sim.ledger_parts import make_record

from switchgear.catalog.price import Price, charge, with_id
from switchgear.kernel.charge import Charge, ChargeLine
from switchgear.kernel.limits import AUDIT_FINDINGS_MAX
from switchgear.kernel.usage import Usage
from switchgear.ledger import chart, transfer
from switchgear.ledger.audit import Auditor, Finding, audit, expected_nanos, faults
from switchgear.ledger.transfer import Transfer, balances

W, B = "wallet:u", "budget:key:k"
LEGS = ((W, 1), (B, 1))
RECORDS = [make_record("r1", LEGS, 7), make_record("r2", LEGS[:1], 5), make_record("r3", LEGS, 0)]
OTHERS = [
    transfer.fund(W, 100, chart.source("topup"), "f1"),
    transfer.fund(B, 50, chart.source("quota"), "f2"),
    transfer.grant(W, "e1", 30, 30, 0),
    transfer.grant(B, "e1", 20, 20, 0),
]
SETTLEMENTS = [move for record in RECORDS for move in transfer.settle(record, "e1")]
BURIALS = [*transfer.bury(W, "e1", 18, 0), *transfer.bury(B, "e1", 13, 0)]


def run(
    settlements=SETTLEMENTS, others=(*OTHERS, *BURIALS), records=RECORDS, stored=None
) -> list[tuple[str, str]]:
    """(kind, subject) of the findings; stored balances follow the transfers unless given."""
    stored = balances([*settlements, *others]) if stored is None else stored
    return [(found.kind, found.subject) for found in audit(settlements, others, records, stored, {"e1"})]


def test_good_books_are_clean() -> None:
    assert run() == []
    assert audit([], [], [], {}) == []
    assert audit([], [], [], {W: 0}) == [], "an account that never moved, or is empty, is nothing to report"
    assert audit([], [], [], {W: -1})[0] == Finding("balance", W, "stored -1, transfers give 0")
    (move,) = transfer.bury(W, "e1", 5, 0)
    assert audit([], [move], [], {})[-1] == Finding("balance", W, "stored 0, transfers give 5")


def test_the_order_of_rows_does_not_matter() -> None:
    auditor = Auditor()
    for record in reversed(RECORDS):
        auditor.feed_record(record)
    for move in [*BURIALS, *reversed(SETTLEMENTS), *OTHERS]:
        auditor.feed_transfer(move)
    assert auditor.finish(balances([*OTHERS, *SETTLEMENTS, *BURIALS]), {"e1"}) == []


def test_a_stored_balance_that_drifted() -> None:
    stored = balances([*OTHERS, *SETTLEMENTS, *BURIALS])
    stored[W] += 1
    assert run(stored=stored) == [("balance", W), ("zero_sum", "all accounts")]
    stored[chart.revenue] -= 1
    assert run(stored=stored) == [("balance", chart.revenue), ("balance", W)]
    assert ("balance", W) in run(stored={})


@pytest.mark.parametrize(("gone", "subject"), [(0, "r1"), (1, "r1:b"), (2, "r2")])
def test_a_missing_leg(gone: int, subject: str) -> None:
    left = [move for index, move in enumerate(SETTLEMENTS) if index != gone]
    found = run(left, OTHERS)
    assert ("unsettled", subject) in found


def test_a_leg_of_a_wrong_amount_account_or_sink() -> None:
    first, *rest = SETTLEMENTS
    for wrong in (
        msgspec.structs.replace(first, nanos=8),
        msgspec.structs.replace(first, debit=chart.lease("wallet:v", "e1")),
        msgspec.structs.replace(first, credit=chart.spent(B)),
        msgspec.structs.replace(first, ref="r2"),
    ):
        assert ("settled_wrong", "r1") in run([wrong, *rest], OTHERS)


def test_a_settlement_without_a_record() -> None:
    assert run(records=RECORDS[1:]) == [("unrecorded", "r1"), ("unrecorded", "r1:b")]
    uncharged = transfer.settle(make_record("r3", LEGS[:1], 2), "e1")
    assert ("unrecorded", "r3") in run([*SETTLEMENTS, *uncharged])
    late = transfer.settle(make_record("r8", LEGS, 2), "e1")
    assert run([*SETTLEMENTS, *late], OTHERS)[:2] == [("unrecorded", "r8"), ("unrecorded", "r8:b")]


def test_a_record_or_a_settlement_that_stands_twice() -> None:
    assert ("unsettled", "r2") in run(records=[*RECORDS[:2], RECORDS[1], RECORDS[2]])
    assert ("unrecorded", "r2") in run([*SETTLEMENTS, SETTLEMENTS[2]])
    auditor = Auditor()
    auditor.feed_record(RECORDS[1])
    auditor.feed_record(RECORDS[1])
    assert [found.kind for found in auditor.finish({})] == ["repeated", "unsettled"]


def test_a_charge_that_its_lines_do_not_give() -> None:
    doubled = msgspec.structs.replace(RECORDS[1].charge, ratio_ppm=2_000_000)
    record = msgspec.structs.replace(RECORDS[1], charge=doubled)
    assert run(records=[RECORDS[0], record, RECORDS[2]]) == [("charge", "r2")]


def test_money_in_the_lease_of_a_buried_epoch() -> None:
    assert ("buried_lease", chart.lease(W, "e1")) in run(others=OTHERS)


def test_a_move_between_accounts_that_its_kind_does_not_join() -> None:
    wrong = [
        Transfer("x1", W, "wallet:v", 1, "fund", "", 0),
        Transfer("x2", W, chart.revenue, 1, "settle", "x2", 0),
        Transfer("x3", "purse", W, 1, "fund", "", 0),
    ]
    found = run(others=[*OTHERS, *BURIALS, *wrong])
    assert [row for row in found if row[0] == "shape"] == [("shape", "x1"), ("shape", "x2"), ("shape", "x3")]
    assert ("account", "purse") in found
    assert ("unrecorded", "x2") in found


def test_below_zero_is_a_warning_only() -> None:
    source = chart.source("topup")
    overdrawn = [transfer.fund(W, 10, source, "f1"), transfer.fund(W, -12, source, "f2")]
    findings = audit([], overdrawn, [], balances(overdrawn))
    assert findings == [Finding("below_zero", W, "-2 nanos")]
    assert faults(findings) == []
    assert faults([Finding("balance", W, "")]) == [Finding("balance", W, "")]


def test_findings_are_bounded_and_the_rest_is_counted() -> None:
    records = [make_record(f"r{number:06d}", LEGS[:1], 1) for number in range(AUDIT_FINDINGS_MAX + 5)]
    findings = audit([], [], records, {})
    assert len(findings) == AUDIT_FINDINGS_MAX + 1
    assert findings[-1] == Finding("more", "audit", "5 further findings")


def test_rows_that_met_are_forgotten() -> None:
    auditor = Auditor()
    for number in range(100):
        record = make_record(f"r{number:06d}", LEGS, 1)
        auditor.feed_record(record)
        for move in transfer.settle(record, "e1"):
            auditor.feed_transfer(move)
        assert not auditor._asked
        assert not auditor._given


PRICED = st.sampled_from(["input_uncached", "output_text", "cache_read"])
RATES = st.dictionaries(PRICED, st.integers(0, 10**11))


@given(RATES, st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 5 * 10**6))
def test_a_charge_recomputes_as_it_was_made(rates: dict, fresh: int, out: int, ratio_ppm: int) -> None:
    made = charge(with_id(Price("m", rates)), Usage(input_uncached=fresh, output_text=out), ratio_ppm)
    assert expected_nanos(made) == made.nanos


def test_the_least_charge_is_one_nano() -> None:
    assert expected_nanos(Charge(1, lines=(ChargeLine("calls", 1, 1),))) == 1
    assert expected_nanos(Charge(0)) == 0
