"""The stream-end policy: what a call is charged by, as one table for every dialect.

The first row that fits decides. ``delivered`` means that content reached the client; an *error reply* is an
error in place of an answer, not a stream that broke after content.
"""

from itertools import product
from typing import Literal

import msgspec

from switchgear.ledger.record import END_STATES, EndState

Basis = Literal["nothing", "reported", "estimated"]


class PolicyRow(msgspec.Struct, frozen=True):
    """Conditions (None: any) and what is charged when they hold."""

    end_states: tuple[EndState, ...]
    delivered: bool | None
    usage_reported: bool | None
    upstream_answered_error: bool | None
    basis: Basis
    why: str


POLICY: tuple[PolicyRow, ...] = (
    PolicyRow(("refused",), None, None, None, "nothing", "we refused it; no upstream was asked"),
    PolicyRow(END_STATES, None, True, True, "reported", "an error reply, but the upstream says it counted"),
    PolicyRow(END_STATES, None, False, True, "nothing", "an error reply costs nothing"),
    PolicyRow(END_STATES, True, True, None, "reported", "content arrived, and the upstream counted it"),
    PolicyRow(END_STATES, True, False, None, "estimated", "content arrived, but the upstream named no usage"),
    PolicyRow(("complete",), False, True, None, "reported", "a whole answer that happens to be empty"),
    PolicyRow(("client_gone",), False, True, None, "reported", "the client left, but the upstream counted"),
    PolicyRow(END_STATES, False, None, None, "nothing", "nothing was delivered"),
)


def charge_basis(
    end_state: EndState, delivered: bool, usage_reported: bool, upstream_answered_error: bool
) -> Basis:
    """What the charge of a call is computed from."""
    return _BASIS[end_state, delivered, usage_reported, upstream_answered_error]


def _first_match(end_state: EndState, delivered: bool, usage_reported: bool, answered_error: bool) -> Basis:
    return next(
        row.basis
        for row in POLICY
        if end_state in row.end_states
        and row.delivered in (None, delivered)
        and row.usage_reported in (None, usage_reported)
        and row.upstream_answered_error in (None, answered_error)
    )


_BASIS: dict[tuple[EndState, bool, bool, bool], Basis] = {
    case: _first_match(*case) for case in product(END_STATES, (False, True), (False, True), (False, True))
}
