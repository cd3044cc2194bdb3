"""Counting input tokens for clients that ask before they call: free, and within limits of its own.

An upstream of the same dialect that counts is asked, as nobody knows its tokens better; otherwise, and
whenever that fails, we count ourselves, so a client always gets a number. What an upstream says to a question
is held against it for further questions only: calls go on as if nobody had asked.
"""

import asyncio
import contextlib

import msgspec

from switchgear.kernel.errors import BODY_TIMEOUT, ApiError
from switchgear.kernel.limits import (
    BODY_BYTES_MAX,
    BODY_READ_TIMEOUT_S,
    COUNT_UPSTREAM_TIMEOUT_S,
    ERROR_BODY_BYTES_MAX,
    PASSED_AT_ONCE_BYTES_MAX,
)
from switchgear.net.transport import TransportFault
from switchgear.relay.admit import Caller, identify, terms_for
from switchgear.relay.alias import read_alias
from switchgear.relay.attempt import Fault, PassedOn, hops_of, open_exchange, passed_on_headers
from switchgear.relay.beside import beside, input_of
from switchgear.relay.body import decode_body
from switchgear.relay.counting_limits import CountingLimits
from switchgear.relay.health import Health
from switchgear.relay.http import Inbound
from switchgear.relay.meter import count_or_guess
from switchgear.relay.plan import Candidate, plan
from switchgear.relay.prepare import Preparation
from switchgear.relay.room import Holding
from switchgear.relay.tools import Tools
from switchgear.relay.view import View
from switchgear.wire.call import Call, InPath, Operation
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.framing.fields import read_fields

_COUNTED = frozenset(
    {
        "model",
        "input",
        "instructions",
        "previous_response_id",
        "conversation",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning",
        "text",
        "truncation",
    }
)
"""Of a request in the Responses dialect: all that an upstream takes where it only counts."""


class Asker(msgspec.Struct, frozen=True):
    """Who wants a number, and by which configuration it is found."""

    view: View
    caller: Caller
    hops: int


class TokenCounter:
    """Answers questions for the number of input tokens."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._limits = CountingLimits()
        self._health = Health()
        """Of upstreams, as far as they count."""

    async def count(self, request: Inbound, operation: Operation, in_path: InPath) -> bytes:
        """The answer's body, in the operation's dialect. Raises ApiError."""
        tools, view = self._tools, self._tools.view()
        clock = tools.books.clock
        caller = await identify(request, tools.directory, view.trusted, clock)
        hops = hops_of(request.header)
        self._limits.take_one(caller.principal, clock.monotonic_ns())
        with contextlib.closing(Holding(tools.rooms.requests, caller.principal.key_id)) as holding:
            body = await _body(request, holding)
            async with self._limits.place(caller.principal):
                return await self._count(request, operation, in_path, body, Asker(view, caller, hops))

    async def _count(
        self, request: Inbound, operation: Operation, in_path: InPath, body: bytes, asker: Asker
    ) -> bytes:
        tools, dialect, view = self._tools, DIALECT_OF_OPERATION[operation], asker.view
        fields = await beside(len(body), PASSED_AT_ONCE_BYTES_MAX, lambda: read_fields(body))
        model = read_alias(view.snapshot, dialect.read_model(fields, in_path)).model
        terms = terms_for(view.snapshot, asker.caller, model)
        call = await beside(
            len(body),
            PASSED_AT_ONCE_BYTES_MAX,
            lambda: dialect.read_call(operation, fields, model, in_path),
        )
        candidates = self._candidates(view, asker.caller.principal.group, call)
        if operation == "openai_responses":
            call, candidates = await self._grounded(call, candidates, view, asker.caller)
        passed_on = passed_on_headers(request.header, asker.hops, call.operation)
        who = asker.caller.principal
        if candidates:
            named = dialect.account_ids(call)
            candidates = await tools.owned.check(named, who, view.snapshot, candidates)
        seals = tools.seals.of(who.user_id)
        preparation = Preparation(call, dialect, who, seals, tools.fetch, tools.thoughts.find, terms)
        for candidate in candidates:
            if (answer := await self._ask(candidate, call, preparation, passed_on)) is not None:
                return answer
        text, overhead = await input_of(dialect, call)
        tokens = await count_or_guess(tools.count, text, model) + overhead
        return dialect.render_count(tokens)

    def _candidates(self, view: View, group: str, call: Call) -> tuple[Candidate, ...]:
        """The one that would be tried first, if any channel counts in this dialect."""
        tools = self._tools
        tiers = view.routes.tiers(group, call.model, call.operation)
        now_ns = tools.books.clock.monotonic_ns()
        planned = plan(tiers, tools.health, now_ns, lambda _: 0, 0, lambda: 0.0).candidates
        if call.operation == "openai_responses":
            return planned
        return tuple(one for one in planned if self._is_fit(one, now_ns))[:1]

    def _is_fit(self, candidate: Candidate, now_ns: int) -> bool:
        channel, secret, model = candidate.channel.id, candidate.secret, candidate.upstream_model
        if candidate.probe:
            return False  # a call finds out whether it is back
        return self._health.fitness(channel, secret, model, now_ns) in ("fit", "probe")

    async def _grounded(
        self, call: Call, candidates: tuple[Candidate, ...], view: View, caller: Caller
    ) -> tuple[Call, tuple[Candidate, ...]]:
        """The call with what it goes on from; only an upstream that keeps responses also counts them. Raises
        ApiError."""
        now_ns = self._tools.books.clock.monotonic_ns()
        asked = {key: value for key, value in call.fields.items() if key in _COUNTED}
        call = msgspec.structs.replace(call, fields=asked)
        ground = await self._tools.responses.ground(call, candidates, view, caller.principal.user_id)
        counting = [
            candidate
            for candidate in ground.candidates
            if self._is_fit(candidate, now_ns)
            and candidate.operations[0] == call.operation
            and candidate.channel.responses_state != "none"
        ]
        return ground.call, tuple(counting[:1])

    async def _ask(
        self, candidate: Candidate, call: Call, preparation: Preparation, passed_on: PassedOn
    ) -> bytes | None:
        """What the upstream says; None when it says nothing of use."""
        tools = self._tools
        try:
            async with asyncio.timeout(COUNT_UPSTREAM_TIMEOUT_S):
                exchange = await open_exchange(
                    tools.transport,
                    tools.locator,
                    candidate,
                    await preparation.prepare(candidate),
                    call,
                    passed_on,
                    self._health,
                    tools.books.clock,
                )
                try:
                    answer = await exchange.response.read(ERROR_BODY_BYTES_MAX)
                    self._health.succeeded(candidate.channel.id, candidate.upstream_model, exchange.sent_ns)
                    return answer
                finally:
                    exchange.response.close()
        except (Fault, TransportFault, TimeoutError):
            return None


async def _body(request: Inbound, holding: Holding) -> bytes:
    try:
        async with asyncio.timeout(BODY_READ_TIMEOUT_S):
            body = await request.read_body(BODY_BYTES_MAX, holding)
    except TimeoutError:
        late = f"The request body did not arrive within {BODY_READ_TIMEOUT_S:g} seconds."
        raise ApiError(BODY_TIMEOUT, late) from None
    if coding := request.header("content-encoding"):
        body = await decode_body(body, coding, BODY_BYTES_MAX, holding)
    return body
