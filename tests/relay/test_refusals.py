"""Requests that come to nothing. Without this one connection fills the disk with their records and lines, or
a guard of the machine is told a proxy's address for the attacker's."""

import json
import tempfile
from collections.abc import Callable

import msgspec
import pytest

from switchgear.kernel.charge import FREE, Charge
from switchgear.kernel.clock import FakeClock
from switchgear.kernel.errors import BAD_KEY, MODEL_UNKNOWN, ApiError
from switchgear.kernel.limits import (
    REFUSAL_LINES_BURST,
    REFUSAL_LINES_IN_ALL_PER_MINUTE,
    REFUSAL_RECORDS_BURST,
    REFUSAL_RECORDS_PER_MINUTE,
    REFUSAL_SOURCES_MAX,
)
from switchgear.kernel.usage import Usage
from switchgear.ledger.record import UsageRecord
from switchgear.relay.addresses import parse_networks
from switchgear.relay.refusals import RefusalLines, RefusedRecords, network_of
from switchgear.relay.requestlog import RequestLog, json_line
from switchgear.relay.sampling import Sampler

MINUTE_NS = 60 * 10**9
REFUSED = UsageRecord(
    "r", 1, "u", "k", "g", "openai_chat", "openai_chat", "m", "refused", "none", Usage(), FREE, "wallet:u"
)


def test_a_key_has_a_burst_of_records_then_few_and_none_is_uncounted() -> None:
    records, now_ns, written = RefusedRecords(), 0, []
    for _ in range(100_000):
        now_ns += MINUTE_NS // 10_000
        if (record := records.admit(REFUSED, now_ns)) is not None:
            written.append(record)
    written += records.overdue(now_ns, everything=True)
    assert len(written) <= REFUSAL_RECORDS_BURST + 10 * REFUSAL_RECORDS_PER_MINUTE + 2
    assert sum(1 + record.left_out for record in written) == 100_000
    assert records.overdue(now_ns, everything=True) == []


def test_the_last_ones_are_written_once_there_is_room_again() -> None:
    records = RefusedRecords()
    for _ in range(REFUSAL_RECORDS_BURST + 5):
        records.admit(REFUSED, 0)
    assert records.overdue(0) == []
    (record,) = records.overdue(MINUTE_NS)
    assert record == msgspec.structs.replace(REFUSED, left_out=4)


def test_keys_do_not_share_their_room() -> None:
    records = RefusedRecords()
    for _ in range(REFUSAL_RECORDS_BURST * 2):
        records.admit(REFUSED, 0)
    other = msgspec.structs.replace(REFUSED, key_id="other")
    assert records.admit(other, 0) == other


@pytest.mark.parametrize(
    "change",
    [
        {"charge": Charge(5, "p", 1_000_000, ())},
        {"delivered_bytes": 1},
        {"end_state": "complete"},
    ],
)
def test_what_cost_or_brought_anything_is_always_written(change: dict[str, object]) -> None:
    records = RefusedRecords()
    record = msgspec.structs.replace(REFUSED, **change)
    assert all(records.admit(record, 0) is record for _ in range(REFUSAL_RECORDS_BURST * 2))


def test_sources_are_bounded() -> None:
    sampler: Sampler[None] = Sampler(1, 1, REFUSAL_SOURCES_MAX)
    for at in range(REFUSAL_SOURCES_MAX + 50):
        sampler.take(str(at), None, 0)
    assert len(sampler._sources) == REFUSAL_SOURCES_MAX


class Asked:
    method, path, query = "POST", '/v1/chat/"error":"bad_key"', ""

    def __init__(self, peer_ip: str = "203.0.113.7", forwarded: str | None = None) -> None:
        self.peer_ip = peer_ip
        self._forwarded = forwarded

    def header(self, name: str) -> str | None:
        return self._forwarded if name == "x-forwarded-for" else None


def lines(do: Callable[[RefusalLines, FakeClock], None], *, wanted: bool = True) -> list[dict[str, object]]:
    with tempfile.TemporaryFile() as file:
        log, clock = RequestLog(file.fileno(), json_line, wanted=wanted), FakeClock()
        do(RefusalLines(log, clock), clock)
        log.close()
        file.seek(0)
        return [json.loads(line) for line in file.read().splitlines()]


def refuse(to: RefusalLines, request: Asked, row=BAD_KEY, trusted: tuple[str, ...] = ()) -> None:
    to.add(request, "r", ApiError(row, "no"), row.status, parse_networks(trusted))  # type: ignore[arg-type]


def test_a_line_names_the_client_behind_a_trusted_proxy_and_nobody_else() -> None:
    def do(to: RefusalLines, _: FakeClock) -> None:
        refuse(to, Asked("10.0.0.1", "198.51.100.4, 10.0.0.2"), trusted=("10.0.0.0/8",))
        refuse(to, Asked("203.0.113.7", "198.51.100.5"), trusted=("10.0.0.0/8",))
        refuse(to, Asked("::ffff:203.0.113.8", "198.51.100.5"))

    found = lines(do)
    assert [line["client_ip"] for line in found] == ["198.51.100.4", "203.0.113.7", "203.0.113.8"]
    assert {line["error"] for line in found} == {"bad_key"}


def test_refused_credentials_are_told_at_every_log_level() -> None:
    def do(to: RefusalLines, _: FakeClock) -> None:
        refuse(to, Asked())
        refuse(to, Asked(), row=MODEL_UNKNOWN)

    assert [line["error"] for line in lines(do, wanted=False)] == ["bad_key"]


def test_an_address_has_a_burst_of_lines_and_all_together_have_a_bound() -> None:
    def one(to: RefusalLines, clock: FakeClock) -> None:
        for _ in range(10_000):
            refuse(to, Asked())
        clock.advance_ms(60_000)
        refuse(to, Asked())

    found = lines(one)
    assert len(found) == REFUSAL_LINES_BURST + 1
    assert found[-1]["left_out"] == 10_000 - REFUSAL_LINES_BURST
    assert "left_out" not in found[0]

    def many(to: RefusalLines, _: FakeClock) -> None:
        for at in range(REFUSAL_LINES_IN_ALL_PER_MINUTE + 500):
            refuse(to, Asked(f"10.{at >> 16}.{at >> 8 & 255}.{at & 255}"))

    assert len(lines(many)) == REFUSAL_LINES_IN_ALL_PER_MINUTE


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_one_source_is_an_ipv4_address_or_a_network_of_ipv6(address: str, network: str) -> None:
    assert network_of(address) == network
