"""One client connection: bytes to requests, one at a time, and their answers back.

States: idle (between requests) → reading a head → answering → idle, or lingering → closed. It lingers when it
answered before the request was whole: what still comes is read and dropped for a moment, so that the answer
is not lost to a reset.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, cast

import httptools

from switchgear.kernel.limits import (
    CLIENT_BUFFER_BYTES_MAX,
    HEADER_BYTES_MAX,
    HEADER_OVERHEAD_BYTES,
    HEADER_READ_TIMEOUT_S,
    KEEP_ALIVE_S,
    LINGER_S,
    PIPELINED_REQUESTS_MAX,
    UNREAD_BODY_BYTES_MAX,
)
from switchgear.net.header_names import kept_name, read_name
from switchgear.relay.http1.exchange import Exchange
from switchgear.relay.http1.heads import (
    SINGLE,
    Dates,
    fault_in,
    head_without_offer,
    header_block,
    offers_another,
    split_target,
    status_line,
)

log = logging.getLogger("switchgear.http")

Handler = Callable[[Exchange], Coroutine[Any, Any, None]]


class Refused(Exception):
    """Stops the parser."""


class Connection(asyncio.Protocol):
    """Reads ahead of the running request only to notice that the client leaves."""

    def __init__(
        self,
        handler: Handler,
        dates: Dates,
        loop: asyncio.AbstractEventLoop,
        opened: Callable[["Connection"], None],
        closed: Callable[["Connection"], None],
    ) -> None:
        self.loop = loop
        self.peer_ip = ""
        self.closing = False
        """No request after the running one."""
        self.is_full = False
        self.can_chunk = True
        self.date_line = dates.line
        self.write: Callable[[bytes], None]
        self._handler = handler
        self._opened = opened
        self._closed = closed
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
        self._target = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._overhead_bytes = 0
        """Read since the last byte of any body: a head, or what is between the chunks of a body."""
        self._paused = False
        self._lingering = False
        self._deaf = False
        """What the client sends is no request any more."""
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

    def answered(self) -> None:
        """The running request has its whole answer."""
        exchange, self._running = self._running, None
        self._since_s = self.loop.time()
        if exchange is None:
            return
        if not exchange.keep_alive or self.closing or not exchange.body_is_whole:
            self._linger() if not exchange.body_is_whole else self._transport.close()
            return
        if self._pipelined:
            self._start(self._pipelined.popleft())
        self._resume()

    # What the server asks for.

    def close_soon(self) -> None:
        """Finishes the running request, then closes; an idle connection closes now."""
        self.closing = True
        if self._running is None:
            self._transport.close()

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
        peer = transport.get_extra_info("peername")
        self.peer_ip = peer[0] if isinstance(peer, tuple) else ""
        self._since_s = self.loop.time()
        self._opened(self)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if not self._overhead_bytes and self._running is None:
            self._since_s = self.loop.time()
            if b"  " in data[: data.find(b"\n")]:
                self._refuse(400, "the request line can't be read")  # the parser would take it
                return
        self._feed(data)

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

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_full = False
        self._closed(self)
        running, self._running = self._running, None
        self._pipelined.clear()
        for exchange in (running, self._coming):
            if exchange is not None and not exchange.gone:
                exchange.client_gone()
        self._coming = None
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
        elif len(self._pipelined) < PIPELINED_REQUESTS_MAX:
            self._pipelined.append(exchange)
            self._pause()
        else:
            self._transport.abort()
            raise Refused

    def on_body(self, data: bytes) -> None:
        exchange = self._coming
        if exchange is None:
            return
        self._overhead_bytes = 0
        if exchange.finished:
            return  # answered already; what still comes is dropped
        if exchange.take_body(data) > UNREAD_BODY_BYTES_MAX and not exchange.asked_for_body:
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
            return
        parser, self._parser = self._parser, httptools.HttpRequestParser(self)
        head = head_without_offer(parser.get_method(), self._target, parser.get_http_version(), headers)
        self._feed(head + rest)

    def _start(self, exchange: Exchange) -> None:
        self._running = exchange
        # With a name of its own, as the loop would make one up for each.
        self._task = asyncio.Task(self._serve(exchange), loop=self.loop, name="request")

    async def _serve(self, exchange: Exchange) -> None:
        try:
            await self._handler(exchange)
        except Exception:
            log.exception("a request failed in the relay itself")
        finally:
            if not exchange.finished:
                # The handler broke off: the client must not take what it has for the whole.
                exchange.finished = True
                if not exchange.gone:
                    self._transport.abort()

    def _refuse(self, status: int, reason: str) -> None:
        """Answers what is no request that could be served, and closes; after the running answer, if there is
        one. Only the first of several reasons is told."""
        if self._deaf:
            return
        self.closing = self._deaf = True
        if self._running is None:
            body = f"{reason}\n".encode()
            head = [("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body)))]
            lines = status_line(status) + self.date_line() + header_block(head)
            self.write(lines + b"connection: close\r\n\r\n" + body)
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
