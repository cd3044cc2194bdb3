"""Checks the books from nothing but transfers, records and stored balances. It changes nothing.

Rows are fed one by one, in any order. A record and its settlements forget each other once they met, so memory stays
small when both come in order of their ids; ``audit`` feeds them so.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain

import msgspec

from switchgear.kernel.charge import Charge
from switchgear.kernel.limits import AUDIT_FINDINGS_MAX
from switchgear.kernel.money import PPM, UNITS_PER_RATE, divide_half_up
from switchgear.ledger import chart
from switchgear.ledger.record import UsageRecord
from switchgear.ledger.transfer import BUDGET_LEG, SHAPES, Transfer

WARNINGS = frozenset({"below_zero"})
"""Kinds of finding that are no fault of the books: a charge above its estimate may push a wallet below zero."""


class Finding(msgspec.Struct, frozen=True):
    """Something that does not add up: a kind in one word, what it is about, and the figures."""

    kind: str
    subject: str
    detail: str


class Leg(msgspec.Struct, frozen=True):
    """One leg of a settlement as a record asks for it and a transfer gives it."""

    account: str
    """The wallet or budget; empty when the money did not come out of a lease."""
    sink: str
    nanos: int
    request_id: str


def faults(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that are not mere warnings; none of them: the audit is clean."""
    return [finding for finding in findings if finding.kind not in WARNINGS]


def audit(
    settlements: Iterable[Transfer],
    other_transfers: Iterable[Transfer],
    records: Iterable[UsageRecord],
    stored: Mapping[str, int],
    buried: Collection[str] = (),
) -> list[Finding]:
    """Everything at once, from iterators: ``settlements`` (kind settle) and ``records`` ascending by id."""
    auditor = Auditor()
    for transfer in other_transfers:
        auditor.feed_transfer(transfer)
    pending: Iterator[Transfer] = iter(settlements)
    ahead = next(pending, None)
    for record in records:
        auditor.feed_record(record)
        while ahead is not None and ahead.ref <= record.request_id:
            auditor.feed_transfer(ahead)
            ahead = next(pending, None)
    for transfer in chain(() if ahead is None else (ahead,), pending):
        auditor.feed_transfer(transfer)
    return auditor.finish(stored, buried)


class Auditor:
    """Takes rows in any order; ``finish`` says what was wrong."""

    def __init__(self) -> None:
        self._balances: dict[str, int] = {}
        self._asked: dict[str, Leg] = {}
        self._given: dict[str, Leg] = {}
        self._findings: list[Finding] = []
        self._suppressed = 0

    def feed_transfer(self, transfer: Transfer) -> None:
        balances = self._balances
        balances[transfer.debit] = balances.get(transfer.debit, 0) - transfer.nanos
        balances[transfer.credit] = balances.get(transfer.credit, 0) + transfer.nanos
        if not _shape_fits(transfer):
            self._find("shape", transfer.id, f"{transfer.kind}: {transfer.debit} to {transfer.credit}")
        if transfer.kind == "settle":
            account = _account_of(transfer.debit)
            leg = Leg(account, transfer.credit, transfer.nanos, transfer.ref)
            self._meet(transfer.id, leg, self._given, self._asked)

    def feed_record(self, record: UsageRecord) -> None:
        charge = record.charge
        if charge.nanos != expected_nanos(charge):
            self._find(
                "charge", record.request_id, f"{charge.nanos} nanos, lines give {expected_nanos(charge)}"
            )
        if charge.nanos > 0:
            request_id = record.request_id
            leg = Leg(record.wallet, chart.revenue, charge.nanos, request_id)
            self._meet(request_id, leg, self._asked, self._given)
            if record.budget:
                leg = Leg(record.budget, chart.spent(record.budget), charge.nanos, request_id)
                self._meet(request_id + BUDGET_LEG, leg, self._asked, self._given)

    def finish(self, stored: Mapping[str, int], buried: Collection[str] = ()) -> list[Finding]:
        """What was found, given the balances kept beside the transfers and the epochs that are buried.

        Any account that only one side knows counts as zero on the other. At most ``AUDIT_FINDINGS_MAX`` findings
        come back, then one of kind ``more`` with the number left out.
        """
        for leg_id, leg in self._asked.items():
            self._find("unsettled", leg_id, f"{leg.nanos} nanos of {leg.account} were never moved")
        for leg_id, leg in self._given.items():
            self._find("unrecorded", leg_id, f"{leg.nanos} nanos of {leg.account} moved without a record")
        for account in sorted(self._balances.keys() | stored.keys()):
            derived, kept = self._balances.get(account, 0), stored.get(account, 0)
            if derived != kept:
                self._find("balance", account, f"stored {kept}, transfers give {derived}")
            self._check_account(account, derived, buried)
        if total := sum(stored.values()):
            self._find("zero_sum", "all accounts", f"stored balances sum to {total}")
        if self._suppressed:
            self._findings.append(Finding("more", "audit", f"{self._suppressed} further findings"))
        return self._findings

    def _check_account(self, account: str, nanos: int, buried: Collection[str]) -> None:
        try:
            kind = chart.kind_of(account)
            epoch = chart.leased_account(account)[1] if kind == "lease" else ""
        except chart.BadAccount:
            self._find("account", account, f"holds {nanos} nanos and is no account we know")
            return
        if epoch and nanos and epoch in buried:
            self._find("buried_lease", account, f"holds {nanos} nanos of a dead worker")
        if kind in ("wallet", "budget") and nanos < 0:
            self._find("below_zero", account, f"{nanos} nanos")

    def _meet(self, leg_id: str, leg: Leg, mine: dict[str, Leg], theirs: dict[str, Leg]) -> None:
        """Pairs a leg with its other half, or keeps it waiting. A repeat finds no partner, and so comes to light."""
        other = theirs.pop(leg_id, None)
        if other is None:
            if leg_id in mine:
                self._find("repeated", leg_id, f"{leg.nanos} nanos of {leg.account} a second time")
            mine[leg_id] = leg
        elif other != leg:
            self._find("settled_wrong", leg_id, f"{_leg_text(leg)} against {_leg_text(other)}")

    def _find(self, kind: str, subject: str, detail: str) -> None:
        if len(self._findings) < AUDIT_FINDINGS_MAX:
            self._findings.append(Finding(kind, subject, detail))
        else:
            self._suppressed += 1


def expected_nanos(charge: Charge) -> int:
    """The charge recomputed from its lines and ratio; the same one rounding that made it."""
    total = sum(line.count * line.rate_nanos for line in charge.lines) * charge.ratio_ppm
    return max(1, divide_half_up(total, UNITS_PER_RATE * PPM)) if total else 0


def _shape_fits(transfer: Transfer) -> bool:
    try:
        shape = chart.kind_of(transfer.debit), chart.kind_of(transfer.credit)
    except chart.BadAccount:
        return False
    return shape in SHAPES.get(transfer.kind, ())


def _account_of(lease_name: str) -> str:
    try:
        return chart.leased_account(lease_name)[0]
    except chart.BadAccount:
        return ""


def _leg_text(leg: Leg) -> str:
    return f"{leg.nanos} nanos of {leg.account or 'no lease'} to {leg.sink}"
