"""One HTTP/1.1 connection and the exchange on it.

A connection is *idle* (in the pool), *busy* (one exchange) or *dead*. An exchange is *sent*, then *answered*
(its headers came), then *ended* (the proper end, or a fault). At the proper end the connection leaves the
exchange at once, so the pool has it back before the reader has taken the last bytes; a doubt makes it dead.
"""

import asyncio
from collections.abc import Callable
from math import inf
from typing import cast

import httptools

from switchgear.kernel.limits import STREAM_BUFFER_BYTES_MAX, UPSTREAM_HEADER_BYTES_MAX, UPSTREAM_READ_BYTES
from switchgear.net.header_names import kept_name, read_name
from switchgear.net.lean_chunk import ReadBuffer, ends_between_chunks
from switchgear.net.lean_response import LeanResponse
from switchgear.net.transport import FaultKind, Timeouts, TransportFault

_PAUSE_ABOVE_BYTES = STREAM_BUFFER_BYTES_MAX - UPSTREAM_READ_BYTES


class _Refused(Exception):
    """Stops the parser; why is noted on the connection."""


class Connection(asyncio.BufferedProtocol):
    """A socket, its parser, and the exchange that has it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        buffer: ReadBuffer,
        release: Callable[["Connection"], None],
        forget: Callable[["Connection"], None],
    ) -> None:
        """``buffer`` takes what is read.
        ``release`` puts the connection back into the pool, ``forget`` hears of its death."""
        self._loop = loop
        self._time = loop.time
        self._buffer = buffer.view
        self._only_chunk = buffer.only_chunk
        self.get_buffer = buffer.lend  # type: ignore[method-assign, assignment]
        self._release = release
        self._forget = forget
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at = inf
        self._due = inf
        self.exchange: LeanResponse | None = None
        self.dead = False
        self.paused = False
        self.idle_since = 0.0
        self.silent = True
        """No byte of a reply has come on the running exchange."""
        self._sending = False
        self._head_bytes = 0
        self._overhead_bytes = 0
        self._chunked = False
        self._between_chunks = False
        """The parser has the whole of a chunk and nothing of the next: one that comes alone passes it by."""
        self._until_close = False
        self._upgrades = False
        self._rest = b""
        """What came behind a 101."""
        self._done = False
        self._doubt = False
        self._refusal: tuple[FaultKind, str] = ("protocol", "")

    def start(self, wire: bytes, timeouts: Timeouts, total_at: float, head_only: bool) -> LeanResponse:
        """Sends a request. Await ``wait(first_byte_s)`` on the result, then see ``answered`` or ``fault``."""
        exchange = LeanResponse(self, self._loop, timeouts, total_at, head_only)
        self.exchange = exchange
        self.silent = True
        self._head_bytes = self._overhead_bytes = 0
        self._done = self._until_close = self._chunked = self._between_chunks = False
        self._transport.write(wire)
        return exchange

    def start_upgrade(self, wire: bytes, timeouts: Timeouts, total_at: float) -> LeanResponse:
        """Sends a request that offers to go on in another protocol; a 101 answers it, too."""
        self._upgrades = True
        return self.start(wire, timeouts, total_at, False)

    def hand_over(self) -> tuple[asyncio.Transport, bytes]:
        """After a 101: the transport, which is paused, and what came behind the head. The new protocol must
        call ``connection_lost`` here at its end."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.ended = True
            exchange.connection = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        rest, self._rest = self._rest, b""
        return self._transport, rest

    def arm(self, due: float) -> None:
        """The exchange fails at ``due``. A timer that rings before that is left alone: it looks again."""
        self._due = due
        if due < self._armed_at:
            if self._timer is not None:
                self._timer.cancel()
            self._armed_at = due
            self._timer = self._loop.call_at(due, self._ring)

    def fail(self, kind: FaultKind, detail: str = "") -> None:
        """Ends the exchange with a fault and the connection with it."""
        exchange = self.exchange
        self.cut()
        if exchange is None:
            return
        self.exchange = exchange.connection = None
        exchange.ended = True
        if exchange.fault is None:
            exchange.fault = TransportFault(kind, "answered" if exchange.answered else "maybe_served", detail)
        exchange.wake()

    def cut(self) -> None:
        """Closes the socket at once."""
        self.dead = True
        self._transport.abort()

    def resume(self) -> None:
        self.paused = False
        if not self.dead:
            self._transport.resume_reading()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # Told of every write that the kernel does not take at once: the reply must not come before its end.
        # Not high=0: asyncio's TLS pauses at "buffered >= high", so that would be always.
        self._transport.set_write_buffer_limits(high=1, low=0)

    def buffer_updated(self, nbytes: int) -> None:
        exchange = self.exchange
        if exchange is None:
            self.cut()  # an idle connection has nothing to say
            return
        if self._between_chunks:
            # Callables that are attributes are called as locals here: as ``self.…()`` each would cost a look
            # through the class first.
            sink, only_chunk, time = exchange.sink, self._only_chunk, self._time
            if sink is not None and (data := only_chunk(nbytes)):
                try:
                    if sink(data):
                        exchange.heard_at = time()
                    else:
                        exchange.stop_sink(False)
                except Exception as fault:
                    exchange.stop_sink(fault)
                return
            self._between_chunks = False
        self.silent = False
        self._overhead_bytes += nbytes
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except httptools.HttpParserUpgrade as stopped:
            if not self._upgrades:
                self.fail("protocol", "an upgrade that was not asked for")
                return
            self._rest = bytes(self._buffer[stopped.args[0] : nbytes])
            self._transport.pause_reading()
            exchange.wake()
            return
        except httptools.HttpParserError as fault:
            if not self._done:
                kind, detail = self._refusal
                self.fail(kind, detail or str(fault))
                return
            self._doubt = True
        if exchange.sink is not None and exchange.pieces:
            if self._chunked:
                read_end = self._buffer[:nbytes][-4:].tobytes()
                self._between_chunks = ends_between_chunks(exchange.pieces[-1], read_end)
            exchange.feed_sink(exchange.sink)
        if self._done:
            self._complete()
        elif self._overhead_bytes > UPSTREAM_HEADER_BYTES_MAX:
            self.fail("header_too_large", "more bytes of head, chunk sizes or trailers than the bound")
        elif exchange.buffered > _PAUSE_ABOVE_BYTES and not self.paused:
            self.paused = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._sending = True

    def resume_writing(self) -> None:
        self._sending = False
        exchange = self.exchange
        if exchange is not None and not exchange.answered and exchange.waiter is not None:
            due = self._time() + exchange.timeouts.first_byte_s
            self.arm(min(due, exchange.total_at))

    def eof_received(self) -> None:
        """Not to be used again; the transport closes now and connection_lost says what it meant."""
        self.dead = True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.dead = True
        exchange = self.exchange
        if exchange is not None:
            if exc is not None:
                self.fail("reset", type(exc).__name__)
            elif self._until_close and exchange.answered:
                self._complete()
            else:
                self.fail("reset" if self.silent else "truncated", "the upstream closed the connection")
        self._forget(self)
        del self._parser  # it holds this object; nobody should have to look for the cycle

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._done:
            self._doubt = True
            raise _Refused

    def on_header(self, name: bytes, value: bytes) -> None:
        exchange = self.exchange
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > UPSTREAM_HEADER_BYTES_MAX:
            self._refuse("header_too_large", f"more than {UPSTREAM_HEADER_BYTES_MAX} bytes of headers")
        if exchange is None or exchange.answered:
            return  # trailers
        key = kept_name(name) or read_name(name)
        text = value.decode("latin-1")
        headers = exchange.headers
        headers[key] = f"{headers[key]}, {text}" if key in headers else text

    def on_headers_complete(self) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101 and self._upgrades:
                exchange.status = status
                exchange.answered = self._doubt = True
                return
            if status < 100 or status == 101:
                self._refuse("protocol", f"status {status}")
            exchange.headers.clear()
            return
        self._frame_body(exchange, status)
        exchange.status = status
        exchange.answered = True
        if self._sending:
            self._doubt = True  # answered before it had the whole request
        exchange.wake()

    def on_body(self, body: bytes) -> None:
        exchange = self.exchange
        if exchange is not None and not exchange.head_only and not self._done:
            self._overhead_bytes = 0
            exchange.pieces.append(body)
            exchange.buffered += len(body)
            if exchange.waiter is not None and exchange.sink is None:
                exchange.wake()

    def on_message_complete(self) -> None:
        exchange = self.exchange
        if exchange is not None and exchange.answered and not self._done:
            self._done = True
            if not self._parser.should_keep_alive():
                self._doubt = True

    # Helpers.

    def _frame_body(self, exchange: LeanResponse, status: int) -> None:
        """How the body ends; refuses what two parsers could read in two ways."""
        headers = exchange.headers
        coding = headers.get("transfer-encoding")
        length = headers.get("content-length")
        if coding is not None and (coding.lower() != "chunked" or length is not None):
            self._refuse("protocol", "transfer-encoding with a length, or not chunked alone")
        if length is not None and not (length.isascii() and length.isdigit()):
            self._refuse("protocol", "content-length is not one number")
        if exchange.head_only:
            self._done = self._doubt = True
            return
        if status == 204 or status == 304:
            return
        self._chunked = coding is not None
        self._until_close = coding is None and length is None
        encoding = headers.get("content-encoding")
        if encoding is not None and encoding.lower() != "identity":
            exchange.decode_with(encoding.lower())
            headers.pop("content-encoding")
            headers.pop("content-length", None)

    def _refuse(self, kind: FaultKind, detail: str) -> None:
        self._refusal = (kind, detail)
        raise _Refused

    def _complete(self) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        self.exchange = exchange.connection = None
        exchange.ended = True
        exchange.wake()
        if self._doubt or self.dead or self._transport.is_closing():
            self.cut()
            return
        if self.paused:
            self.resume()
        self._release(self)

    def _ring(self) -> None:
        self._timer = None
        self._armed_at = inf
        exchange = self.exchange
        if exchange is None:
            return
        if exchange.waiter is None:
            due = exchange.total_at
        elif exchange.sink is not None:
            due = min(
                max(exchange.idle_due, exchange.heard_at + exchange.timeouts.idle_chunk_s), exchange.total_at
            )
        else:
            due = self._due
        if self._time() < due:
            self.arm(due)
        elif due == exchange.total_at:  # not by the clock: a loop that is late may wake after both deadlines
            self.fail("total_timeout")
        else:
            self.fail("idle_timeout" if exchange.answered else "first_byte_timeout")
