"""One client connection: bytes to requests, one at a time, and their answers back.

States: idle (between requests) → reading a head → answering → idle, or lingering → closed. It lingers when it
answered before the request was whole: what still comes is read and dropped for a moment, so that the answer
is not lost to a reset.
"""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

import httptools
from websockets.protocol import Side

from switchgear.kernel.limits import (
    CLIENT_BUFFER_BYTES_MAX,
    FEED_STEP_BYTES,
    HALF_CLOSED_LOOK_S,
    HEADER_BYTES_MAX,
    HEADER_OVERHEAD_BYTES,
    HEADER_READ_TIMEOUT_S,
    KEEP_ALIVE_S,
    LINGER_S,
    PIPELINED_REQUESTS_MAX,
    WEBSOCKET_EARLY_BYTES_MAX,
)
from switchgear.net.header_names import kept_name, read_name
from switchgear.net.lean_chunk import ReadBuffer
from switchgear.net.websocket import GOING_AWAY, INTERNAL, WebSocketTerms
from switchgear.net.websocket_session import WebSocketSession
from switchgear.relay.http1.exchange import Exchange
from switchgear.relay.http1.heads import (
    SINGLE,
    Dates,
    fault_in,
    head_without_offer,
    offers_another,
    refusal,
    split_target,
)
from switchgear.relay.http1.peer import has_left
from switchgear.relay.http1.upgrade import answer_upgrade
from switchgear.relay.room import Holding, Room

log = logging.getLogger("switchgear.http")

Handler = Callable[[Exchange], Coroutine[Any, Any, None]]


class Refused(Exception):
    """Stops the parser."""


