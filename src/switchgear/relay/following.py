"""Calls that go on in the background of their upstream: followed until they are over, then charged.

The bill lies in the database from the upstream's first answer on, so it outlives any process: a worker that
has died is buried, and another one claims what it followed. Whoever settles writes the record under the
call's own id, which is booked once, and only then lets the bill go.
"""

import asyncio
import logging
from collections.abc import Callable
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from switchgear.catalog.price import Price
from switchgear.kernel.errors import ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import (
    BACKGROUND_CALLS_MAX,
    BACKGROUND_CLAIM_INTERVAL_S,
    BACKGROUND_POLL_S_MAX,
    BACKGROUND_POLL_S_MIN,
    BACKGROUND_TOTAL_S,
    RESPONSE_CALL_TIMEOUT_S,
)
from switchgear.kernel.principal import Principal
from switchgear.kernel.stored import ResponseStatus, StoredResponse
from switchgear.kernel.usage import Usage
from switchgear.ledger.record import Attempt, EndState
from switchgear.link.protocol import ClaimBill, KeepResponse, Ok, ResponseFound, ResponseUnknown
from switchgear.link.snapshot import ModelView
from switchgear.relay.admit import Caller, Terms
from switchgear.relay.call import Books, Outcome, RunningCall
from switchgear.relay.directory import KnownKey
from switchgear.relay.journal import JournalBroken
from switchgear.relay.meter import is_plausible
from switchgear.relay.metrics import Meters
from switchgear.relay.place import OPERATION, place_of
from switchgear.relay.plausible import Bounds, bounds_of, within
from switchgear.relay.prepare import Prepared
from switchgear.relay.responses import Responses
from switchgear.relay.upstream_store import UpstreamStore
from switchgear.relay.view import View
from switchgear.wire.call import Call
from switchgear.wire.openai_responses.frames import read_response
from switchgear.wire.openai_responses.hosted_calls import CallCounter
from switchgear.wire.openai_responses.kept import Answered, read_answered
from switchgear.wire.openai_responses.usage import usage_in

_POLL_GROWTH = 1.5
_END_OF: dict[ResponseStatus, EndState] = {"failed": "upstream_error", "cancelled": "client_gone"}

log = logging.getLogger("switchgear.following")


