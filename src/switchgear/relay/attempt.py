"""One try at one candidate: build the upstream request, open it, and judge what came back."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import quote

import msgspec

from switchgear import __version__
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import (
    LOOP,
    OVERLOADED,
    UPSTREAM_CONNECTION,
    UPSTREAM_CUT,
    UPSTREAM_ERROR,
    UPSTREAM_STALLED,
    UPSTREAM_TIMEOUT,
    ApiError,
    ErrorRow,
)
from switchgear.kernel.limits import (
    CONNECT_TIMEOUT_S,
    ERROR_BODY_BYTES_MAX,
    FIRST_BYTE_TIMEOUT_JSON_S,
    FIRST_BYTE_TIMEOUT_STREAM_S,
    HOPS_MAX,
    IDLE_CHUNK_TIMEOUT_S,
    TOTAL_TIMEOUT_S,
    UPSTREAM_ID_CHARS_MAX,
)
from switchgear.kernel.usage import Usage
from switchgear.link.snapshot import ChannelView
from switchgear.net.transport import Timeouts, Transport, TransportFault, UpstreamRequest, UpstreamResponse
from switchgear.relay.begun import begin
from switchgear.relay.fan import FannedResponse
from switchgear.relay.health import Health
from switchgear.relay.plan import Candidate
from switchgear.relay.prepare import Prepared
from switchgear.relay.redact import redact, redact_error
from switchgear.relay.watched import WatchedResponse
from switchgear.wire.call import Call, Operation
from switchgear.wire.convert.answer_form import Form
from switchgear.wire.faults.upstream_error import UpstreamError, counted, read_upstream_error, to_api_error
from switchgear.wire.modes import ModeReports

UNFIT = "unfit"
"""Name of the fault of a candidate that was not asked, as it can't carry the request or costs too much."""
HOPS_HEADER = "x-switchgear-hops"
REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-ds-trace-id", "x-tt-logid")
_USER_AGENT = f"switchgear/{__version__}"
_PASSED_ON = ("traceparent", "tracestate")
_PASSED_ON_WITH: dict[Operation, tuple[str, ...]] = {
    "openai_chat": ("openai-beta",),
    "openai_responses": ("openai-beta",),
    "anthropic_messages": ("anthropic-version", "anthropic-beta"),
    "anthropic_count_tokens": ("anthropic-version", "anthropic-beta"),
}
"""Headers that belong to a body which passes through as it is."""

_TRANSPORT_ERRORS: dict[str, ErrorRow] = {
    "connect": UPSTREAM_CONNECTION,
    "connect_timeout": UPSTREAM_CONNECTION,
    "tls": UPSTREAM_CONNECTION,
    "reset": UPSTREAM_CONNECTION,
    "first_byte_timeout": UPSTREAM_TIMEOUT,
    "total_timeout": UPSTREAM_TIMEOUT,
    "idle_timeout": UPSTREAM_STALLED,
    "truncated": UPSTREAM_CUT,
}
# What a call meets when its server is killed.
_DEATHS = frozenset(("connect", "reset", "truncated"))
_STALLS = frozenset(("idle_timeout", "total_timeout"))
# Another channel would do no better; behind a loop, trying more of them would multiply at each turn.
_FINAL_KINDS = frozenset(("client", "content", "loop"))


class Fault(Exception):
    """A try that failed before anything of it was shown to the client."""

    def __init__(
        self,
        name: str,
        error: ApiError,
        status: int,
        *,
        try_next: bool,
        usage: Usage | None = None,
        said: UpstreamError | None = None,
    ) -> None:
        super().__init__(name)
        self.name = name
        """One word for the record: a transport fault's kind, or the upstream error's."""
        self.error = error
        self.status = status
        """What the upstream answered with; 0 when it did not."""
        self.try_next = try_next
        self.usage = usage
        """What the upstream counted all the same."""
        self.said = said
        """The upstream's own error, which is not for the client."""


