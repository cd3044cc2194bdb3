"""One call on the relay's own path, from the client's bytes to the client's bytes, without a socket or a
process: read, prepare, open, read the answer, write it. Seals, times and ids are fixed."""

import asyncio
import base64
import hashlib
from collections.abc import Iterable, Mapping

import msgspec
from tests.wire.pairs.upstream import SECRET, Said, Wire

from switchgear.catalog.price import Price, charge, with_id
from switchgear.kernel.clock import FakeClock
from switchgear.kernel.dialects import DialectName, OperationName
from switchgear.kernel.errors import UPSTREAM_CUT, ApiError
from switchgear.kernel.limits import REPLY_BYTES_MAX
from switchgear.kernel.money import PPM
from switchgear.kernel.usage import UNITS, Usage
from switchgear.link.snapshot import ChannelView, ModelView, Principal
from switchgear.net.transport import TransportFault, UpstreamRequest
from switchgear.relay.admit import Terms
from switchgear.relay.attempt import (
    Exchange,
    Fault,
    PassedOn,
    fault_of,
    open_exchange,
    transport_fault,
    upstream_sentence,
)
from switchgear.relay.health import Health
from switchgear.relay.heartbeat import Pulse
from switchgear.relay.http import DisconnectCallback
from switchgear.relay.locate import Locator
from switchgear.relay.meter import TokenTally
from switchgear.relay.plan import WAYS, Candidate
from switchgear.relay.prepare import Preparation, Prepared
from switchgear.relay.redact import redact_error
from switchgear.relay.room import Holding, Room
from switchgear.relay.routes import find_route
from switchgear.relay.stream import pass_on
from switchgear.vendors.channel import resolve
from switchgear.vendors.shipped import shipped
from switchgear.wire.call import Call
from switchgear.wire.convert.bridge import Bridge, convert_reply
from switchgear.wire.dialect import Dialect, Head, Headers, Tap
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.faults.upstream_error import to_api_error
from switchgear.wire.framing.fields import read_fields
from switchgear.wire.neutral.reasoning_memory import Thoughts
from switchgear.wire.neutral.request import Opaque, RemoteFile

MODEL = "m1"
CLOCK = FakeClock()
PRICE = with_id(Price(MODEL, {unit: 1_000_003 * at for at, unit in enumerate(UNITS, 1)}))
"""Every unit has a price of its own, so that a token in the wrong class changes the charge."""

TERMS = Terms(ModelView(MODEL, "sim"), PRICE, PPM)


class PlainSeals:
    """Seals that can be read in a transcript: whose it is, of what kind, and a digest of what is inside."""

    def __init__(self) -> None:
        self._sealed: dict[str, Opaque] = {}

    def seal(self, opaque: Opaque) -> str:
        digest = hashlib.blake2b(opaque.payload.encode(), digest_size=6).hexdigest()
        text = f"relay1.{opaque.origin.replace(':', '-')}.{opaque.kind}.{digest}"
        self._sealed[text] = opaque
        # Gemini's field holds bytes, so there the whole goes out in base64 once more.
        self._sealed[base64.b64encode(text.encode()).decode()] = opaque
        return text

    def open(self, text: str) -> Opaque | None:
        return self._sealed.get(text)


SEALS = PlainSeals()
WHO = Principal("key", "ci", "sk-…", "owner", "acme", "default", "wallet:owner")


class Target(msgspec.Struct, frozen=True):
    """An upstream: one model at one vendor, asked in one dialect."""

    dialect: DialectName
    vendor: str
    model: str
    gives_back_reasoning: bool = False


class Outcome(msgspec.Struct):
    """One call, told from both sides."""

    asked: UpstreamRequest | None
    said: Said | None
    dropped: tuple[str, ...]
    status: int
    headers: Headers
    frames: list[bytes]
    """What the client gets: one body, or a stream in the pieces in which it goes out."""
    state: str
    usage: Usage
    charge_nanos: int

    @property
    def body(self) -> bytes:
        return b"".join(self.frames)


def channel_of(target: Target) -> ChannelView:
    """As the controller compiles it from the vendor's file."""
    vendor = shipped().vendors[target.vendor]
    made = resolve(vendor, "" if vendor.base_url else "https://host.example", (target.dialect,))
    return ChannelView(
        id="main",
        name="main",
        vendor=target.vendor,
        endpoints=made.endpoints,
        auth_header=made.auth_header,
        auth_prefix=made.auth_prefix,
        secrets=(SECRET,),
        models={MODEL: target.model},
        groups=("default",),
        headers=made.headers,
        auths=made.auths,
        headers_of=made.headers_of,
        drop=made.drop,
        rename=made.rename,
        asks_usage=made.asks_usage,
        facts={target.model: shipped().facts_of(target.vendor, target.model)},
        gives_back_reasoning=target.gives_back_reasoning,
    )


def run(
    path: str, body: bytes, target: Target, wire: Wire, headers: Mapping[str, str] | None = None
) -> Outcome:
    """The outcome of one request of a client."""
    wire.asked = wire.said = None
    return asyncio.run(_run(path, body, target, wire, headers or {}))


def read_call(path: str, body: bytes) -> tuple[Dialect, Call]:
    """Raises ApiError."""
    route = find_route(*path.partition("?")[::2])
    assert route is not None
    assert route.relayed is not None
    dialect = DIALECT_OF_OPERATION[route.relayed]
    fields = read_fields(body)
    model = dialect.read_model(fields, route.in_path)
    return dialect, dialect.read_call(route.relayed, fields, model, route.in_path)


