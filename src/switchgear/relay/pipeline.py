"""The story of a relayed call, in order: identify, read, admit, plan, attempt, pass on, settle.

Read this file first. Each step is a function of its own file; this one only knows the order, and that every
path ends in exactly one outcome.
"""

import asyncio
import contextlib
import random
from collections.abc import Coroutine, Mapping
from typing import Any

from switchgear.kernel.errors import (
    BODY_TIMEOUT,
    CHANNELS_COOLING,
    DRAINING,
    INTERNAL,
    NO_CHANNEL,
    OVERLOADED,
    STORE_AWAY,
    UNSUPPORTED_ENDPOINT,
    UPSTREAM_ERROR,
    ApiError,
)
from switchgear.kernel.ids import new_id
from switchgear.kernel.limits import (
    ATTEMPTS_MAX,
    BODY_BYTES_MAX,
    BODY_READ_TIMEOUT_S,
    IN_FLIGHT_MAX,
    LOOK_INTERVAL_S,
    PASSED_AT_ONCE_BYTES_MAX,
    UNREAD_BODY_BYTES_MAX,
)
from switchgear.relay.admit import (
    Caller,
    check_tools,
    identify,
    take_permit,
    take_tokens,
    terms_for,
)
from switchgear.relay.alias import read_alias
from switchgear.relay.answer import Answerer
from switchgear.relay.attempt import (
    UNFIT,
    Exchange,
    Fault,
    PassedOn,
    begun,
    hops_of,
    open_exchange,
    passed_on_headers,
)
from switchgear.relay.beside import beside
from switchgear.relay.body import blame_media_type, decode_body
from switchgear.relay.call import RunningCall
from switchgear.relay.directory import disabled_key, disabled_user
from switchgear.relay.hold import Cover, Wanted, reserve
from switchgear.relay.http import ClientGone, Inbound, Reply
from switchgear.relay.journal import JournalBroken
from switchgear.relay.plan import Candidate, plan, why_not
from switchgear.relay.prepare import Preparation, Prepared
from switchgear.relay.refused_fields import RefusedFields, without_refused
from switchgear.relay.replies import base_headers, limit_headers
from switchgear.relay.retries import Retry, RetryBudget, Turns
from switchgear.relay.room import Holding
from switchgear.relay.share import Share
from switchgear.relay.tools import Tools
from switchgear.relay.view import View
from switchgear.wire.call import Call, InPath, Operation
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.framing.fields import is_responses_body, read_fields
from switchgear.wire.neutral.request import RemoteFile


