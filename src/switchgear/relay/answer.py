"""Answering one call: whole or streamed, complete or not, and the outcome that each of these is booked as."""

import asyncio
import contextlib

from msgspec.structs import replace

from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import (
    BODY_BYTES_MAX,
    BODY_READ_TIMEOUT_S,
    CLOSE_WAIT_S,
    REPLY_BYTES_MAX,
)
from switchgear.kernel.usage import Usage
from switchgear.ledger.record import Attempt, EndState
from switchgear.link.snapshot import Principal
from switchgear.net.transport import TransportFault
from switchgear.relay.attempt import Exchange, Fault, book, fault_of, transport_fault
from switchgear.relay.call import Outcome, RunningCall
from switchgear.relay.detached import Detached
from switchgear.relay.endings import END_STATES, empty_answer, shown_error, uncommitted
from switchgear.relay.handover import Handover, open_stream
from switchgear.relay.health import Health
from switchgear.relay.heartbeat import Pulse
from switchgear.relay.hold import Hold, Stretch, spent
from switchgear.relay.http import ClientGone, Headers, Inbound, Reply
from switchgear.relay.keeping import Keeping
from switchgear.relay.measure import Measure, Measured, Target
from switchgear.relay.meter import BYTES_PER_TOKEN, TokenTally
from switchgear.relay.plan import Candidate
from switchgear.relay.prepare import Prepared, cap_header, dropped_header
from switchgear.relay.redact import redactor_of, without_secrets
from switchgear.relay.rendering import Rendering
from switchgear.relay.replies import passed_back
from switchgear.relay.responses import Ground
from switchgear.relay.room import Holding
from switchgear.relay.stream import StreamEnd, pass_on
from switchgear.relay.tools import Tools
from switchgear.wire.call import Call
from switchgear.wire.dialect import Tap
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.openai_responses.kept import answered_stream
from switchgear.wire.openai_responses.stored import queued_response

_STREAM_HEADERS: Headers = [("cache-control", "no-cache"), ("x-accel-buffering", "no")]
NS = 1_000_000_000


