"""The stream-end policy.

Without these tests a client could pay for an error or for nothing, or get answers for free.
"""

from itertools import product

import pytest

from switchgear.ledger.policy import POLICY, charge_basis
from switchgear.ledger.record import END_STATES

CASES = tuple(product(END_STATES, (False, True), (False, True), (False, True)))


def expected(end_state: str, delivered: bool, reported: bool, error_reply: bool) -> str:
    """The rules in prose order, written apart from the table."""
    if end_state == "refused":
        return "nothing"
    if error_reply:
        return "reported" if reported else "nothing"
    if delivered:
        return "reported" if reported else "estimated"
    return "reported" if end_state in ("complete", "client_gone") and reported else "nothing"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_case(case) -> None:
    assert charge_basis(*case) == expected(*case)


def test_every_row_of_the_table_decides_something() -> None:
    assert len(CASES) == 48
    for left_out in range(len(POLICY) - 1):
        rows = [row for index, row in enumerate(POLICY) if index != left_out]
        assert any(basis_by(rows, case) != charge_basis(*case) for case in CASES), POLICY[left_out].why


def test_the_last_row_is_in_the_customers_favour_and_rows_explain_themselves() -> None:
    assert POLICY[-1].basis == "nothing"
    assert all(row.why for row in POLICY)


def basis_by(rows, case) -> str | None:
    end_state, *facts = case
    for row in rows:
        wanted = (row.delivered, row.usage_reported, row.upstream_answered_error)
        fits = all(want in (None, fact) for want, fact in zip(wanted, facts, strict=True))
        if end_state in row.end_states and fits:
            return row.basis
    return None
