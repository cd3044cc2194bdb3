"""The transport for what the lean one leaves out: HTTP/2 and proxies, on pyreqwest (reqwest).

What it can't do is listed, and held true, in ``tests/net/test_transport_conformance.py``.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BuilderError, ConnectTimeoutError, PyreqwestError
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from switchgear.kernel.limits import (
    CONNECTIONS_PER_ORIGIN_MAX,
    IDLE_CONNECTION_S_MAX,
    IDLE_CONNECTIONS_PER_ORIGIN_MAX,
    PYREQWEST_CLIENTS_MAX,
    UPSTREAM_HEADER_BYTES_MAX,
)
from switchgear.net.lean_decode import BadEncoding, Inflater
from switchgear.net.lean_request import RequestEncoder
from switchgear.net.pyreqwest_faults import transport_fault
from switchgear.net.transport import (
    FaultKind,
    Grow,
    Timeouts,
    TransportFault,
    UpstreamRequest,
    pump_chunks,
    read_chunks,
)

_READ_AHEAD_BYTES = 0
"""The default reads 64 KiB ahead, and an upstream stream stays open, and paid for, after its reader has gone.
Any figure but 0 holds the headers and the first chunks back until so many bytes have come."""


class PyreqwestResponse:
    """The UpstreamResponse of this transport."""

    def __init__(
        self,
        transport: "PyreqwestTransport",
        exchange: StreamRequest,
        response: Response,
        timeouts: Timeouts,
        total_at: float,
    ) -> None:
        self._transport = transport
        self._exchange: StreamRequest | None = exchange
        self._reader = response.body_reader
        self._idle_s = timeouts.idle_chunk_s
        self._total_at = total_at
        self.status = response.status
        self.headers: dict[str, str] = {}
        for name, value in response.headers.items():
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        coding = self.headers.pop("content-encoding", "identity").lower()
        self._decoder = Inflater(coding) if coding != "identity" else None
        if self._decoder is not None:
            self.headers.pop("content-length", None)

    async def pump(self, sink: Callable[[bytes], bool]) -> bool:
        """See UpstreamResponse.pump."""
        return await pump_chunks(self, sink)

    async def next_chunk(self) -> bytes:
        """See UpstreamResponse.next_chunk."""
        decoder = self._decoder
        if decoder is None:
            return await self._next_raw()
        try:
            while not (decoded := decoder.step()):
                raw = await self._next_raw()
                if not raw:
                    decoder.finish()
                    break
                decoder.feed(raw)
        except BadEncoding as fault:
            self.close()
            raise TransportFault("encoding", "answered", str(fault)) from None
        return decoded

    async def read(self, bytes_max: int, grow: Grow | None = None) -> bytes:
        """See UpstreamResponse.read."""
        return await read_chunks(self, bytes_max, grow)

    def close(self) -> None:
        """See UpstreamResponse.close."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._transport.end(exchange)

    async def _next_raw(self) -> bytes:
        idle_due = asyncio.get_running_loop().time() + self._idle_s
        try:
            async with asyncio.timeout_at(min(idle_due, self._total_at)):
                while (chunk := await self._reader.read_chunk()) is not None:
                    # Its own buffer type costs several times as much when it is passed on.
                    if piece := bytes(chunk):
                        return piece
            return b""
        except TimeoutError:
            # By what was armed, not by the clock: a loop that is late may wake after both deadlines.
            kind: FaultKind = "idle_timeout" if idle_due < self._total_at else "total_timeout"
            fault = TransportFault(kind, "answered")
        except PyreqwestError as broken:
            fault = transport_fault(broken, "answered")
        self.close()
        raise fault