class Answerer:
    """The client's side of one call. Whatever happens, the call's outcome is booked before its end is
    shown."""

    __slots__ = (
        "_began_ns",
        "_body_until_ns",
        "_books",
        "_call",
        "_candidate",
        "_count",
        "_detached",
        "_exchange",
        "_handover",
        "_headers",
        "_is_left",
        "_pulse",
        "_read_until",
        "_reply",
        "_reply_room",
        "_running",
        "_stretch",
        "_tally",
        "_tap",
        "_task",
        "_tools",
        "body_late",
        "cut_by",
        "dialect",
        "keeping",
    )

    def __init__(self, tools: Tools, running: RunningCall, reply: Reply, headers: Headers) -> None:
        self.dialect = DIALECT_OF_OPERATION[running.operation]
        """The client's."""
        self._tools = tools
        self._books = tools.books
        self._count = tools.count
        self._running = running
        self._reply = reply
        self._headers = headers
        self._call: Call | None = None
        self._candidate: Candidate | None = None
        self._began_ns = 0
        self._exchange: Exchange | None = None
        self._pulse: Pulse | None = None
        self._tap: Tap | None = None
        self._tally: TokenTally | None = None
        self._task: asyncio.Task[None] | None = None
        self._body_until_ns = 0
        self._is_left = False
        """The client has left, or takes nothing any more."""
        self._read_until: asyncio.TimerHandle | None = None
        """Cancels the task of a call whose client has left."""
        self.keeping: Keeping | None = None
        """Of a call whose answer later calls may name."""
        self._reply_room = Holding(tools.rooms.replies, running.caller.principal.key_id)
        self._detached: Detached | None = None
        self._handover: Handover | None = None
        self._stretch: Stretch | None = None
        self.cut_by: ApiError | None = None
        """Why the task was cancelled, where neither its client nor the end of this worker is the reason."""
        self.body_late = False
        """The client took too long over its body; that is why the task was cancelled."""

    def watch(self, task: "asyncio.Task[None]") -> None:
        """From now on, a client that leaves cancels the task; an answer that has begun, a little later."""
        self._task = task
        self._reply.on_disconnect(self._client_left)

    def look(self, now_ns: int) -> None:
        """To be called now and then while the call runs: whether its body comes, and the client hears
        something."""
        if self._body_until_ns and now_ns > self._body_until_ns and self._task is not None:
            self._body_until_ns = 0
            self.body_late = True
            self._task.cancel()
        if self._pulse is not None:
            self._pulse.look(now_ns)
        if self._stretch is not None and self._tap is not None and self._tally is not None:
            self._stretch.look(self._tally.seen_tokens(self._tap))
        if self._handover is not None and not self._handover.is_secured and not self._is_over:
            self._secure_stream(self._handover)

    def waiting(self) -> contextlib.AbstractContextManager[None]:
        """What happens meanwhile takes others' time."""
        return self._running.waiting()

    def holds(self, hold: Hold) -> None:
        """So much money is held for the call; a stream may need more."""
        if self._stretch is not None:
            self._stretch.close()
        self._stretch = Stretch(self._books.funds, self._running.request_id, hold, self._end_spent)

    def _end_spent(self) -> None:
        if self._task is not None and not self._is_over:
            self.cut_by = spent()
            self._task.cancel()

    async def read_body(self, request: Inbound, holding: Holding) -> bytes:
        """The request's body, within its bounds. Raises ApiError."""
        self._body_until_ns = self._books.clock.monotonic_ns() + int(BODY_READ_TIMEOUT_S * NS)
        with self._running.waiting():
            body = await request.read_body(BODY_BYTES_MAX, holding)
        self._body_until_ns = 0
        return body

    def stands_on(self, ground: Ground, who: Principal) -> None:
        """What later calls may go on from is kept."""
        if ground.keeps:
            self.keeping = Keeping(self._tools.responses, ground, who, self._running.request_id)
            if ground.runs == "upstream":
                self._handover = Handover(self._tools.follower, self.keeping, self._running, self._books)

    async def go_on_alone(self, call: Call, prepared: Prepared) -> None:
        """From now on the call does not need its client, who is told where its answer will be. Raises
        ApiError when that can't be kept."""
        if self.keeping is None or prepared.request is None:
            raise RuntimeError("only what is converted and kept runs in the background here")
        queued = queued_response(self._rendering(call, prepared).head(prepared.request))
        await self.keeping.begin(queued, "in_progress" if call.stream else "queued")
        self._reply = self._detached = Detached(self._reply)
        if not call.stream:
            headers = [
                *self._headers,
                *dropped_header(prepared.dropped),
                *cap_header(prepared),
                ("content-type", "application/json"),
            ]
            self._reply.send_whole(200, headers, queued)

    def add_headers(self, headers: Headers) -> None:
        self._headers = self._headers + headers

    def trying(self, candidate: Candidate, call: Call) -> None:
        """A candidate is about to be tried; a streamed reply is kept alive from here on."""
        self._candidate, self._call = candidate, call
        self._began_ns = self._books.clock.monotonic_ns()
        self._exchange = self._tap = self._tally = None
        if call.stream and self._pulse is None:
            now_ns = self._books.clock.monotonic_ns
            self._pulse = Pulse(self._reply, self._start_stream, self._client_left, now_ns, self._heartbeat)

    def _heartbeat(self) -> bytes:
        """What a silent stream says in the client's dialect."""
        if self._call is None:
            return b""
        created_s = self._books.clock.now_ms() // 1000
        return self.dialect.heartbeat(self._call, self._running.request_id, created_s)

    def attempt_failed(self, fault: Fault) -> None:
        """The candidate being tried failed before anything of it was shown."""
        counted_ns = self._exchange.waited_ns if self._exchange else 0
        self._running.waited_ns += self._books.clock.monotonic_ns() - self._began_ns - counted_ns
        self._close_attempt(fault.name, fault.status)
        self._reply_room.close()
        if self._is_left:
            self._end_failed("client_gone", 499, "", fault)
            raise ClientGone

    def opened(self, exchange: Exchange) -> None:
        """The candidate being tried answered with success; its first byte is waited for."""
        self._exchange = exchange
        self._running.waited_ns += exchange.waited_ns

    async def answer(self, exchange: Exchange, call: Call, health: Health) -> None:
        """Passes an upstream's answer on. Raises Fault while another candidate may still be tried."""
        self._exchange = exchange
        if call.stream and self._pulse is not None:
            await self._answer_stream(exchange, call, health, self._pulse)
        else:
            await self._answer_whole(exchange, call, health)

    async def refuse(self, error: ApiError) -> None:
        """Ends a call that no upstream was asked for."""
        await self._end_with_error(error, "refused")

    async def fault(self, fault: Fault) -> None:
        """Ends a call that every candidate failed; what the last one counted is charged."""
        error = fault.error
        self._end_failed("upstream_error", self._status_of(error), error.row.name, fault)
        await self._show_error(error)

    async def client_gone(self) -> None:
        """Ends a call whose client left: nothing reported and nothing delivered, nothing charged."""
        await self._end_early("client_gone", 499, "")

    async def cut_off(self, error: ApiError) -> None:
        """Ends a call that must not go on: this worker ends, its key was disabled, its money is spent. It is
        charged for what was delivered."""
        row = error.row
        await self._end_early("upstream_cut", 200 if self._reply.started else row.status, row.name)
        await self._show_error(error)

    async def fail(self, error: ApiError) -> None:
        """Ends the reply of a call that could not be recorded, or in which we failed; nothing is charged."""
        if not self._is_over:
            self._running.end(Outcome("refused", error.row.status, error.row.name))
        await self._show_error(error)

    def close(self) -> None:
        """The call is over; late notices of a disconnect change nothing."""
        self._stop_waiting()
        if self._stretch is not None:
            self._stretch.close()
            self._stretch = None
        self._task = self._exchange = self._tap = self._tally = None
        self._pulse = None
        self._reply_room.close()
        self._reply.finish()

    @property
    def principal(self) -> Principal:
        """Whose call it is."""
        return self._running.caller.principal

    @property
    def _delivered_bytes(self) -> int:
        return self._pulse.delivered_bytes if self._pulse else 0

    @property
    def _is_over(self) -> bool:
        return self._running.ended or (self._handover is not None and self._handover.is_done)

    async def _end_early(self, state: EndState, status: int, error_name: str) -> None:
        if self._is_over or await self._handed_over_stream():
            return
        measured, tap = Measured(), self._tap
        if tap is not None and (self._delivered_bytes or tap.usage is not None):
            measured = await self._usage_of_stream(tap, tap.ended or tap.is_told)
        self._end(state, status, error_name, measured, self._delivered_bytes)

    async def _answer_whole(self, exchange: Exchange, call: Call, health: Health) -> None:
        response, candidate = exchange.response, exchange.candidate
        try:
            body = await response.read(REPLY_BYTES_MAX, self._reply_room.grow)
        except TransportFault as fault:
            now_ns = self._books.clock.monotonic_ns()
            health.faulted(candidate.channel.id, candidate.upstream_model, exchange.sent_ns, now_ns)
            raise transport_fault(fault) from None
        replied_ns = self._books.clock.monotonic_ns()
        body = await without_secrets(body, redactor_of(candidate.channel, candidate.secret))
        rendering = self._rendering(call, exchange.prepared)
        result = rendering.read_reply(body, exchange)
        if result.error is not None:
            book(result.error, candidate, health, exchange.sent_ns, replied_ns)
            raise fault_of(result.error, candidate)
        if result.empty:
            health.faulted(candidate.channel.id, candidate.upstream_model, exchange.sent_ns, replied_ns)
            raise empty_answer(response.status, result.usage)
        health.succeeded(candidate.channel.id, candidate.upstream_model, exchange.sent_ns)
        answered = None if self.keeping is None else rendering.answered(result)
        if self._handover is not None and answered is not None and answered.is_open:
            await self._handover.take(exchange, call, answered, self._so_far(call, len(result.body)))
            self._reply.send_whole(200, self._whole_headers(exchange), result.body)
            return
        measured = await self._measure(call).of_whole(result)
        self._saw_pace(exchange, measured, replied_ns)
        body = result.body
        await rendering.keep_thoughts()
        await self._note_made(exchange, call, self.dialect.made_ids(body))
        self._end("complete", 200, "", measured, len(body), replied_ns=replied_ns)
        if self.keeping is not None:
            await self.keeping.keep(exchange, answered)
        self._reply.send_whole(200, self._whole_headers(exchange), body)

    def _whole_headers(self, exchange: Exchange) -> Headers:
        return [
            *self._headers,
            *passed_back(exchange.response.headers, exchange.candidate.channel),
            *dropped_header(exchange.prepared.dropped),
            *cap_header(exchange.prepared),
            ("content-type", "application/json"),
        ]

    def _so_far(self, call: Call, delivered_bytes: int) -> Outcome:
        """Of a call that its upstream goes on with: what it is charged by if nobody ever learns its usage."""
        usage = Usage(input_uncached=call.input_bytes // BYTES_PER_TOKEN)
        return self._outcome("complete", 200, "", Measured(usage, "estimated"), max(1, delivered_bytes))

    def _rendering(self, call: Call, prepared: Prepared) -> Rendering:
        return Rendering(self._tools, self._running, self.dialect, call, prepared)

    async def _answer_stream(self, exchange: Exchange, call: Call, health: Health, pulse: Pulse) -> None:
        candidate = exchange.candidate
        channel, model = candidate.channel.id, candidate.upstream_model
        rendering = self._rendering(call, exchange.prepared)
        self._tap = tap = rendering.tap(exchange)
        self._tally = tally = TokenTally(self._count, call.model)
        redactor = redactor_of(candidate.channel, candidate.secret)
        room = self._reply_room
        end = await pass_on(exchange.response, tap, tally, pulse, self._books.clock, room, redactor)
        # An answer may be so short that only its closing holds it: then nothing was shown yet, and all is
        # well.
        ended_ns = self._books.clock.monotonic_ns()
        is_well = end.state == "complete" and (end.committed or tap.has_content)
        if not is_well and tap.fault is not None:
            book(tap.fault, candidate, health, exchange.sent_ns, ended_ns)
        elif not is_well and not (end.fault is not None and end.fault.kind == "no_room"):
            health.faulted(channel, model, exchange.sent_ns, ended_ns)
        if not is_well and not end.committed:
            if tap.fault is not None:
                raise fault_of(tap.fault, candidate)
            raise uncommitted(end, tap, exchange.response.status)
        measured = await self._usage_of_stream(tap, end.state == "complete")
        if end.state == "complete":
            health.succeeded(channel, model, exchange.sent_ns)
            if not pulse.was_full:
                self._saw_pace(exchange, measured, ended_ns)
            closing = end.held_back + tap.closing()
            await rendering.keep_thoughts()
            await self._note_made(exchange, call, tap.made_ids())
            self._end("complete", 200, "", measured, pulse.delivered_bytes + len(closing), end=end)
            if self.keeping is not None:
                if self._handover is not None:
                    await self._handover.secured()
                await self.keeping.keep(exchange, answered_stream(tap))
            pulse.push(closing)
            self._reply.finish()
            await self._close_politely(exchange)
            return
        state, error_name = END_STATES[end.state]
        if not (end.state != "error" and await self._handed_over_stream()):
            self._end(state, 200, error_name, measured, pulse.delivered_bytes, end=end)
        shown = shown_error(end, tap, candidate.channel)
        if self.keeping is not None:
            self.keeping.error = shown
        pulse.push(tap.error_frame(shown, self._running.request_id))

    async def _note_made(self, exchange: Exchange, call: Call, ids: tuple[str, ...]) -> None:
        """What the answer made in the upstream's account is its user's, before anybody can name it."""
        passed_through = exchange.prepared.request is None and not exchange.prepared.embeds
        if ids and passed_through and self._tools.view().snapshot.keeps_responses:
            await self._tools.owned.note(self.principal, call.shown_model, exchange.candidate, ids)

    async def _handed_over_stream(self) -> bool:
        """A stream that breaks off, but whose upstream goes on."""
        exchange, call, answered = self._exchange, self._call, open_stream(self._tap)
        if self._handover is None or exchange is None or call is None or answered is None:
            return False
        self._close_attempt("cut", 200)
        await self._handover.take(exchange, call, answered, self._so_far(call, self._delivered_bytes))
        return True

    def _secure_stream(self, handover: Handover) -> None:
        """Sees to it that the call is charged even if this worker dies before its end."""
        exchange, call, answered = self._exchange, self._call, open_stream(self._tap)
        if exchange is not None and call is not None and answered is not None:
            handover.secure(exchange, call, answered, self._so_far(call, self._delivered_bytes))

    async def _close_politely(self, exchange: Exchange) -> None:
        """Waits shortly for the connection's own end, so that it can be used again."""
        with contextlib.suppress(TransportFault, TimeoutError):
            async with asyncio.timeout(CLOSE_WAIT_S):
                while await exchange.response.next_chunk():
                    pass

    async def _usage_of_stream(self, tap: Tap, complete: bool) -> Measured:
        if self._call is None or self._tally is None:
            raise RuntimeError("a stream was read for no call")
        silent_ns = self._silent_ns() if self._is_left else 0
        measured = await self._measure(self._call).of_stream(tap, self._tally, complete, silent_ns)
        if not measured.hidden_tokens:
            return measured
        usage, hidden = measured.usage, measured.hidden_tokens
        exchange = self._exchange
        modes = () if exchange is None else exchange.prepared.modes
        served = {} if exchange is None else exchange.modes_served()
        covered = self._running.within_hold(usage, hidden, modes, served)
        usage = replace(usage, reasoning=usage.reasoning - hidden + covered)
        return replace(measured, usage=usage, hidden_tokens=covered)

    def _silent_ns(self) -> int:
        """How long the upstream took to its first content, of which the client got something."""
        pulse, exchange = self._pulse, self._exchange
        if pulse is None or exchange is None or not pulse.delivered_bytes or not pulse.first_content_ns:
            return 0
        return pulse.first_content_ns - exchange.sent_ns

    def _measure(self, call: Call) -> Measure:
        exchange, candidate, terms, tools = self._exchange, self._candidate, self._running.terms, self._tools
        if candidate is None or terms is None:
            raise RuntimeError("no upstream was asked")
        return Measure(
            self._count,
            self._books.meters,
            tools.paces,
            self.dialect,
            tools.seals.of(self._running.owner),
            call,
            Prepared(call.operation, b"") if exchange is None else exchange.prepared,
            Target(candidate.channel, candidate.upstream_model, terms.model),
        )

    def _saw_pace(self, exchange: Exchange, measured: Measured, until_ns: int) -> None:
        if measured.source == "reported" and not measured.doubted:
            candidate = exchange.candidate
            self._tools.paces.saw(
                candidate.channel.id, candidate.upstream_model, measured.usage, until_ns - exchange.sent_ns
            )

    def _end_failed(self, state: EndState, status: int, error_name: str, fault: Fault) -> None:
        """Ends a call without an answer; what the upstream counted all the same is charged."""
        measured = Measured()
        if fault.usage is not None and self._call is not None:
            measured = self._measure(self._call).of_failure(fault.usage)
        self._end(state, status, error_name, measured, 0)

    async def _end_with_error(self, error: ApiError, state: EndState) -> None:
        self._end(state, self._status_of(error), error.row.name, Measured(), 0)
        await self._show_error(error)

    def _status_of(self, error: ApiError) -> int:
        return 200 if self._reply.started or self._blocked(error) else self._rendered(error)[0]

    async def _show_error(self, error: ApiError) -> None:
        """In the caller's dialect: as a status while that can still be sent, in-band after."""
        if self.keeping is not None:
            self.keeping.error = error
        if not self._reply.started and (blocked := self._blocked(error)) is not None:
            kind, body = blocked
            self._reply.send_whole(200, [*self._headers, ("content-type", kind)], body)
        elif not self._reply.started:
            status, headers, body = self._rendered(error)
            self._reply.send_whole(status, self._headers + headers, body)
        elif self._pulse is not None:
            request_id = self._running.request_id
            tap = self._tap if self._delivered_bytes else None
            with contextlib.suppress(ClientGone):
                self._pulse.push(
                    tap.error_frame(error, request_id)
                    if tap is not None
                    else self.dialect.render_stream_error(error, request_id)
                )

    def _blocked(self, error: ApiError) -> tuple[str, bytes] | None:
        if self._call is None:
            return None
        return self.dialect.render_blocked(error, self._call, self._running.request_id)

    def _rendered(self, error: ApiError) -> tuple[int, Headers, bytes]:
        return self.dialect.render_error(error, self._running.request_id)

    def _end(
        self,
        state: EndState,
        status: int,
        error_name: str,
        measured: Measured,
        delivered_bytes: int,
        *,
        end: StreamEnd | None = None,
        replied_ns: int = 0,
    ) -> None:
        self._stop_waiting()
        self._close_attempt("" if state == "complete" else state, status)
        if self._is_left:  # whatever came of it, nobody was there
            state, status, error_name, delivered_bytes = "client_gone", 499, "", self._delivered_bytes
        self._running.end(
            self._outcome(
                state,
                status,
                error_name,
                measured,
                delivered_bytes,
                replied_ns=end.first_chunk_ns if end else replied_ns,
                first_byte_ns=end.first_byte_ns if end else 0,
                sent_ns=self._exchange.sent_ns if self._exchange else 0,
            )
        )

    def _outcome(
        self,
        state: EndState,
        status: int,
        error_name: str,
        measured: Measured,
        delivered_bytes: int,
        *,
        replied_ns: int = 0,
        first_byte_ns: int = 0,
        sent_ns: int = 0,
    ) -> Outcome:
        candidate, exchange = self._candidate, self._exchange
        return Outcome(
            state,
            status,
            error_name,
            measured.usage,
            measured.source,
            delivered_bytes,
            channel=candidate.channel.name if candidate else "",
            upstream_model=candidate.upstream_model if candidate else "",
            upstream_request_id=exchange.upstream_request_id if exchange else "",
            upstream_sent_ns=sent_ns,
            replied_ns=replied_ns,
            first_byte_ns=first_byte_ns,
            dropped=exchange.prepared.dropped if exchange else (),
            usage_doubt=measured.doubted,
            hidden_tokens=measured.hidden_tokens,
            modes=exchange.prepared.modes if exchange else (),
            modes_served=exchange.modes_served() if exchange else {},
        )

    def _close_attempt(self, fault_name: str, status: int) -> None:
        if not self._began_ns or self._candidate is None:
            return
        ms = (self._books.clock.monotonic_ns() - self._began_ns) // 1_000_000
        self._began_ns = 0
        self._running.attempts.append(Attempt(self._candidate.channel.name, fault_name, status, ms))

    def _start_stream(self) -> None:
        exchange = self._exchange
        upstream: Headers = []
        if exchange is not None:
            upstream = passed_back(exchange.response.headers, exchange.candidate.channel)
            upstream += dropped_header(exchange.prepared.dropped) + cap_header(exchange.prepared)
        array = self._call is not None and self._call.in_path.array
        kind = ("content-type", "application/json" if array else self.dialect.stream_type)
        self._reply.start_stream(200, [*self._headers, *upstream, kind, *_STREAM_HEADERS])

    def _client_left(self) -> None:
        """Nobody waits for the answer any more: what has begun is read on for a while, to learn its cost."""
        if self._detached is not None:
            self._detached.leave()
            return
        task = self._task
        if task is None or self._is_left or self._running.ended:
            return
        self._is_left = True
        read_s = self._read_on_s()
        if not read_s or (self._tap is not None and self._tap.is_told):
            task.cancel()
            return
        if self._pulse is not None:
            self._pulse.leave()
        if self._tap is not None and self._tally is not None:
            self._tally.close(self._tap.take_text())
        self._read_until = asyncio.get_running_loop().call_later(read_s, task.cancel)

    def _read_on_s(self) -> float:
        """How long the upstream is listened to without its client."""
        if not self._began_ns or self._candidate is None or self._handover is not None:
            return 0.0
        own_s = self._candidate.channel.client_gone_read_s
        return self._tools.view().snapshot.client_gone_read_s if own_s is None else own_s

    def _stop_waiting(self) -> None:
        if self._read_until is not None:
            self._read_until.cancel()
            self._read_until = None
