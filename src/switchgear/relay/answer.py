"""Answering one call: whole or streamed, complete or not, and the outcome that each of these is booked as."""

import asyncio
import contextlib
from collections.abc import Callable

from switchgear.kernel.dialects import EMBEDDING_OPERATIONS
from switchgear.kernel.errors import DRAINING, UPSTREAM_CUT, UPSTREAM_ERROR, UPSTREAM_STALLED, ApiError
from switchgear.kernel.limits import (
    BODY_BYTES_MAX,
    BODY_READ_TIMEOUT_S,
    CLIENT_GONE_READ_S,
    CLOSE_WAIT_S,
    ESTIMATE_TEXT_BYTES_MAX,
    REPLY_BYTES_MAX,
    THOUGHTS_CHARS_MAX,
)
from switchgear.kernel.usage import Usage
from switchgear.ledger.record import Attempt, EndState, UsageSource
from switchgear.link.snapshot import ChannelView
from switchgear.net.transport import TransportFault
from switchgear.relay.attempt import Exchange, Fault, judge, transport_fault, upstream_sentence
from switchgear.relay.call import Outcome, RunningCall
from switchgear.relay.health import Health
from switchgear.relay.heartbeat import Pulse
from switchgear.relay.http import ClientGone, Headers, Inbound, Reply
from switchgear.relay.meter import BYTES_PER_TOKEN, TokenTally, count_or_guess, is_plausible
from switchgear.relay.plan import Candidate
from switchgear.relay.prepare import Prepared, dropped_header
from switchgear.relay.redact import redact_error
from switchgear.relay.replies import passed_back
from switchgear.relay.stream import StreamEnd, pass_on
from switchgear.relay.tools import Tools
from switchgear.wire.bridge import Bridge, convert_reply
from switchgear.wire.call import Call
from switchgear.wire.dialect import Head, Reader, Tap
from switchgear.wire.dialect import Reply as WholeReply
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.embeddings import convert_embeddings
from switchgear.wire.fan import FanReader
from switchgear.wire.faults import to_api_error
from switchgear.wire.ir import Request
from switchgear.wire.thoughts import ThoughtsReader

_STREAM_HEADERS: Headers = [("cache-control", "no-cache"), ("x-accel-buffering", "no")]
NS = 1_000_000_000

_END_STATES: dict[str, tuple[EndState, str]] = {
    "cut": ("upstream_cut", UPSTREAM_CUT.name),
    "stalled": ("stalled", UPSTREAM_STALLED.name),
    "error": ("upstream_error", UPSTREAM_ERROR.name),
}