class Bill(msgspec.Struct, frozen=True):
    """All that it takes to charge for a call once it is over, at the prices of when it was made."""

    request_id: str
    at_ms: int
    principal: Principal
    client_ip: str
    model: str
    price: Price
    ratio_ppm: int
    held: tuple[tuple[str, int], ...]
    """(account, nanos) that were reserved."""
    stream: bool
    attempts: tuple[Attempt, ...]
    outcome: Outcome
    """As far as it is known: what was delivered, and the usage by estimate."""
    bounds: Bounds = Bounds()
    """What the call can come to at most."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Bill).decode


def bill_of(running: RunningCall, call: Call, outcome: Outcome, books: Books) -> Bill:
    """``outcome``: so far."""
    if running.terms is None:
        raise RuntimeError("a call was let in without terms")
    now_ns = books.clock.monotonic_ns()
    return Bill(
        running.request_id,
        books.clock.now_ms() - (now_ns - running.arrived_ns) // 1_000_000,
        running.caller.principal,
        running.caller.client_ip,
        running.model,
        running.terms.price,
        running.terms.ratio_ppm,
        books.funds.book.legs(running.request_id),
        call.stream,
        tuple(running.attempts),
        outcome,
        _bounds_of(running.terms.model, call),
    )


def _bounds_of(model: ModelView, call: Call) -> Bounds:
    """What the upstream keeps of the conversation, and its tools, may be any part of the input."""
    bounds = bounds_of(
        call, Prepared(OPERATION, b""), ModelFacts(), model.output_tokens_max, model.context_tokens
    )
    return replace(bounds, input=0)


class Follower:
    """Of one worker."""

    def __init__(
        self, books: Books, store: UpstreamStore, responses: Responses, view: Callable[[], View]
    ) -> None:
        self._books = books
        self._store = store
        self._responses = responses
        self._view = view
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, response: StoredResponse, bill: Bill, running: RunningCall) -> "asyncio.Future[None]":
        """Takes a call over; what is given is done once its bill is safe, or can't be made so."""
        response = replace(response, epoch=self._responses.epoch, bill=_encode(bill))
        safe: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._spawn(response, bill, running, safe)
        return safe

    def secure(self, response: StoredResponse, bill: Bill) -> "asyncio.Future[None]":
        """Has a bill kept for the case that this worker dies; nothing is followed."""
        due = replace(response, epoch=self._responses.epoch, bill=_encode(bill))
        task = asyncio.get_running_loop().create_task(self._secure(due))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _secure(self, due: StoredResponse) -> None:
        await self._keep(KeepResponse(due))

    async def claim_forever(self) -> None:
        """Takes over what dead workers followed, for as long as it is not cancelled."""
        while True:
            await asyncio.sleep(BACKGROUND_CLAIM_INTERVAL_S)
            while self._responses.in_background < BACKGROUND_CALLS_MAX and await self._claim_one():
                pass

    async def close(self) -> None:
        """Lets go of everything; other workers claim it once this one is buried."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _claim_one(self) -> bool:
        try:
            answer = await self._responses.ask(ClaimBill(self._responses.epoch), RESPONSE_CALL_TIMEOUT_S)
        except ConnectionError:
            return False
        if not isinstance(answer, ResponseFound):
            return False
        try:
            bill = _decode(answer.response.bill)
        except msgspec.DecodeError as fault:
            log.error("a bill can't be read", extra={"response": answer.response.id, "reason": str(fault)})
            return True
        log.info("a call in the background is followed on", extra={"request": bill.request_id})
        self._spawn(answer.response, bill, self._resumed(bill), None)
        return True

    def _resumed(self, bill: Bill) -> RunningCall:
        """The call of another worker. What it held went with that worker; where as much can't be held again,
        it is charged all the same."""
        clock = self._books.clock
        now_ns = clock.monotonic_ns()
        caller = Caller(KnownKey(bill.principal, 0, now_ns), bill.client_ip)
        arrived_ns = now_ns - (clock.now_ms() - bill.at_ms) * 1_000_000
        running = RunningCall(self._books, bill.request_id, OPERATION, caller, arrived_ns)
        running.model = bill.model
        running.terms = Terms(ModelView(bill.model, ""), bill.price, bill.ratio_ppm)
        running.attempts = list(bill.attempts)
        running.asked_for(Call("openai_responses", OPERATION, {}, bill.model, bill.stream))
        if not self._books.funds.hold(bill.request_id, bill.held):
            self._books.funds.hold(bill.request_id, tuple((account, 0) for account, _ in bill.held))
        running.reserved = True
        return running

    def _spawn(
        self, response: StoredResponse, bill: Bill, running: RunningCall, safe: "asyncio.Future[None] | None"
    ) -> None:
        task = asyncio.get_running_loop().create_task(self._follow(response, bill, running, safe))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(
        self, response: StoredResponse, bill: Bill, running: RunningCall, safe: "asyncio.Future[None] | None"
    ) -> None:
        self._responses.in_background += 1
        try:
            if safe is not None:
                await self._keep(KeepResponse(response))
                if not safe.done():
                    safe.set_result(None)
            status, outcome = await self._until_over(response, bill)
            try:
                running.end(outcome)
            except JournalBroken:
                log.error(
                    "a call in the background could not be recorded", extra={"request": bill.request_id}
                )
                return  # its bill stays, for another worker
            over = replace(response, status=status, bill=b"", epoch="")
            while not await self._keep(KeepResponse(over, if_open=True)):  # noqa: ASYNC110  # another process
                await asyncio.sleep(BACKGROUND_POLL_S_MAX)
        finally:
            self._responses.in_background -= 1

    async def _until_over(self, response: StoredResponse, bill: Bill) -> tuple[ResponseStatus, Outcome]:
        """What became of it: asked for again and again, ever more rarely, until it is over or out of time."""
        wait_s = BACKGROUND_POLL_S_MIN
        until_ms = bill.at_ms + int(BACKGROUND_TOTAL_S * 1000)
        while self._books.clock.now_ms() < until_ms:
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * _POLL_GROWTH, BACKGROUND_POLL_S_MAX)
            try:
                answered = await self._look(response)
            except ApiError as error:
                if error.row.name == "response_unknown":
                    break
                continue
            if answered is not None and not answered.is_open:
                return answered.status, _outcome(bill, answered, self._books.meters)
        return "failed", replace(bill.outcome, end_state="upstream_cut", error="upstream_cut")

    async def _look(self, response: StoredResponse) -> Answered | None:
        place = place_of(self._view().snapshot, response, self._responses.pepper())
        if place is None:
            return None  # the operator may bring it back
        body = await self._store.ask(place, "GET", f"/{quote(response.id, safe='')}")
        return read_answered(body)

    async def _keep(self, body: KeepResponse) -> bool:
        """False where it may be tried again."""
        try:
            answer = await self._responses.ask(body, RESPONSE_CALL_TIMEOUT_S)
        except ConnectionError:
            return False
        return isinstance(answer, Ok | ResponseUnknown)


def _outcome(bill: Bill, answered: Answered, meters: Meters) -> Outcome:
    so_far = bill.outcome
    found = read_response(answered.response)
    usage: Usage | None = None if found is None else usage_in(found, CallCounter())
    end_state = _END_OF.get(answered.status, "complete")
    if end_state == "upstream_error":
        so_far = replace(so_far, delivered_bytes=0, error="upstream_error")
    if usage is not None and not is_plausible(usage):
        meters.add(f"switchgear_usage_absurd_total|channel={so_far.channel}")
        return replace(so_far, end_state=end_state, usage_doubt=True)
    if usage is None:
        return replace(so_far, end_state=end_state)
    bounded = within(usage, bill.bounds, len(answered.response), writes_more=True)
    if bounded != usage:
        meters.add(f"switchgear_usage_excess_total|channel={so_far.channel}")
    return replace(
        so_far,
        end_state=end_state,
        usage=bounded,
        usage_source="reported",
        usage_doubt=bounded != usage,
    )