class Pipeline:
    """Relays calls; keeps only counts of what is running."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._running = 0
        self._refused = RefusedFields()
        self._retries: dict[str, RetryBudget] = {}
        """By model, of those that are served."""
        self._turn = 0
        self._by_channel: dict[str, int] = {}
        self._calls: dict[asyncio.Task[None], Answerer] = {}
        self._stopping = False
        self._any = asyncio.Event()
        """Some call runs, or has run since this was last looked at."""
        self._share = Share(IN_FLIGHT_MAX)

    async def serve(self, request: Inbound, reply: Reply, operation: Operation, in_path: InPath) -> None:
        """Answers one request, whatever happens."""
        books = self._tools.books
        arrived_ns = books.clock.monotonic_ns()
        request_id = new_id()
        self._running += 1
        books.meters.in_flight = self._running
        try:
            await self._serve(request, reply, operation, in_path, request_id, arrived_ns)
        finally:
            self._running -= 1
            books.meters.in_flight = self._running

    async def _serve(
        self,
        request: Inbound,
        reply: Reply,
        operation: Operation,
        in_path: InPath,
        request_id: str,
        arrived_ns: int,
    ) -> None:
        try:
            self._check_open()
            view = self._tools.view()
            caller = await identify(request, self._tools.directory, view.trusted, self._tools.books.clock)
        except ApiError as error:
            self._refuse_stranger(request, reply, operation, request_id, error)
            return
        running = RunningCall(self._tools.books, request_id, operation, caller, arrived_ns)
        headers = base_headers(request_id, DIALECT_OF_OPERATION[operation].name)
        answerer = Answerer(self._tools, running, reply, headers)
        holding = Holding(self._tools.rooms.requests, caller.principal.key_id)
        self._share.began(caller.principal.key_id)
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is served in a task")
        answerer.watch(task)
        self._calls[task] = answerer
        self._any.set()
        try:
            self._check_share(caller)
            await self._relay(request, running, answerer, caller, view, in_path, holding)
        except ApiError as error:
            await answerer.refuse(error)
        except (ClientGone, asyncio.CancelledError):
            await to_its_end(self._end_cancelled(answerer))
        except JournalBroken:
            await answerer.fail(
                ApiError(STORE_AWAY, "The call can't be recorded right now.", retry_after_s=1)
            )
        except Exception:
            await answerer.fail(ApiError(INTERNAL, "Something went wrong in the relay itself."))
            raise
        finally:
            answerer.close()
            holding.close()
            self._share.ended(caller.principal.key_id)
            try:
                if answerer.keeping is not None:
                    await answerer.keeping.close()
            finally:
                del self._calls[task]

    async def _end_cancelled(self, answerer: Answerer) -> None:
        if self._stopping:
            draining = "This server is stopping; the answer is not complete."
            await answerer.cut_off(ApiError(DRAINING, draining, retry_after_s=1))
        elif answerer.cut_by is not None:
            await answerer.cut_off(answerer.cut_by)
        elif answerer.body_late:
            late = f"The request body did not arrive within {BODY_READ_TIMEOUT_S:g} seconds."
            await answerer.refuse(ApiError(BODY_TIMEOUT, late))
        else:
            await answerer.client_gone()

    def stop_one(self, response_id: str, owner: str) -> None:
        """Ends a call that runs in the background."""
        for task, answerer in self._calls.items():
            keeping = answerer.keeping
            if keeping is not None and keeping.id == response_id and keeping.owner == owner:
                task.cancel()

    def stop_calls(self, key_id: str, user_id: str) -> int:
        """Ends what runs for a key, or for a user, that was just disabled; how many calls that were."""
        stopped = 0
        for task, answerer in self._calls.items():
            principal = answerer.principal
            if key_id == principal.key_id or user_id == principal.user_id:
                answerer.cut_by = disabled_key(principal) if key_id else disabled_user(principal)
                task.cancel()
                stopped += 1
        return stopped

    async def all_ended(self, timeout_s: float) -> bool:
        """Waits until nothing runs any more; False when something does after the time."""
        if tasks := set(self._calls):
            await asyncio.wait(tasks, timeout=timeout_s)
        return not self._calls

    def stop(self) -> None:
        """Ends what is still running, with an error that says so; for the end of a drain."""
        self._stopping = True
        for task in self._calls:
            task.cancel()

    async def look_after(self) -> None:
        """Looks at every running call a few times a second, for as long as it is not cancelled."""
        while True:
            if not self._calls:
                self._any.clear()
                await self._any.wait()
            await asyncio.sleep(LOOK_INTERVAL_S)
            self._look()

    def _look(self) -> None:
        # Apart from the waiting, which would keep the last call that was looked at, and its bodies with it.
        now_ns = self._tools.books.clock.monotonic_ns()
        for answerer in list(self._calls.values()):
            answerer.look(now_ns)

    def _check_open(self) -> None:
        """Refuses at once what can't be served well. Raises ApiError."""
        if self._stopping:
            raise ApiError(DRAINING, "This server is stopping. Please try again.", retry_after_s=1)
        if self._running > IN_FLIGHT_MAX:
            raise ApiError(
                OVERLOADED, "This server is at its limit. Please try again shortly.", retry_after_s=1
            )
        if self._tools.books.journal.refuses():
            raise ApiError(
                STORE_AWAY, "Calls can't be recorded right now. Please try again.", retry_after_s=5
            )

    def _check_share(self, caller: Caller) -> None:
        """Keeps one key from taking every place. Raises ApiError."""
        if self._share.is_used_up(caller.principal.key_id):
            raise ApiError(
                OVERLOADED,
                "This server is at its limit, mostly with calls of this API key. Please try again shortly.",
                retry_after_s=1,
            )

    def _refuse_stranger(
        self, request: Inbound, reply: Reply, operation: Operation, request_id: str, error: ApiError
    ) -> None:
        dialect = DIALECT_OF_OPERATION[operation]
        status, headers, body = dialect.render_error(error, request_id)
        reply.send_whole(status, base_headers(request_id, dialect.name) + headers, body)
        self._tools.books.meters.refused(error.row.name)
        self._tools.refusal_lines.add(request, request_id, error, status, self._tools.view().trusted)

    async def _relay(
        self,
        request: Inbound,
        running: RunningCall,
        answerer: Answerer,
        caller: Caller,
        view: View,
        in_path: InPath,
        holding: Holding,
    ) -> None:
        tools = self._tools
        hops = hops_of(request.header)
        books, name = tools.books, answerer.dialect.name
        state = take_permit(books.limiter, caller, name, books.clock)
        running.permit = state.permit
        body = await answerer.read_body(request, holding)
        if coding := request.header("content-encoding"):
            body = await decode_body(body, coding, BODY_BYTES_MAX, holding)
        try:
            fields = await beside(len(body), PASSED_AT_ONCE_BYTES_MAX, lambda: read_fields(body))
        except ApiError as error:
            raise blame_media_type(error, request.header("content-type")) from None
        if is_responses_body(running.operation, fields):
            running.operation = "openai_responses"
            answerer.dialect = DIALECT_OF_OPERATION[running.operation]
        dialect = answerer.dialect
        alias = read_alias(view.snapshot, dialect.read_model(fields, in_path))
        running.model = model = alias.model
        running.terms = terms = terms_for(view.snapshot, caller, model)
        operation = running.operation
        call = await beside(
            len(body),
            PASSED_AT_ONCE_BYTES_MAX,
            lambda: dialect.read_call(operation, fields, model, in_path),
        )
        if alias.written:
            call = alias.applied(call)
        running.asked_for(call)
        state = take_tokens(books.limiter, caller, call, state, books.clock)
        running.permit = state.permit
        answerer.add_headers(limit_headers(state, call.dialect, books.clock.now_ms()))
        candidates = self._plan(view, caller.principal.group, call)
        if call.operation == "openai_responses":
            ground = await tools.responses.ground(call, candidates, view, running.owner)
            call, candidates = ground.call, ground.candidates
            answerer.stands_on(ground, caller.principal)
        who = caller.principal
        candidates = await tools.owned.check(dialect.account_ids(call), who, view.snapshot, candidates)
        seals = tools.seals.of(who.user_id)

        async def fetch(key_id: str, urls: tuple[str, ...]) -> Mapping[str, RemoteFile]:
            with running.waiting():
                return await tools.fetch(key_id, urls)

        preparation = Preparation(call, dialect, who, seals, fetch, tools.thoughts.find, terms)
        first, fit = await preparation.first_fit(candidates)
        check_tools(terms, fit.calls)
        wanted = Wanted(call, dialect, terms, fit)
        asked_ns = books.clock.monotonic_ns()
        hold = await reserve(books.funds, running.request_id, who, wanted, tools.count)
        if hold.waited:
            running.waited_ns += books.clock.monotonic_ns() - asked_ns
        running.reserved = True
        cover = Cover(books.funds, running.request_id, wanted, hold, tools.count)
        answerer.holds(hold)
        preparation.allow(hold.output_tokens)
        candidates = candidates[first:]
        first, prepared = await preparation.first_prepared(candidates)
        if first and await cover.reach(await preparation.fit_beside(candidates[first])):
            answerer.holds(cover.hold)
        if (more := len(prepared.body) - max(holding.bytes, UNREAD_BODY_BYTES_MAX)) > 0:
            with running.waiting():
                await holding.grow(more)  # files that it names by their links stand in it now
        check_tools(terms, prepared.calls)
        if answerer.keeping is not None and answerer.keeping.runs == "here":
            await answerer.go_on_alone(call, prepared)
        passed_on = passed_on_headers(request.header, hops, call.operation)
        await self._try_in_turn(candidates[first:], preparation, prepared, call, answerer, passed_on, cover)

    def _plan(self, view: View, group: str, call: Call) -> tuple[Candidate, ...]:
        operation = call.operation
        self._turn += 1
        now_ns = self._tools.books.clock.monotonic_ns()
        made = plan(
            view.routes.tiers(group, call.model, operation),
            self._tools.health,
            now_ns,
            lambda channel: self._by_channel.get(channel, 0),
            self._turn,
            random.random,
        )
        if made.candidates:
            return self._refused.applied(made.candidates, now_ns)
        if made.left_out and any(why in ("out", "cooling", "full") for _, why in made.left_out):
            retry_s = max(1, -(-made.retry_ns // 1_000_000_000))
            raise ApiError(
                CHANNELS_COOLING,
                f"Every upstream for the model '{call.model}' is busy or cooling down. "
                f"Please try again in {retry_s}s.",
                retry_after_s=retry_s,
            )
        if any(
            why_not(channel, group, call.model, operation) == "endpoint" for channel in view.snapshot.channels
        ):
            raise ApiError(
                UNSUPPORTED_ENDPOINT,
                f"The model '{call.model}' is not served on this endpoint.",
                param="model",
            )
        raise ApiError(
            NO_CHANNEL, f"No working channel serves the model '{call.model}' on this endpoint for your group."
        )

    async def _try_in_turn(
        self,
        candidates: tuple[Candidate, ...],
        preparation: Preparation,
        prepared: Prepared,
        call: Call,
        answerer: Answerer,
        passed_on: PassedOn,
        cover: Cover,
    ) -> None:
        """Tries candidates until one answers; the fault of the last that was asked is the client's answer."""
        clock, health = self._tools.books.clock, self._tools.health
        turns, ready = Turns(candidates, health), (candidates[0].channel, candidates[0].left_out)
        retries = self._budget(call.model)
        retries.requested(clock.monotonic_ns())
        last: Fault | None = None
        for _ in range(ATTEMPTS_MAX):
            now_ns = clock.monotonic_ns()
            candidate = turns.next(now_ns)
            if candidate is None:
                break
            retry: Retry | None = Retry(None, candidate)
            if turns.asked:
                with answerer.waiting():
                    retry = await retries.take(candidate, health)
            if retry is None:
                continue
            if candidate.probe:
                health.begin_probe(candidate.channel.id, candidate.upstream_model)
            try:
                if (candidate.channel, candidate.left_out) != ready:
                    prepared = await _prepared_again(preparation, candidate, cover, answerer)
                    ready = candidate.channel, candidate.left_out
                turns.asked = True
                await self._try(candidate, prepared, call, answerer, passed_on, retry)
                return
            except Fault as fault:
                if last is None or fault.name != UNFIT:  # which no upstream was asked about
                    last = fault.with_traceback(None)  # which would hold this frame, and this frame it
                if turns.asked:
                    retry.failed(clock.monotonic_ns())
                if (again := without_refused(candidate, prepared, fault)) is not None:
                    turns.again(again)
                elif not fault.try_next:
                    break
            finally:
                retry.close()
                if candidate.probe:
                    health.end_probe(candidate.channel.id, candidate.upstream_model)
        if last is None:
            raise ApiError(UPSTREAM_ERROR, "No upstream could be tried.")
        if last.error.row.blame == "us":
            raise last.error
        await answerer.fault(last)

    def _budget(self, model: str) -> RetryBudget:
        found = self._retries.get(model)
        if found is None:
            found = self._retries[model] = RetryBudget(self._tools.books.clock)
        return found

    async def _try(
        self,
        candidate: Candidate,
        prepared: Prepared,
        call: Call,
        answerer: Answerer,
        passed_on: PassedOn,
        retry: Retry,
    ) -> None:
        """One candidate, from opening to the end of its answer. Raises Fault while nothing of it was
        shown."""
        tools, channel = self._tools, candidate.channel.id
        exchange: Exchange | None = None
        self._by_channel[channel] = self._by_channel.get(channel, 0) + 1
        answerer.trying(candidate, call)
        try:
            exchange = await open_exchange(
                tools.transport,
                tools.locator,
                candidate,
                prepared,
                call,
                passed_on,
                tools.health,
                tools.books.clock,
            )
            answerer.opened(exchange)
            exchange = await begun(exchange, tools.health, tools.books.clock)
            now_ns = tools.books.clock.monotonic_ns()
            retry.answered(now_ns)
            if candidate.left_out:
                self._refused.remember(candidate, now_ns)
            await answerer.answer(exchange, call, tools.health)
        except Fault as fault:
            answerer.attempt_failed(fault)
            raise
        finally:
            self._by_channel[channel] -= 1
            if exchange is not None:
                exchange.response.close()


async def to_its_end(ending: Coroutine[Any, Any, None]) -> None:
    """Books a call that was cancelled, however often it is cancelled meanwhile: a client may leave while what
    it got is counted. Raises what the ending raises."""
    task = asyncio.ensure_future(ending)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait((task,))
    task.result()


async def _prepared_again(
    preparation: Preparation, candidate: Candidate, cover: Cover, answerer: Answerer
) -> Prepared:
    """The request for a further candidate, and the money for it. Raises Fault when that one can't carry it,
    or costs more than there is."""
    try:
        if await cover.reach(await preparation.fit_beside(candidate)):
            answerer.holds(cover.hold)
        prepared = await preparation.prepare(candidate)
        check_tools(cover.wanted.terms, prepared.calls)
        return prepared
    except ApiError as error:
        raise Fault(UNFIT, error, 0, try_next=True) from None
