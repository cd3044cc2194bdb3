"""Calls in the background of an upstream, to their end. Without this one would never be charged, or be
charged for what an upstream never did."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from switchgear.catalog.price import Price
from switchgear.kernel.errors import UPSTREAM_ERROR, ApiError
from switchgear.kernel.limits import PLAUSIBLE_TOKENS_MAX
from switchgear.kernel.principal import Principal
from switchgear.kernel.stored import StoredResponse
from switchgear.kernel.usage import Usage
from switchgear.ledger.record import UsageRecord, decode_record
from switchgear.link.protocol import Acquired, ClaimBill, KeepResponse, Ok, ResponseFound, ResponseUnknown
from switchgear.link.snapshot import ChannelView, Snapshot
from switchgear.relay import following
from switchgear.relay.call import Books, Outcome
from switchgear.relay.following import Bill, Follower
from switchgear.relay.funds import Funds
from switchgear.relay.limiter import RateTable
from switchgear.relay.metrics import Meters
from switchgear.relay.place import secret_digest
from switchgear.relay.requestlog import RequestLog, json_line
from switchgear.relay.responses import Responses
from switchgear.relay.upstream_store import unknown
from switchgear.relay.view import View

PEPPER = b"p" * 32
MADE_MS = 1_764_000_000_000
CHANNEL = ChannelView(
    "c1",
    "main",
    "compatible",
    {"openai_responses": "http://127.0.0.1/"},
    "authorization",
    "Bearer ",
    ("k",),
    {"m": "m"},
    ("default",),
    responses_state="background",
)
RESPONSE = StoredResponse(
    "resp_1",
    "u1",
    "k1",
    "m",
    MADE_MS,
    "queued",
    channel="c1",
    secret_digest=secret_digest(CHANNEL, 0, PEPPER),
    background=True,
)
BILL = Bill(
    request_id="0" * 32,
    at_ms=MADE_MS,
    principal=Principal("k1", "ci", "sk-…", "u1", "acme", "default", "wallet:u1"),
    client_ip="127.0.0.1",
    model="m",
    price=Price("m", {"input_uncached": 1_000_000, "output_text": 1_000_000}),
    ratio_ppm=1_000_000,
    held=(("wallet:u1", 5000),),
    stream=False,
    attempts=(),
    outcome=Outcome(
        "complete", 200, usage=Usage(input_uncached=7), usage_source="estimated", delivered_bytes=100
    ),
)


class Clock:
    """Every look at it takes a minute, so that hours pass without a wait."""

    def __init__(self) -> None:
        self.ms = MADE_MS

    def now_ms(self) -> int:
        self.ms += 60_000
        return self.ms

    def monotonic_ns(self) -> int:
        return self.ms * 1_000_000


class Journal:
    def __init__(self) -> None:
        self.records: list[UsageRecord] = []

    def append(self, record: UsageRecord) -> None:
        self.records.append(record)


class Rig:
    """A follower between an upstream and a controller that are tables."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.journal, self.meters = Clock(), Journal(), Meters()
        self.answers: list[Any] = []
        self.kept: list[StoredResponse] = []
        self.due: list[StoredResponse] = []
        self.channels: tuple[ChannelView, ...] = (CHANNEL,)
        self.log = RequestLog(-1, json_line, wanted=False)
        self.rates = RateTable(folder / "rates", 0)
        self.funds = Funds(self.no_funds, lambda _: None, self.clock)
        books = Books(self.journal, self.funds, self.rates, self.meters, self.log, self.clock)  # type: ignore[arg-type]
        responses = Responses(self.ask, lambda: PEPPER, self.meters, self.clock, "e2")
        self.follower = Follower(books, self, responses, lambda: View(Snapshot(1, {}, self.channels, {}, {})))  # type: ignore[arg-type]

    async def no_funds(self, body: Any) -> Acquired:
        return Acquired((), covered=False)

    async def ask(self, body: Any, timeout_s: float) -> Any:
        if isinstance(body, ClaimBill):
            return ResponseFound(self.due.pop()) if self.due else ResponseUnknown("")
        assert isinstance(body, KeepResponse)
        assert body.if_open, "it lies there already"
        assert self.journal.records, "a bill may go only when it is in the journal"
        self.kept.append(body.response)
        return Ok()

    async def open(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("nothing is streamed")

    async def ask_upstream(self) -> bytes:
        answer = self.answers.pop(0) if self.answers else {"id": "resp_1", "status": "in_progress"}
        if isinstance(answer, ApiError):
            raise answer
        return msgspec.json.encode(answer)

    async def settled(self, *answers: Any) -> UsageRecord:
        """What is booked of a claimed call to which the upstream answers so, one after the other."""
        self.answers = list(answers)
        self.due = [msgspec.structs.replace(RESPONSE, bill=msgspec.msgpack.encode(BILL))]
        assert await self.follower._claim_one()
        await asyncio.wait_for(asyncio.gather(*self.follower._tasks), 5)
        (record,) = self.journal.records
        (kept,) = self.kept
        assert kept.bill == b""
        assert not kept.is_open
        return record


class Store:
    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    async def ask(self, place: Any, method: str, tail: str) -> bytes:
        assert (place.channel.id, place.secret, method, tail) == ("c1", 0, "GET", "/resp_1")
        return await self._rig.ask_upstream()


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(following, "BACKGROUND_POLL_S_MIN", 0.0)
    rig = Rig(tmp_path)
    rig.follower._store = Store(rig)  # type: ignore[assignment]
    yield rig
    rig.rates.close()
    rig.log.close()


def over(status: str, **usage: int) -> dict[str, Any]:
    return {"id": "resp_1", "status": status, "output": [], "usage": usage or None}


async def test_a_call_is_charged_by_what_its_upstream_reports(rig: Rig) -> None:
    failing = ApiError(UPSTREAM_ERROR, "for a moment")
    done = over("completed", input_tokens=10, output_tokens=20, total_tokens=30)
    record = await rig.settled(failing, over("queued"), over("in_progress"), done)
    assert record.request_id == BILL.request_id
    assert (record.end_state, record.usage_source) == ("complete", "reported")
    assert record.charge.nanos == 30
    assert (record.key_id, record.model, record.at_ms) == ("k1", "m", BILL.at_ms)
    assert decode_record(msgspec.msgpack.encode(record)) == record


async def test_a_call_is_charged_though_there_is_no_money_left_to_hold(rig: Rig) -> None:
    record = await rig.settled(over("completed", input_tokens=10, output_tokens=20))
    assert record.charge.nanos == 30
    assert rig.funds.book.free("wallet:u1") == -30


async def test_a_failed_call_costs_nothing_unless_the_upstream_counted(rig: Rig) -> None:
    record = await rig.settled(over("failed"))
    assert (record.end_state, record.charge.nanos) == ("upstream_error", 0)


async def test_a_failed_call_that_the_upstream_counted_costs_that(rig: Rig) -> None:
    record = await rig.settled(over("failed", input_tokens=10, output_tokens=2))
    assert record.charge.nanos == 12


async def test_a_cancelled_call_costs_what_it_came_to(rig: Rig) -> None:
    record = await rig.settled(over("cancelled", input_tokens=10, output_tokens=5))
    assert (record.end_state, record.charge.nanos) == ("client_gone", 15)


@pytest.mark.parametrize(
    "answers",
    [
        (),
        (unknown("resp_1"),),
        (over("completed"),),
        (over("completed", input_tokens=PLAUSIBLE_TOKENS_MAX + 1, output_tokens=1),),
        (over("cancelled"),),
    ],
    ids=["never over", "gone", "no usage", "absurd", "cancelled"],
)
async def test_where_nobody_knows_the_usage_it_is_estimated(rig: Rig, answers: tuple[Any, ...]) -> None:
    record = await rig.settled(*answers)
    assert (record.usage_source, record.charge.nanos) == ("estimated", 7)


async def test_a_call_whose_channel_is_gone_is_waited_for_and_then_estimated(rig: Rig) -> None:
    rig.channels = ()
    record = await rig.settled()
    assert (record.end_state, record.charge.nanos) == ("upstream_cut", 7)


async def test_a_bill_that_can_not_be_read_stops_nothing(rig: Rig) -> None:
    rig.due = [msgspec.structs.replace(RESPONSE, bill=b"\x00")]
    assert await rig.follower._claim_one()
    assert not await rig.follower._claim_one()
    assert not rig.journal.records