class Exchange(msgspec.Struct, frozen=True):
    """An upstream that answered with success; its body is still to be read."""

    response: UpstreamResponse
    candidate: Candidate
    prepared: Prepared
    sent_ns: int
    upstream_request_id: str
    form: Form = ""
    """Of its body, once that has begun."""
    waited_ns: int = 0
    """Before it was sent: for the embedded model to start."""
    reports: ModeReports | None = None
    """What is read of its body about the modes that it was asked for; None where there are none."""

    def modes_served(self) -> dict[str, str]:
        """What the upstream said so far of the modes that it was asked for; see ``wire.modes``."""
        return {} if self.reports is None else self.reports.served


class PassedOn(msgspec.Struct, frozen=True):
    """The client's headers that upstreams see."""

    always: tuple[tuple[str, str], ...]
    """The hop counter, which breaks loops, among them."""
    with_body: tuple[tuple[str, str], ...] = ()
    """Only beside the client's own body."""


class Address(msgspec.Struct, frozen=True):
    """Where a candidate is reached, and with which credential."""

    url: str
    auth: tuple[tuple[str, str], ...] = ()
    """The header that carries the credential, if there is one."""


class Locator(Protocol):
    """Finds candidates; see ``relay.locate``."""

    async def locate(self, candidate: Candidate, operation: str) -> Address:
        """Starts the embedded model if need be. Raises ApiError."""

    def forget(self, candidate: Candidate) -> None:
        """The address was of no use."""