class Answerer:
    """The client's side of one call. Whatever happens, the call's outcome is booked before its end is
    shown."""

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
        self._thoughts: ThoughtsReader | None = None
        self._task: asyncio.Task[None] | None = None
        self._body_until_ns = 0
        self.body_late = False
        """The client took too long over its body; that is why the task was cancelled."""

    def watch(self, task: "asyncio.Task[None]") -> None:
        """From now on, a client that leaves cancels the task; the upstream call stops with it."""
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

    async def read_body(self, request: Inbound) -> bytes:
        """The request's body, within its bounds. Raises ApiError."""
        self._body_until_ns = self._books.clock.monotonic_ns() + int(BODY_READ_TIMEOUT_S * NS)
        body = await request.read_body(BODY_BYTES_MAX)
        self._body_until_ns = 0
        return body

    def add_headers(self, headers: Headers) -> None:
        self._headers = self._headers + headers

    def trying(self, candidate: Candidate, call: Call) -> None:
        """A candidate is about to be tried; a streamed reply is kept alive from here on."""
        self._candidate, self._call = candidate, call
        self._began_ns = self._books.clock.monotonic_ns()
        self._exchange = self._tap = self._tally = self._thoughts = None
        if call.stream and self._pulse is None:
            now_ns = self._books.clock.monotonic_ns
            self._pulse = Pulse(
                self._reply, self._start_stream, self._client_left, now_ns, self.dialect.heartbeat
            )

    def attempt_failed(self, fault: Fault) -> None:
        """The candidate being tried failed before anything of it was shown."""
        self._close_attempt(fault.name, fault.status)

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
        """Ends a call that every candidate failed."""
        await self._end_with_error(fault.error, "upstream_error")

    async def client_gone(self) -> None:
        """Ends a call whose client left: nothing delivered, nothing charged; else what was delivered."""
        if self._tap is not None and self._delivered_bytes and not self._running.ended:
            await self._read_on(self._tap)
        await self._end_early("client_gone", 499, "")

    async def cut_off(self) -> None:
        """Ends a call that outlasted the drain of this worker; what was delivered is charged."""
        error = ApiError(DRAINING, "This server is stopping; the answer is not complete.", retry_after_s=1)
        await self._end_early("upstream_cut", 200 if self._reply.started else DRAINING.status, DRAINING.name)
        await self._show_error(error)

    async def fail(self, error: ApiError) -> None:
        """Ends the reply of a call that could not be recorded, or in which we failed; nothing is charged."""
        if not self._running.ended:
            self._running.end(Outcome("refused", error.row.status, error.row.name))
        await self._show_error(error)

    def close(self) -> None:
        """The call is over; late notices of a disconnect change nothing."""
        self._task = self._exchange = self._tap = self._tally = None
        self._pulse = None
        self._reply.finish()

    @property
    def _delivered_bytes(self) -> int:
        return self._pulse.delivered_bytes if self._pulse else 0

    async def _end_early(self, state: EndState, status: int, error_name: str) -> None:
        if self._running.ended:
            return
        usage: Usage = Usage()
        source: UsageSource = "none"
        if self._delivered_bytes and self._tap is not None:
            usage, source = await self._usage_of_stream(self._tap)
        self._end(state, status, error_name, usage, source, self._delivered_bytes)

    async def _answer_whole(self, exchange: Exchange, call: Call, health: Health) -> None:
        response, candidate = exchange.response, exchange.candidate
        try:
            body = await response.read(REPLY_BYTES_MAX)
        except TransportFault as fault:
            health.faulted(candidate.channel.id, candidate.upstream_model, self._books.clock.monotonic_ns())
            raise transport_fault(fault) from None
        replied_ns = self._books.clock.monotonic_ns()
        result = self._read_reply(exchange.prepared, call, body)
        if result.error is not None:
            raise judge(result.error, candidate, health, self._books.clock)
        if result.empty:
            raise _empty(response.status)
        health.succeeded(candidate.channel.id, candidate.upstream_model)
        usage = result.usage
        source: UsageSource = "reported"
        if usage is None or not self._believable(usage):
            usage, source = await self._estimate(call, result.text), "estimated"
        body = result.body
        if self._thoughts is not None:
            await self._keep_thoughts()
        self._end("complete", 200, "", usage, source, len(body), replied_ns=replied_ns)
        headers = [
            *self._headers,
            *passed_back(response.headers, candidate.channel),
            *dropped_header(exchange.prepared.dropped),
            ("content-type", "application/json"),
        ]
        self._reply.send_whole(200, headers, body)

    def _read_reply(self, prepared: Prepared, call: Call, body: bytes) -> WholeReply:
        if prepared.embeds:
            return convert_embeddings(call, prepared.operation, body)
        if prepared.request is None:
            return self.dialect.read_reply(call, body)
        head = self._head(prepared.request, call)
        reply = convert_reply(prepared.dialect, self.dialect, body, head, prepared.passage, prepared.copies)
        thoughts = self._thoughts_of(prepared)
        for event in reply.events:
            thoughts.take(event)
        return reply

    def _thoughts_of(self, prepared: Prepared) -> ThoughtsReader:
        self._thoughts = ThoughtsReader(prepared.passage.origin, THOUGHTS_CHARS_MAX)
        return self._thoughts

    async def _keep_thoughts(self) -> None:
        """For the next turn, before this one is seen to end: it may come at once, and to another worker."""
        if self._thoughts is not None and (found := self._thoughts.found()):
            await self._tools.thoughts.keep(self._running.owner, found)

    def _tap_for(self, prepared: Prepared, call: Call) -> Tap:
        if prepared.request is None:
            return self.dialect.tap(call)
        writer = self.dialect.writer(self._head(prepared.request, call))
        thoughts = self._thoughts_of(prepared)
        return Bridge(_reader_for(prepared), writer, prepared.passage, thoughts.take)

    def _head(self, request: Request, call: Call) -> Head:
        return Head(
            id=self._running.request_id,
            model=call.shown_model,
            created_s=self._books.clock.now_ms() // 1000,
            request=request,
            seals=self._tools.seals,
            input_tokens=call.input_bytes // BYTES_PER_TOKEN,
            include_usage=call.include_usage,
            fields=call.fields,
            array=call.in_path.array,
            completion=call.operation == "openai_completions",
        )

    async def _answer_stream(self, exchange: Exchange, call: Call, health: Health, pulse: Pulse) -> None:
        candidate = exchange.candidate
        channel, model = candidate.channel.id, candidate.upstream_model
        self._tap = tap = self._tap_for(exchange.prepared, call)
        self._tally = tally = TokenTally(self._count, call.model)
        end = await pass_on(exchange.response, tap, tally, pulse, self._books.clock)
        # An answer may be so short that only its closing holds it: then nothing was shown yet, and all is
        # well.
        if not end.committed and not (end.state == "complete" and tap.has_content):
            if tap.fault is not None:
                raise judge(tap.fault, candidate, health, self._books.clock)
            health.faulted(channel, model, self._books.clock.monotonic_ns())
            raise _uncommitted(end, exchange.response.status)
        usage, source = await self._usage_of_stream(tap)
        if end.state == "complete":
            health.succeeded(channel, model)
            closing = tap.closing()
            await self._keep_thoughts()
            self._end("complete", 200, "", usage, source, pulse.delivered_bytes + len(closing), end=end)
            pulse.push(closing)
            self._reply.finish()
            await self._close_politely(exchange)
            return
        health.faulted(channel, model, self._books.clock.monotonic_ns())
        state, error_name = _END_STATES[end.state]
        self._end(state, 200, error_name, usage, source, pulse.delivered_bytes, end=end)
        shown = _shown_error(end, tap, candidate.channel)
        pulse.push(tap.error_frame(shown, self._running.request_id))

    async def _close_politely(self, exchange: Exchange) -> None:
        """Waits shortly for the connection's own end, so that it can be used again."""
        with contextlib.suppress(TransportFault, TimeoutError):
            async with asyncio.timeout(CLOSE_WAIT_S):
                while await exchange.response.next_chunk():
                    pass

    async def _usage_of_stream(self, tap: Tap) -> tuple[Usage, UsageSource]:
        usage = tap.usage
        if usage is not None and self._believable(usage):
            return usage, "reported"
        if self._call is None or self._tally is None:
            raise RuntimeError("a stream was read for no call")
        self._tally.add(tap.take_text())
        tally = self._tally
        return await self._estimate_input(self._call, await tally.total()), "estimated"

    def _believable(self, usage: Usage) -> bool:
        if is_plausible(usage):
            return True
        self._books.meters.add("switchgear_usage_absurd_total")
        return False

    async def _estimate(self, call: Call, text: Callable[[], str]) -> Usage:
        embeds = call.operation in EMBEDDING_OPERATIONS
        output = 0 if embeds else await count_or_guess(self._count, text(), call.model)
        return await self._estimate_input(call, output)

    async def _estimate_input(self, call: Call, output_tokens: int) -> Usage:
        text, overhead = self.dialect.input_text(call), self.dialect.overhead_tokens(call)
        tokens = await count_or_guess(self._count, text, call.model) + overhead
        copies = self._exchange.prepared.copies if self._exchange is not None else 1
        return Usage(input_uncached=tokens * copies, output_text=output_tokens)

    async def _read_on(self, tap: Tap) -> None:
        """Where the channel is set so: reads to the upstream's end, for a bounded time, to learn the exact
        usage."""
        exchange = self._exchange
        if exchange is None or not exchange.candidate.channel.finish_on_client_gone:
            return
        with contextlib.suppress(TransportFault, TimeoutError):
            async with asyncio.timeout(CLIENT_GONE_READ_S):
                while not tap.ended and tap.fault is None and (chunk := await exchange.response.next_chunk()):
                    tap.feed(chunk)
                    if self._tally is not None and tap.text_bytes > ESTIMATE_TEXT_BYTES_MAX:
                        self._tally.add(tap.take_text())

    async def _end_with_error(self, error: ApiError, state: EndState) -> None:
        status = 200 if self._reply.started else self._rendered(error)[0]
        self._end(state, status, error.row.name, Usage(), "none", 0)
        await self._show_error(error)

    async def _show_error(self, error: ApiError) -> None:
        """In the caller's dialect: as a status while that can still be sent, in-band after."""
        if not self._reply.started:
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

    def _rendered(self, error: ApiError) -> tuple[int, Headers, bytes]:
        return self.dialect.render_error(error, self._running.request_id)

    def _end(
        self,
        state: EndState,
        status: int,
        error_name: str,
        usage: Usage,
        source: UsageSource,
        delivered_bytes: int,
        *,
        end: StreamEnd | None = None,
        replied_ns: int = 0,
    ) -> None:
        self._close_attempt("" if state == "complete" else state, status)
        candidate, exchange = self._candidate, self._exchange
        self._running.end(
            Outcome(
                state,
                status,
                error_name,
                usage,
                source,
                delivered_bytes,
                channel=candidate.channel.name if candidate else "",
                upstream_model=candidate.upstream_model if candidate else "",
                upstream_request_id=exchange.upstream_request_id if exchange else "",
                upstream_sent_ns=exchange.sent_ns if exchange else 0,
                replied_ns=end.first_chunk_ns if end else replied_ns,
                first_byte_ns=end.first_byte_ns if end else 0,
                dropped=exchange.prepared.dropped if exchange else (),
            )
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
            upstream += dropped_header(exchange.prepared.dropped)
        array = self._call is not None and self._call.in_path.array
        kind = ("content-type", "application/json" if array else self.dialect.stream_type)
        self._reply.start_stream(200, [*self._headers, *upstream, kind, *_STREAM_HEADERS])

    def _client_left(self) -> None:
        if self._task is not None and not self._running.ended:
            self._task.cancel()


def _reader_for(prepared: Prepared) -> Reader:
    if prepared.copies == 1:
        return prepared.dialect.reader()
    return FanReader([prepared.dialect.reader() for _ in range(prepared.copies)])


def _empty(status: int) -> Fault:
    return Fault(
        "empty", ApiError(UPSTREAM_ERROR, "The upstream sent an empty answer."), status, try_next=True
    )


def _uncommitted(end: StreamEnd, status: int) -> Fault:
    if end.fault is not None:
        return transport_fault(end.fault)
    if end.state == "complete":
        return _empty(status)
    return Fault("truncated", upstream_sentence(UPSTREAM_CUT), status, try_next=True)


def _shown_error(end: StreamEnd, tap: Tap, channel: ChannelView) -> ApiError:
    if end.state == "error" and tap.fault is not None:
        return to_api_error(redact_error(tap.fault, channel))
    if end.state == "error":
        return upstream_sentence(UPSTREAM_ERROR)
    return upstream_sentence(UPSTREAM_STALLED if end.state == "stalled" else UPSTREAM_CUT)
