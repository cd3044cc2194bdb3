"""A call that was let in, until it ends: it ends exactly once, with one record and one charge.

The record is written before the end of the reply goes out, so a client that saw the end has been billed,
through any kill of any process.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
from msgspec.structs import replace

from switchgear.catalog.modes import in_modes, served_modes
from switchgear.catalog.price import Price, charge
from switchgear.kernel.charge import FREE, Charge
from switchgear.kernel.clock import Clock
from switchgear.kernel.limits import DROPPED_NAME_CHARS_MAX, DROPPED_NAMES_MAX
from switchgear.kernel.usage import Usage
from switchgear.ledger.policy import charge_basis
from switchgear.ledger.record import Attempt, EndState, Timings, UsageRecord, UsageSource
from switchgear.relay.admit import Caller, Terms
from switchgear.relay.funds import Funds
from switchgear.relay.journal import Journal, JournalBroken
from switchgear.relay.limiter import Permit, RateTable
from switchgear.relay.metrics import Meters
from switchgear.relay.refusals import RefusedRecords
from switchgear.relay.requestlog import RequestLog
from switchgear.wire.call import Call, Operation
from switchgear.wire.dialects import DIALECT_OF_OPERATION


class Books(msgspec.Struct, frozen=True):
    """Everything of a worker that an ending call is written to."""

    journal: Journal
    funds: Funds
    limiter: RateTable
    meters: Meters
    log: RequestLog
    clock: Clock
    refused: RefusedRecords


class Outcome(msgspec.Struct, frozen=True):
    """How a call ended."""

    end_state: EndState
    status: int
    error: str = ""
    usage: Usage = Usage()
    usage_source: UsageSource = "none"
    delivered_bytes: int = 0
    channel: str = ""
    upstream_model: str = ""
    upstream_request_id: str = ""
    upstream_sent_ns: int = 0
    replied_ns: int = 0
    """The upstream's answer was whole, or its first byte had come."""
    first_byte_ns: int = 0
    dropped: tuple[str, ...] = ()
    """Fields of the request that the upstream did not get."""
    usage_doubt: bool = False
    hidden_tokens: int = 0
    """Of the usage's reasoning, what was estimated by time."""
    modes: tuple[str, ...] = ()
    """That the upstream was asked to serve in."""
    modes_served: dict[str, str] = {}
    """What it said of them; see ``wire.modes``."""