async def open_exchange(
    transport: Transport,
    locator: Locator,
    candidate: Candidate,
    prepared: Prepared,
    call: Call,
    passed_on: PassedOn,
    health: Health,
    clock: Clock,
) -> Exchange:
    """Sends the call to one candidate. Raises Fault; books the fault on the candidate's health."""
    operation, began_ns = prepared.operation, clock.monotonic_ns()
    timeouts = timeouts_of(candidate.channel, stream=prepared.is_streamed(call))
    try:
        address = await locator.locate(candidate, operation)
        waited_ns = clock.monotonic_ns() - began_ns if candidate.channel.local_model else 0
        request = _request(candidate, address, prepared, call, passed_on)
        sent_ns = clock.monotonic_ns()
        try:
            response = await transport.open(request, timeouts)
        except TransportFault as fault:
            if not candidate.channel.local_model or fault.kind not in _DEATHS:
                raise
            # The embedded model died since it was last used, or over this call, which nobody else was asked
            # to answer: it is started again, once.
            locator.forget(candidate)
            address = await locator.locate(candidate, operation)
            request = _request(candidate, address, prepared, call, passed_on)
            response = await transport.open(request, timeouts)
        if prepared.copies > 1 and response.status == 200:
            response = await _fanned(transport, request, timeouts, response, prepared.copies)
        if response.status == 200:
            name = _upstream_id(response, candidate.channel)
            if not prepared.modes:
                return Exchange(response, candidate, prepared, sent_ns, name, waited_ns=waited_ns)
            watched = WatchedResponse(response)
            return Exchange(
                watched,
                candidate,
                prepared,
                sent_ns,
                name,
                waited_ns=waited_ns,
                reports=watched.reports,
            )
        error_body = await _error_body(response)
    except ApiError as error:
        health.faulted(candidate.channel.id, candidate.upstream_model, began_ns, clock.monotonic_ns())
        raise Fault("not_started", error, 0, try_next=True) from None
    except TransportFault as fault:
        if fault.kind != "no_room":
            locator.forget(candidate)
            health.faulted(candidate.channel.id, candidate.upstream_model, began_ns, clock.monotonic_ns())
        raise transport_fault(fault) from None
    said = read_upstream_error(response.status, response.headers, error_body, clock.now_ms() // 1000)
    book(said, candidate, health, began_ns, clock.monotonic_ns())
    raise fault_of(counted(said, prepared.dialect.usage_of_error(error_body)), candidate)


async def begun(exchange: Exchange, health: Health, clock: Clock) -> Exchange:
    """Waits for the answer's first bytes. Raises Fault; books the fault on the candidate's health."""
    if exchange.prepared.copies > 1:
        return exchange
    try:
        response = await begin(exchange.response)
    except TransportFault as fault:
        candidate = exchange.candidate
        health.faulted(candidate.channel.id, candidate.upstream_model, exchange.sent_ns, clock.monotonic_ns())
        raise transport_fault(fault) from None
    return msgspec.structs.replace(exchange, response=response, form=response.form)


async def _fanned(
    transport: Transport,
    request: UpstreamRequest,
    timeouts: Timeouts,
    first: UpstreamResponse,
    copies: int,
) -> UpstreamResponse:
    """The responses to all copies of a request as one; the first that is no success instead, if there is one.
    Raises TransportFault."""
    openings = [asyncio.ensure_future(transport.open(request, timeouts)) for _ in range(copies - 1)]
    opened = [first]
    try:
        for opening in openings:
            opened.append(await opening)
    except BaseException:
        for opening in openings:
            opening.cancel()
        for response in (*opened, *_done(openings)):
            response.close()
        raise
    failed = next((response for response in opened if response.status != 200), None)
    if failed is None:
        return FannedResponse(opened)
    for response in opened:
        if response is not failed:
            response.close()
    return failed


def _done(openings: Sequence[asyncio.Future[UpstreamResponse]]) -> list[UpstreamResponse]:
    return [
        opening.result()
        for opening in openings
        if opening.done() and not opening.cancelled() and opening.exception() is None
    ]


def book(error: UpstreamError, candidate: Candidate, health: Health, began_ns: int, now_ns: int) -> None:
    """What an upstream's error means for the health of its channel. ``began_ns``: when the call was sent."""
    channel, model, secret = candidate.channel.id, candidate.upstream_model, candidate.secret
    kind = "client" if error.of_request else error.kind
    if kind in ("auth", "funds"):
        health.refused_credential(channel, secret, now_ns)
    elif kind == "limited":
        health.limited(channel, secret, model, error.retry_after_s, now_ns)
    elif kind == "transient":
        health.faulted(channel, model, began_ns, now_ns)
    elif kind == "model":
        health.unserved(channel, secret, model, now_ns)
    else:
        health.succeeded(channel, model, began_ns)


def fault_of(error: UpstreamError, candidate: Candidate) -> Fault:
    """An upstream's error as the client would see it, and whether another candidate may do better."""
    shown = to_api_error(redact_error(error, candidate.channel))
    final = error.kind in _FINAL_KINDS
    return Fault(error.kind, shown, error.status, try_next=not final, usage=error.usage, said=error)


def transport_fault(fault: TransportFault) -> Fault:
    """A broken exchange as the client would see it."""
    if fault.kind == "no_room":
        error = ApiError(OVERLOADED, "This server can't open a connection right now.", retry_after_s=1)
    else:
        error = upstream_sentence(_TRANSPORT_ERRORS.get(fault.kind, UPSTREAM_ERROR))
    return Fault(fault.kind, error, 0, try_next=True)


def is_stall(fault: TransportFault) -> bool:
    """Whether a stream fell silent, rather than being cut."""
    return fault.kind in _STALLS


_SENTENCES = {
    "upstream_connection": "The upstream could not be reached, or broke the connection before it answered.",
    "upstream_timeout": "The upstream did not answer in time.",
    "upstream_stalled": "The upstream stopped sending before its answer was complete.",
    "upstream_cut": "The upstream ended its answer before it was complete.",
    "upstream_error": "The upstream sent something that is not a valid answer.",
}


def upstream_sentence(row: ErrorRow) -> ApiError:
    """An upstream's failure in our own words."""
    return ApiError(row, _SENTENCES.get(row.name, _SENTENCES["upstream_error"]))


_TIMEOUTS = {
    stream: Timeouts(
        CONNECT_TIMEOUT_S,
        FIRST_BYTE_TIMEOUT_STREAM_S if stream else FIRST_BYTE_TIMEOUT_JSON_S,
        IDLE_CHUNK_TIMEOUT_S,
        TOTAL_TIMEOUT_S,
    )
    for stream in (False, True)
}


def timeouts_of(channel: ChannelView, *, stream: bool) -> Timeouts:
    """The deadlines of an exchange: the channel's own, else the product's."""
    usual, own = _TIMEOUTS[stream], channel.timeouts
    if not own:
        return usual
    first_byte = "first_byte_stream_s" if stream else "first_byte_json_s"
    return Timeouts(
        own.get("connect_s", usual.connect_s),
        own.get(first_byte, usual.first_byte_s),
        own.get("idle_chunk_s", usual.idle_chunk_s),
        own.get("total_s", usual.total_s),
    )


def hops_of(header: Callable[[str], str | None]) -> int:
    """How many relays of this kind a request has come through. Raises ApiError for a loop."""
    value = header(HOPS_HEADER)
    hops = int(value) if value and value.isdecimal() and len(value) < 4 else 0
    if hops >= HOPS_MAX:
        raise ApiError(LOOP, "This call came through too many relays: a channel seems to lead back here.")
    return hops


def passed_on_headers(header: Callable[[str], str | None], hops: int, operation: Operation) -> PassedOn:
    """What of a request's headers goes on."""
    trace, beside_body = _given(header, _PASSED_ON), _given(header, _PASSED_ON_WITH.get(operation, ()))
    return PassedOn(((HOPS_HEADER, str(hops + 1)), *trace), beside_body)


def _given(header: Callable[[str], str | None], names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Those of the headers that the request has."""
    values = tuple(map(header, names))
    if not any(values):
        return ()
    return tuple((name, value) for name, value in zip(names, values, strict=True) if value)


def _request(
    candidate: Candidate, address: Address, prepared: Prepared, call: Call, passed_on: PassedOn
) -> UpstreamRequest:
    channel = candidate.channel
    extra = channel.headers_of.get(prepared.operation, ())
    if prepared.request is not None:
        extra += prepared.headers
    elif not prepared.foreign:
        extra += passed_on.with_body
    headers = (
        ("content-type", "application/json"),
        ("accept", "text/event-stream" if prepared.is_streamed(call) else "application/json"),
        ("accept-encoding", "identity"),
        ("user-agent", _USER_AGENT),
        *(tuple({**dict(channel.headers), **dict(extra)}.items()) if extra else channel.headers),
        *passed_on.always,
        *address.auth,
    )
    return UpstreamRequest("POST", _url(address.url, prepared, candidate, call), headers, prepared.body)


_VERBS: dict[Operation, str] = {
    "gemini_generate": ":generateContent",
    "gemini_count_tokens": ":countTokens",
    "gemini_embed": ":batchEmbedContents",
}


def _url(url: str, prepared: Prepared, candidate: Candidate, call: Call) -> str:
    """Dialects that name the model and what to do with it in the path leave a place for it in the URL."""
    if "{model}" not in url:
        below = call.in_path.verb
        return f"{url}/{below}" if below and prepared.operation == "openai_responses" else url
    verb = _VERBS.get(prepared.operation, "")
    if prepared.operation == "gemini_generate" and prepared.is_streamed(call):
        verb = ":streamGenerateContent?alt=sse"
    elif prepared.operation == call.operation == "gemini_embed" and not call.in_path.batch:
        verb = ":embedContent"
    return url.replace("{model}", quote(candidate.upstream_model, safe="/-._~")) + verb


async def _error_body(response: UpstreamResponse) -> bytes:
    try:
        return await response.read(ERROR_BODY_BYTES_MAX)
    except TransportFault:
        return b""  # the status says enough
    finally:
        response.close()


def _upstream_id(response: UpstreamResponse, channel: ChannelView) -> str:
    headers = response.headers
    for name in REQUEST_ID_HEADERS:
        if name in headers:
            return redact(headers[name], channel.secrets, channel.headers)[:UPSTREAM_ID_CHARS_MAX]
    return ""