def candidate_of(target: Target, call: Call) -> Candidate:
    channel = channel_of(target)
    ways: tuple[OperationName, ...] = WAYS[call.operation]
    return Candidate(channel, 0, target.model, tuple(way for way in ways if way in channel.endpoints))


def prepare_for(target: Target, dialect: Dialect, call: Call) -> Prepared:
    """The request as the target gets it. Raises ApiError."""
    return asyncio.run(_prepare(candidate_of(target, call), dialect, call))


async def _prepare(candidate: Candidate, dialect: Dialect, call: Call) -> Prepared:
    preparation = Preparation(call, dialect, WHO, SEALS, _fetch, _find, TERMS)
    return await preparation.prepare(candidate)


async def _run(path: str, body: bytes, target: Target, wire: Wire, headers: Mapping[str, str]) -> Outcome:
    dialect, call = read_call(path, body)
    candidate = candidate_of(target, call)
    prepared: Prepared | None = None
    try:
        prepared = await _prepare(candidate, dialect, call)
        locator = Locator(_no_controller)
        passed_on = PassedOn((), tuple(headers.items()))
        health = Health()
        exchange = await open_exchange(wire, locator, candidate, prepared, call, passed_on, health, CLOCK)
        answered = await (_streamed if call.stream else _whole)(dialect, exchange, call)
    except (ApiError, Fault) as problem:
        error = problem if isinstance(problem, ApiError) else problem.error
        status, fields, shown = dialect.render_error(error, "req7")
        answered = status, fields, [shown], "refused" if wire.said is None else "error", None
    status, fields, frames, state, usage = answered
    usage = usage or Usage()
    nanos = charge(PRICE, usage, PPM).nanos
    dropped = prepared.dropped if prepared else ()
    return Outcome(wire.asked, wire.said, dropped, status, fields, frames, state, usage, nanos)


Answered = tuple[int, Headers, list[bytes], str, Usage | None]


async def _whole(dialect: Dialect, exchange: Exchange, call: Call) -> Answered:
    try:
        body = await exchange.response.read(REPLY_BYTES_MAX)
    except TransportFault as fault:
        raise transport_fault(fault) from None
    prepared = exchange.prepared
    if prepared.request is None:
        reply = dialect.read_reply(call, body)
    else:
        reply = convert_reply(prepared.dialect, dialect, body, head_of(prepared, call), prepared.passage)
    if reply.error is not None:
        raise fault_of(reply.error, exchange.candidate)
    assert not reply.empty
    return 200, [("content-type", "application/json")], [reply.body], "complete", reply.usage


async def _streamed(dialect: Dialect, exchange: Exchange, call: Call) -> Answered:
    tap = tap_of(dialect, exchange.prepared, call)
    sent = Sent()
    pulse = Pulse(sent, sent.start, sent.finish, CLOCK.monotonic_ns, bytes)
    holding = Holding(Room(REPLY_BYTES_MAX, "replies"), "key")
    end = await pass_on(exchange.response, tap, TokenTally(_count, call.model), pulse, CLOCK, holding)
    fields = [("content-type", dialect.stream_type)]
    if end.state == "complete":
        assert tap.has_content, "an empty answer"
        return 200, fields, [*sent.frames, end.held_back + tap.closing()], "complete", tap.usage
    if end.state == "error" and tap.fault is not None:
        fault = fault_of(tap.fault, exchange.candidate)
        if not end.committed:
            raise fault
        shown = to_api_error(redact_error(tap.fault, exchange.candidate.channel))
        return 200, fields, [*sent.frames, tap.error_frame(shown, "req7")], "error", tap.usage
    shown = upstream_sentence(UPSTREAM_CUT)
    return 200, fields, [*sent.frames, tap.error_frame(shown, "req7")], "cut", tap.usage


class Sent:
    """A client's end of a stream that takes whatever comes."""

    started = is_full = False

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def on_disconnect(self, callback: DisconnectCallback) -> None: ...

    def send_whole(self, status: int, headers: Headers, body: bytes) -> None: ...

    def start_stream(self, status: int, headers: Headers) -> None: ...

    def start(self) -> None:
        self.started = True

    def push(self, data: bytes) -> bool:
        self.frames.append(data)
        return True

    async def room(self) -> None: ...

    def finish(self) -> None: ...


async def _count(text: str, model: str) -> int:
    return len(text)


def head_of(prepared: Prepared, call: Call) -> Head:
    assert prepared.request is not None
    return Head(
        id="7",
        model=call.shown_model,
        created_s=CLOCK.now_ms() // 1000,
        request=prepared.request,
        seals=SEALS,
        input_tokens=call.input_bytes // 4,
        include_usage=call.include_usage,
        fields=call.fields,
        array=call.in_path.array,
    )


def tap_of(dialect: Dialect, prepared: Prepared, call: Call) -> Tap:
    if prepared.request is None:
        return dialect.tap(call)
    writer = dialect.writer(head_of(prepared, call))
    return Bridge(prepared.reader(), writer, prepared.passage)


async def _fetch(key_id: str, urls: tuple[str, ...]) -> Mapping[str, RemoteFile]:
    raise AssertionError(f"nothing is to be fetched: {urls}")


async def _find(owner: str, ids: Iterable[str]) -> Mapping[str, Thoughts]:
    """Nothing is kept for anybody, so all that a next turn needs has to come from the client."""
    return {}


async def _no_controller(*_: object) -> object:
    raise AssertionError("no embedded model is asked for")