class RunningCall:
    """One relayed call of a known key. ``end`` is called exactly once; later calls change nothing."""

    __slots__ = (
        "_books",
        "_call",
        "_caller",
        "_ended",
        "arrived_ns",
        "attempts",
        "model",
        "operation",
        "permit",
        "request_id",
        "reserved",
        "terms",
        "waited_ns",
    )

    def __init__(
        self, books: Books, request_id: str, operation: Operation, caller: Caller, arrived_ns: int
    ) -> None:
        self._books = books
        self._caller = caller
        self.operation = operation
        """As it turned out: a body may be of another dialect than its path."""
        self._call: Call | None = None
        self._ended = False
        self.request_id = request_id
        self.arrived_ns = arrived_ns
        self.model = ""
        """As the client named it, once that was read."""
        self.terms: Terms | None = None
        self.permit: Permit | None = None
        self.reserved = False
        self.attempts: list[Attempt] = []
        self.waited_ns = 0
        """For others, before the upstream that answered was asked."""

    def asked_for(self, call: Call) -> None:
        """The body was read."""
        self._call = call

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """What happens meanwhile takes others' time: that of the client, of a fund, of a link."""
        since_ns = self._books.clock.monotonic_ns()
        try:
            yield
        finally:
            self.waited_ns += self._books.clock.monotonic_ns() - since_ns

    @property
    def caller(self) -> Caller:
        return self._caller

    @property
    def owner(self) -> str:
        """The user whose call it is."""
        return self._caller.principal.user_id

    @property
    def ended(self) -> bool:
        return self._ended

    def within_hold(
        self, usage: Usage, hidden_tokens: int, modes: tuple[str, ...] = (), served: Mapping[str, str] = {}
    ) -> int:
        """As much of a usage's hidden tokens as the money that is held for the call covers. ``modes``,
        ``served``: as in ``Outcome``."""
        if self.terms is None or not self.terms.ratio_ppm:
            return hidden_tokens
        price, ratio_ppm = _price_of(self.terms, modes, served), self.terms.ratio_ppm
        held = min((nanos for _, nanos in self._books.funds.book.legs(self.request_id)), default=0)
        shown = replace(usage, reasoning=usage.reasoning - hidden_tokens)
        shown_nanos = charge(price, shown, ratio_ppm).nanos
        hidden_nanos = charge(price, usage, ratio_ppm).nanos - shown_nanos
        if not hidden_nanos or shown_nanos + hidden_nanos <= held:
            return hidden_tokens
        return max(0, hidden_tokens * (held - shown_nanos) // hidden_nanos)

    def end(self, outcome: Outcome) -> Charge:
        """Writes the record, settles the reservation, frees the permit. Raises JournalBroken when the record
        could not be written: then nothing is charged and the reply must not be shown as complete."""
        if self._ended:
            return FREE
        self._ended = True
        now_ns = self._books.clock.monotonic_ns()
        cost = self._charge(outcome)
        record = self._record(outcome, cost, now_ns)
        written = self._books.refused.admit(record, now_ns)
        try:
            if written is not None:
                self._books.journal.append(written)
        except Exception as fault:
            if isinstance(fault, JournalBroken):
                self._books.meters.add("switchgear_journal_failures_total")
            self._let_go(FREE, outcome.usage, now_ns)
            raise
        self._let_go(cost, outcome.usage, now_ns)
        self._books.meters.record(record)
        if written is not None:
            self._books.log.add(written)
        return cost

    def _let_go(self, cost: Charge, usage: Usage, now_ns: int) -> None:
        if self.reserved:
            self._books.funds.settle(self.request_id, cost.nanos)
        if self.permit is not None:
            self._books.limiter.finish(self.permit, usage.tokens_total, now_ns)

    def _charge(self, outcome: Outcome) -> Charge:
        if self.terms is None:
            return FREE
        delivered = outcome.delivered_bytes > 0
        basis = charge_basis(
            outcome.end_state,
            delivered=delivered,
            usage_reported=outcome.usage_source == "reported",
            upstream_answered_error=outcome.end_state == "upstream_error" and not delivered,
        )
        if basis == "nothing":
            return FREE
        price = _price_of(self.terms, outcome.modes, outcome.modes_served)
        return charge(price, outcome.usage, self.terms.ratio_ppm)

    def _record(self, outcome: Outcome, cost: Charge, now_ns: int) -> UsageRecord:
        principal = self._caller.principal
        call = self._call
        return UsageRecord(
            request_id=self.request_id,
            at_ms=self._books.clock.now_ms() - (now_ns - self.arrived_ns) // 1_000_000,
            user_id=principal.user_id,
            key_id=principal.key_id,
            group=principal.group,
            dialect=DIALECT_OF_OPERATION[self.operation].name,
            operation=self.operation,
            model=self.model,
            end_state=outcome.end_state,
            usage_source=outcome.usage_source,
            usage=outcome.usage,
            charge=cost,
            wallet=principal.wallet,
            budget=principal.budget,
            channel=outcome.channel,
            upstream_model=outcome.upstream_model,
            stream=call.stream if call else False,
            status=outcome.status,
            error=outcome.error,
            delivered_bytes=outcome.delivered_bytes,
            attempts=tuple(self.attempts),
            timings=_timings(outcome, self.arrived_ns, now_ns, self.waited_ns),
            client_ip=self._caller.client_ip,
            upstream_request_id=outcome.upstream_request_id,
            dropped=_some_of(outcome.dropped) if outcome.dropped else (),
            usage_doubt=outcome.usage_doubt,
            hidden_tokens=outcome.hidden_tokens,
        )


def _price_of(terms: Terms, modes: tuple[str, ...], served: Mapping[str, str]) -> Price:
    """What a call costs that asked for these modes and was served in those."""
    price = terms.price
    return in_modes(price, served_modes(price, modes, served)) if modes else price


def _some_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of a client's fields, as far as a record has room for them: it may have sent any."""
    shown = tuple(name[:DROPPED_NAME_CHARS_MAX] for name in names[:DROPPED_NAMES_MAX])
    return (*shown, f"… {more} more") if (more := len(names) - len(shown)) else shown


def _timings(outcome: Outcome, arrived_ns: int, now_ns: int, waited_ns: int) -> Timings:
    # Ours is the way in, up to sending, without the waiting for others, and the way out, from the upstream's
    # answer to ours.
    answered_ns = outcome.first_byte_ns or now_ns
    own_ns = outcome.upstream_sent_ns - arrived_ns - waited_ns + answered_ns - outcome.replied_ns
    return Timings(
        (outcome.upstream_sent_ns - arrived_ns) // 1000 if outcome.upstream_sent_ns else 0,
        (outcome.first_byte_ns - arrived_ns) // 1000 if outcome.first_byte_ns else 0,
        (now_ns - arrived_ns) // 1000,
        max(0, own_ns) // 1000 if outcome.replied_ns else 0,
    )
