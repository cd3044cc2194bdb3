"""A call's own end. Without this silence could be charged beyond what was held, a division by nothing lose a
bill, or the relay be blamed for time that others took."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.relay.test_attempt import CANDIDATE
from tests.relay.test_attempt import call as chat_call
from tests.relay.test_plan import OPERATION, channel

from switchgear.catalog.price import Price
from switchgear.kernel.clock import FakeClock
from switchgear.kernel.errors import UPSTREAM_ERROR
from switchgear.kernel.money import PPM
from switchgear.kernel.principal import Principal
from switchgear.kernel.usage import Usage
from switchgear.ledger.record import UsageRecord
from switchgear.link.protocol import LocalAddress
from switchgear.link.snapshot import ModelView
from switchgear.net.transport import Timeouts, UpstreamRequest
from switchgear.relay.admit import Caller, Terms
from switchgear.relay.answer import Answerer
from switchgear.relay.attempt import Fault, PassedOn, open_exchange, upstream_sentence
from switchgear.relay.call import Books, Outcome, RunningCall
from switchgear.relay.directory import KnownKey
from switchgear.relay.funds import Funds, legs_of
from switchgear.relay.health import Health
from switchgear.relay.limiter import RateTable
from switchgear.relay.locate import Locator
from switchgear.relay.metrics import Meters
from switchgear.relay.pipeline import to_its_end
from switchgear.relay.plan import Candidate
from switchgear.relay.prepare import Prepared
from switchgear.relay.refusals import RefusedRecords
from switchgear.relay.requestlog import RequestLog, json_line
from switchgear.relay.room import Room

WHO = Principal("k1", "ci", "sk-…", "u1", "acme", "default", "wallet:u1")
MS = 1_000_000
PRICE = Price("m", {"output_text": PPM})


class Rig:
    def __init__(self, folder: Path, price: Price, held: int) -> None:
        self.clock, self.records = FakeClock(), list[UsageRecord]()
        self.meters = Meters()
        funds = Funds(self._nobody, lambda _: None, self.clock)
        funds.book.apply_grant(WHO.wallet, held)
        log = RequestLog(-1, json_line, wanted=False)
        rates = RateTable(folder / "rates", 0)
        written = self, funds, rates, self.meters, log
        self.books = Books(*written, self.clock, RefusedRecords())  # type: ignore[arg-type]
        caller = Caller(KnownKey(WHO, 0, 0), "")
        self.running = RunningCall(self.books, "r1", OPERATION, caller, self.clock.monotonic_ns())
        self.running.terms = Terms(ModelView("m", ""), price, PPM)
        assert funds.hold("r1", legs_of(WHO, held))
        self.running.reserved = True

    async def _nobody(self, call: Any) -> Any:
        raise ConnectionError

    def append(self, record: UsageRecord) -> None:
        self.records.append(record)


@pytest.mark.parametrize("rate", [0, 1])
def test_silence_that_costs_nothing_is_told_whole_whatever_was_held(tmp_path: Path, rate: int) -> None:
    rig = Rig(tmp_path, Price("m", {"output_text": PPM, "reasoning": rate}), held=10)
    assert rig.running.within_hold(Usage(output_text=50, reasoning=20), 20) == 20


def test_silence_is_within_the_hold_at_the_price_of_the_mode_that_was_served(tmp_path: Path) -> None:
    price = Price("m", {"output_text": PPM}, modes={"service_tier:priority": 2 * PPM})
    rig = Rig(tmp_path, price, held=100)
    usage = Usage(output_text=10, reasoning=90)
    assert rig.running.within_hold(usage, 90) == 90
    asked = ("service_tier:priority",)
    assert rig.running.within_hold(usage, 90, asked) == 40
    assert rig.running.within_hold(usage, 90, asked, {"service_tier": "service_tier:default"}) == 90


def test_time_that_others_take_is_not_the_relays_own(tmp_path: Path) -> None:
    rig = Rig(tmp_path, PRICE, held=10)
    rig.clock.advance_ms(2)
    with rig.running.waiting():
        rig.clock.advance_ms(500)
    rig.clock.advance_ms(1)
    sent_ns = rig.clock.monotonic_ns()
    rig.clock.advance_ms(700)
    replied_ns = rig.clock.monotonic_ns()
    rig.clock.advance_ms(1)
    rig.running.end(Outcome("complete", 200, upstream_sent_ns=sent_ns, replied_ns=replied_ns))
    timings = rig.records[0].timings
    assert (timings.own_us, timings.upstream_sent_us, timings.total_us) == (4_000, 503_000, 1_204_000)
    assert rig.meters.stats().histograms["switchgear_own_seconds"][-1] == 4_000


def test_an_attempt_that_failed_is_time_of_its_upstream(tmp_path: Path) -> None:
    rig = Rig(tmp_path, PRICE, held=10)
    rooms = SimpleNamespace(replies=Room(1, "places"))
    tools = SimpleNamespace(books=rig.books, count=None, rooms=rooms)
    answerer = Answerer(tools, rig.running, None, [])  # type: ignore[arg-type]  # what a failure needs
    answerer.trying(CANDIDATE, chat_call())
    rig.clock.advance_ms(30)
    answerer.attempt_failed(Fault("x", upstream_sentence(UPSTREAM_ERROR), 500, try_next=True))
    assert rig.running.waited_ns == 30 * MS


async def test_the_start_of_the_embedded_model_is_waited_for() -> None:
    clock = FakeClock()

    async def starts(body: object, timeout_s: float) -> object:
        clock.advance_ms(9000)
        return LocalAddress("http://127.0.0.1:1", "s")

    class Answers:
        async def open(self, request: UpstreamRequest, timeouts: Timeouts) -> Any:
            clock.advance_ms(10)
            return Response()

        async def close(self) -> None: ...

    class Response:
        status, headers = 200, ()

    local = msgspec.structs.replace(channel("c"), local_model="tiny")
    candidate = Candidate(local, -1, "m", (OPERATION,))
    prepared = Prepared(OPERATION, b"{}")
    exchange = await open_exchange(
        Answers(), Locator(starts), candidate, prepared, chat_call(), PassedOn(()), Health(), clock
    )
    assert exchange.waited_ns == 9000 * MS


async def test_a_call_is_booked_however_often_it_is_cancelled_meanwhile() -> None:
    may_end, booked = asyncio.Event(), list[bool]()

    async def ending() -> None:
        await may_end.wait()
        booked.append(True)

    call = asyncio.create_task(to_its_end(ending()))
    for _ in range(3):
        await asyncio.sleep(0)
        call.cancel()
    await asyncio.sleep(0)
    may_end.set()
    await call
    assert booked == [True]
