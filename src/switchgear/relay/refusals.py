"""Requests that come to nothing: each is counted, and so many of them are written down that they can't fill a
disk.

Of known keys, records with no charge, no content and no answer; of strangers, lines of the log. Both are
sampled by source, and what is written says how much was left out before it.
"""

import ipaddress
from collections.abc import Sequence

import msgspec

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import (
    BAD_KEY,
    BAD_LOGIN,
    IP_NOT_ALLOWED,
    KEY_DISABLED,
    KEY_EXPIRED,
    NO_KEY,
    USER_DISABLED,
    ApiError,
)
from switchgear.kernel.limits import (
    REFUSAL_LINES_BURST,
    REFUSAL_LINES_IN_ALL_PER_MINUTE,
    REFUSAL_LINES_PER_MINUTE,
    REFUSAL_RECORDS_BURST,
    REFUSAL_RECORDS_PER_MINUTE,
    REFUSAL_SOURCES_MAX,
)
from switchgear.ledger.record import UsageRecord
from switchgear.relay.addresses import Network, client_address, parse_address
from switchgear.relay.http import Inbound
from switchgear.relay.requestlog import Refusal, RequestLog
from switchgear.relay.sampling import Sampler

OF_CREDENTIALS = frozenset(
    row.name for row in (NO_KEY, BAD_KEY, KEY_DISABLED, KEY_EXPIRED, USER_DISABLED, IP_NOT_ALLOWED, BAD_LOGIN)
)
"""Errors that a guard of the machine wants to hear of, whatever the log level."""
_IPV6_PREFIX = 64
"""Of one customer of a network: its single addresses are for the choosing."""


class RefusedRecords:
    """Records of one worker's calls that came to nothing."""

    def __init__(self) -> None:
        self._sampler: Sampler[UsageRecord] = Sampler(
            REFUSAL_RECORDS_BURST, REFUSAL_RECORDS_PER_MINUTE, REFUSAL_SOURCES_MAX
        )

    def admit(self, record: UsageRecord, now_ns: int) -> UsageRecord | None:
        """The record as it is to be written; None: it is only counted. Others than empty ones pass as they
        are."""
        if record.charge.nanos or record.delivered_bytes or record.end_state == "complete":
            return record
        left_out = self._sampler.take(record.key_id, record, now_ns)
        if left_out is None:
            return None
        return _with(record, left_out) if left_out else record

    def overdue(self, now_ns: int, *, everything: bool = False) -> list[UsageRecord]:
        """What is to be written for calls that were left out, now that nothing else came for them."""
        found = self._sampler.overdue(now_ns, everything=everything)
        return [_with(record, left_out) for record, left_out in found]


class RefusalLines:
    """Lines of the log about requests that ended before an account was known."""

    def __init__(self, log: RequestLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._by_network: Sampler[None] = Sampler(
            REFUSAL_LINES_BURST, REFUSAL_LINES_PER_MINUTE, REFUSAL_SOURCES_MAX
        )
        self._in_all: Sampler[None] = Sampler(
            REFUSAL_LINES_IN_ALL_PER_MINUTE, REFUSAL_LINES_IN_ALL_PER_MINUTE, 1
        )

    def add(
        self, request: Inbound, request_id: str, error: ApiError, status: int, trusted: Sequence[Network]
    ) -> None:
        """Notes a refusal with the client's address, also behind a trusted proxy."""
        address = address_of(request, trusted)
        now_ns = self._clock.monotonic_ns()
        left_out = self._by_network.take(network_of(address), None, now_ns)
        if left_out is None or self._in_all.take("", None, now_ns) is None:
            return
        line = Refusal(
            request_id,
            self._clock.now_ms(),
            request.method,
            request.path[:256],
            status,
            error.row.name,
            address,
            left_out,
        )
        self._log.add(line, always=error.row.name in OF_CREDENTIALS)


def address_of(request: Inbound, trusted: Sequence[Network]) -> str:
    """The client's address, as far as trusted proxies tell it."""
    return client_address(request.peer_ip, request.header("x-forwarded-for") if trusted else None, trusted)


def network_of(address: str) -> str:
    """What counts as one source: an IPv4 address, or the /64 of an IPv6 address."""
    found = parse_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((found, _IPV6_PREFIX), strict=False))
    return address


def _with(record: UsageRecord, left_out: int) -> UsageRecord:
    return msgspec.structs.replace(record, left_out=left_out)