class Host(Protocol):
    """What a connection belongs to, and is told of its beginning and end."""

    handler: Handler
    dates: Dates
    loop: asyncio.AbstractEventLoop
    room: Room
    """For bodies that nobody has asked for yet."""
    session_buffer: ReadBuffer
    """What WebSocket sessions read into."""

    def opened(self, connection: "Connection") -> None: ...

    def closed(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """Reads ahead of the running request only to notice that the client leaves."""

    def __init__(self, host: Host, client: socket.socket, peer_ip: str, address: str) -> None:
        """``address``: whose connection it counts as."""
        self.loop = host.loop
        self.room = host.room
        self.peer_ip = peer_ip
        self.address = address
        self.closing = False
        """No request after the running one."""
        self.is_full = False
        self.can_chunk = True
        self.date_line = host.dates.line
        self.write: Callable[[bytes], None]
        self._host = host
        self._client = client
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._room: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        """Of the request that began last. One whose answer is out, but which goes on, is its handler's to
        hold."""
        self._running: Exchange | None = None
        self._coming: Exchange | None = None
        """Whose body the parser is in."""
        self._pipelined: deque[Exchange] = deque()
        self._unfed = b""
        """What came behind as many requests as may wait."""
        self._unfed_held = Holding(host.room, address)
        self._refusal: tuple[int, str] | None = None
        """What stands where a next request should; it is told behind the answers that come first."""
        self._target = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._overhead_bytes = 0
        """Read since the last byte of any body: a head, or what is between the chunks of a body."""
        self._paused = False
        self._early: bytes | None = None
        """What came behind the offer of a WebSocket; None without one."""
        self._session: WebSocketSession | None = None
        """What the connection has become."""
        self._lingering = False
        self._deaf = False
        """What the client sends is no request any more."""
        self._half_closed = False
        """The client sends no more, but may still wait for its answers."""
        self._since_s = 0.0
        """When the present wait for the client began: for a head, a next request, or the end of lingering."""

    # What exchanges ask for.

    async def until_room(self) -> None:
        """Returns when the client has taken enough of what was written, or is gone."""
        if self._room is None:
            self._room = self.loop.create_future()
        await asyncio.shield(self._room)

    def want_body(self) -> None:
        self._resume()

    @property
    def offers_websocket(self) -> bool:
        """Whether the running request does, in HTTP/1.1, and is the last one here."""
        return self.can_chunk and self._early is not None and self._session is None

    def upgrade(self, method: str, headers: dict[str, str], terms: WebSocketTerms) -> WebSocketSession:
        """The connection goes on as a session; this object stays for those who count connections. Raises
        BadHandshake."""
        agreed, head = answer_upgrade(method, headers, terms, self.date_line(), offered=self.offers_websocket)
        self.write(head)
        self._pause()
        early, self._early = self._early or b"", None
        buffer = self._host.session_buffer
        self._session = WebSocketSession(Side.SERVER, agreed, terms, buffer, self.connection_lost)
        self._session.start(self._transport, early)
        return self._session

    def end_session(self) -> bool:
        """At drain: a session that still runs is closed. False where there is none."""
        if self._session is None:
            return False
        self._session.close(GOING_AWAY, "the server is shutting down")
        return True

    def answered(self) -> None:
        """The running request has its whole answer."""
        exchange, self._running = self._running, None
        self._since_s = self.loop.time()
        if exchange is None:
            return
        if not exchange.keep_alive or self.closing or not exchange.body_is_whole:
            self._linger() if not exchange.body_is_whole else self._transport.close()
        elif self._pipelined:
            self._start(self._pipelined.popleft())
        else:
            self._feed_rest()
            if self._running is None:
                self._come_to_rest()
        self._resume()

    def _come_to_rest(self) -> None:
        """Every request is answered."""
        if self._refusal is not None:
            self._tell_refusal(*self._refusal)
        elif self._half_closed:
            self._transport.close()

    # What the server asks for.

    def close_soon(self) -> None:
        """Finishes the running request, then closes; an idle connection closes now."""
        self.closing = True
        if self._running is None:
            self._transport.close()

    @property
    def waits_since_s(self) -> float | None:
        """Since when it does nothing but wait for its client, for a request or for more of one; None while a
        request is served."""
        waits = self._running is None or (self._running is self._coming and not self._paused)
        return self._since_s if waits else None

    def drop(self) -> None:
        """Another one needs the place."""
        self._transport.abort()

    def look(self, now_s: float) -> None:
        """Closes a connection whose client keeps it waiting for too long."""
        if self._running is not None and not self._lingering:
            return
        waited_s = now_s - self._since_s
        if self._lingering:
            if waited_s > LINGER_S:
                self._transport.abort()
        elif self._overhead_bytes:
            if waited_s > HEADER_READ_TIMEOUT_S:
                self._refuse(408, "the request's head took too long")
        elif waited_s > KEEP_ALIVE_S:
            self._transport.close()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self.write = self._transport.write
        self._transport.set_write_buffer_limits(high=CLIENT_BUFFER_BYTES_MAX)
        self._since_s = self.loop.time()
        self._host.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self._keep_early(data)
            return
        if not self._overhead_bytes and self._running is None:
            self._since_s = self.loop.time()
            if b"  " in data[: data.find(b"\n")]:
                self._refuse(400, "the request line can't be read")  # the parser would take it
                return
        elif self._coming is not None:
            self._since_s = self.loop.time()
        if len(data) <= FEED_STEP_BYTES:
            self._feed(data)
        else:
            self._feed_in_steps(data)

    def _feed_in_steps(self, data: bytes) -> None:
        """What lies behind as many requests as may wait, waits unread."""
        start = 0
        while start < len(data) and not self._deaf and not self._transport.is_closing():
            if len(self._pipelined) >= PIPELINED_REQUESTS_MAX:
                self._keep_unfed(data[start:])
                return
            left = self._coming.bytes_left if self._coming is not None else 0
            end = start + max(FEED_STEP_BYTES, left)
            self._feed(data[start:end])
            start = end

    def _keep_unfed(self, data: bytes) -> None:
        if self._unfed_held.take(len(data)):
            self._unfed = data
        else:
            self._transport.abort()

    def _feed_rest(self) -> None:
        data, self._unfed = self._unfed, b""
        if data:
            self._unfed_held.close()
            self._feed_in_steps(data)

    def _feed(self, data: bytes) -> None:
        self._overhead_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            self._decline(data[stopped.args[0] :])
        except httptools.HttpParserError:
            self._refuse(400, "the request can't be read")
        else:
            if self._overhead_bytes > HEADER_BYTES_MAX:
                self._refuse(431, "the request's head is too large")

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        self._make_room()

    def eof_received(self) -> bool:
        """The client sends no more. Its answers are still due, unless it is HTTP/1.0, where this is how to
        leave, or breaks off in the middle of a request. True keeps our side open."""
        running, coming = self._running, self._coming
        if running is None or running is coming or not self.can_chunk:
            return False
        if coming is not None:
            self._pipelined.remove(coming)
            coming.client_gone()
        self._half_closed = True
        if not self._pipelined and not self._unfed:
            self.closing = True
        running.send_ahead()
        self.loop.call_later(HALF_CLOSED_LOOK_S, self._look_for_client)
        return True

    def _look_for_client(self) -> None:
        if self._transport.is_closing():
            return
        if has_left(self._client):
            self._transport.abort()
        else:
            self.loop.call_later(HALF_CLOSED_LOOK_S, self._look_for_client)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_full = False
        self._host.closed(self)
        running, self._running = self._running, None
        for exchange in (running, self._coming, *self._pipelined):
            if exchange is not None and not exchange.gone:
                exchange.client_gone()
        self._pipelined.clear()
        self._coming = None
        self._unfed = b""
        self._unfed_held.close()
        self._make_room()
        del self._parser  # it holds this object; nobody should have to look for the cycle

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        self._target = b""
        self._headers = {}

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._coming is not None:
            return  # a trailer
        self._head_bytes += len(name) + len(value) + HEADER_OVERHEAD_BYTES
        if self._head_bytes > HEADER_BYTES_MAX:
            self._refuse(431, "the request's head is too large")
            raise Refused
        key = kept_name(name) or read_name(name)
        text = value.decode("latin-1")
        headers = self._headers
        if key in headers:
            if key in SINGLE:
                self._refuse(400, f"the header {key} came twice")
                raise Refused
            text = f"{headers[key]}, {text}"
        headers[key] = text

    def on_headers_complete(self) -> None:
        headers, version = self._headers, self._parser.get_http_version()
        fault = fault_in(headers, version)
        if fault:
            self._refuse(400, fault)
            raise Refused
        if "upgrade" in headers and offers_another(headers) and self._parser.should_upgrade():
            return  # the parser stops behind this head: see _decline
        self._overhead_bytes = 0
        self.can_chunk = version == "1.1"
        path, query = split_target(self._target.decode("latin-1"))
        method = self._parser.get_method().decode("latin-1")
        keep_alive = self.can_chunk and self._parser.should_keep_alive()
        exchange = Exchange(self, method, path, query, headers, keep_alive)
        self._coming = exchange
        if self._running is None:
            self._start(exchange)
        else:
            self._pipelined.append(exchange)
            self._pause()

    def on_body(self, data: bytes) -> None:
        exchange = self._coming
        if exchange is None:
            return
        self._overhead_bytes = 0
        if exchange.finished:
            return  # answered already; what still comes is dropped
        if not exchange.take_body(data):
            self._pause()

    def on_message_complete(self) -> None:
        exchange, self._coming = self._coming, None
        self._overhead_bytes = 0
        if exchange is not None:
            exchange.body_ended()

    # Helpers.

    def _decline(self, rest: bytes) -> None:
        """The parser stopped behind a head that offers to go on in another protocol. A WebSocket is answered
        as the plain request that it is too, and then closed; with HTTP/2 in the clear, which some clients
        offer with every first request, the request and those behind it are read as if it had not been."""
        headers = self._headers
        if not offers_another(headers):
            self.closing = self._deaf = True
            self._early = b""
            self._keep_early(rest)
            return
        parser, self._parser = self._parser, httptools.HttpRequestParser(self)
        head = head_without_offer(parser.get_method(), self._target, parser.get_http_version(), headers)
        self._feed(head + rest)

    def _keep_early(self, data: bytes) -> None:
        """What a client sends behind its offer of a WebSocket, before that is answered."""
        if self._early is None:
            return
        self._early += data
        if len(self._early) > WEBSOCKET_EARLY_BYTES_MAX:
            self._pause()

    def _start(self, exchange: Exchange) -> None:
        self._running = exchange
        # With a name of its own, as the loop would make one up for each.
        self._task = asyncio.Task(self._serve(exchange), loop=self.loop, name="request")

    async def _serve(self, exchange: Exchange) -> None:
        try:
            await self._host.handler(exchange)
        except Exception:
            log.exception("a request failed in the relay itself")
        finally:
            if self._session is not None:
                self._session.close(INTERNAL)  # unless it is closed already
            elif not exchange.finished:
                # The handler broke off: the client must not take what it has for the whole.
                exchange.finished = True
                if not exchange.gone:
                    self._transport.abort()

    def _refuse(self, status: int, reason: str) -> None:
        """Answers what is no request that could be served, and closes. Only the first of several reasons is
        told; a request whose body breaks off is answered by whoever reads it."""
        if self._deaf:
            return
        self._deaf = True
        if self._coming is not None:
            self._coming.body_broke(reason)
        elif self._running is not None:
            self._refusal = (status, reason)
        else:
            self._tell_refusal(status, reason)

    def _tell_refusal(self, status: int, reason: str) -> None:
        self.closing = True
        self.write(refusal(status, reason, self.date_line()))
        self._linger()

    def _linger(self) -> None:
        self._lingering = self._deaf = self.closing = True
        self._since_s = self.loop.time()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._resume()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self._pipelined and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)