class PyreqwestTransport:
    """A Transport. ``http2``: offer it to every ``https`` upstream. Proxies come from the environment."""

    def __init__(self, http2: bool = False, root_certificate_pem: bytes | None = None) -> None:
        self._http2 = http2
        self._root_certificate_pem = root_certificate_pem
        self._checker = RequestEncoder()
        self._clients: dict[tuple[float, bool], Client] = {}
        self._running: set[StreamRequest] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def open(self, request: UpstreamRequest, timeouts: Timeouts) -> PyreqwestResponse:
        """See Transport.open. The first-byte deadline begins when the connect deadline ends at the latest."""
        if self._closed:
            raise TransportFault("no_room", "not_sent", "the transport is closed")
        total_at = asyncio.get_running_loop().time() + timeouts.total_s
        head_s = timeouts.connect_s + timeouts.first_byte_s
        exchange = self._build(request, timeouts.connect_s)
        self._running.add(exchange)
        opened = False
        try:
            async with asyncio.timeout(min(head_s, timeouts.total_s)):
                response = PyreqwestResponse(self, exchange, await exchange.__aenter__(), timeouts, total_at)
            if response.status == 101:
                raise TransportFault("protocol", "maybe_served", "an upgrade that was not asked for")
            size = sum(len(name) + len(value) + 4 for name, value in response.headers.items())
            if size > UPSTREAM_HEADER_BYTES_MAX:
                raise TransportFault("header_too_large", "maybe_served")
            opened = True
            return response
        except ConnectTimeoutError:
            raise TransportFault("connect_timeout", "not_sent") from None
        except TimeoutError:
            kind: FaultKind = "first_byte_timeout" if head_s < timeouts.total_s else "total_timeout"
            raise TransportFault(kind, "maybe_served") from None
        except PyreqwestError as broken:
            raise transport_fault(broken, "maybe_served") from None
        finally:
            if not opened:
                self.end(exchange)

    async def close(self) -> None:
        """See Transport.close."""
        self._closed = True
        for exchange in list(self._running):
            self.end(exchange)
        await asyncio.gather(*self._ending, return_exceptions=True)
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    def end(self, exchange: StreamRequest) -> None:
        """Ends an exchange in the background: it takes a coroutine here, but never waits for the upstream."""
        self._running.discard(exchange)
        task = asyncio.get_running_loop().create_task(_exit(exchange))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _build(self, request: UpstreamRequest, connect_s: float) -> StreamRequest:
        _, lines = self._checker.route(request.method, request.url)
        self._checker.encode(lines, request.method, request.headers, b"")
        try:
            builder = self._client(connect_s, request.once).request(request.method, request.url)
            builder = builder.headers(list(request.headers))
            if request.body:
                builder = builder.body_bytes(request.body)
            return builder.streamed_read_buffer_limit(_READ_AHEAD_BYTES).build_streamed()
        except (BuilderError, ValueError) as fault:
            raise TransportFault("protocol", "not_sent", f"not a request: {type(fault).__name__}") from None

    def _client(self, connect_s: float, once: bool) -> Client:
        client = self._clients.get((connect_s, once))
        if client is None:
            if len(self._clients) >= PYREQWEST_CLIENTS_MAX:
                # An old one stays open for the exchanges that run on it, and ends with the last of them.
                del self._clients[next(iter(self._clients))]
            idle_max = 0 if once else IDLE_CONNECTIONS_PER_ORIGIN_MAX
            builder = (
                ClientBuilder()
                .follow_redirects(False)
                .referer(False)
                .http2(self._http2)
                .gzip(False)
                .deflate(False)
                .brotli(False)
                .zstd(False)
                .connect_timeout(timedelta(seconds=connect_s))
                .max_connections(CONNECTIONS_PER_ORIGIN_MAX)
                .pool_idle_timeout(timedelta(seconds=IDLE_CONNECTION_S_MAX))
                .pool_max_idle_per_host(idle_max)
            )
            if self._root_certificate_pem is not None:
                builder = builder.add_root_certificate_pem(self._root_certificate_pem)
            client = self._clients[(connect_s, once)] = builder.build()
        return client


async def _exit(exchange: StreamRequest) -> None:
    await exchange.__aexit__(None, None, None)
