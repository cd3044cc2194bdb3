"""Our own HTTP/1.1 client: a keep-alive pool on httptools, for the ordinary case on the hot path.

No proxies, no HTTP/2, no redirects. The connection used last goes out first, and none after a doubt.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import cast

from switchgear.kernel.limits import (
    CONNECTIONS_PER_ORIGIN_MAX,
    IDLE_CONNECTION_S_MAX,
    IDLE_CONNECTIONS_PER_ORIGIN_MAX,
    REUSE_RACE_S_MAX,
    TRANSPORT_CLOSE_WAIT_S,
    UPSTREAM_CONNECTIONS_MAX,
)
from switchgear.net.lean_chunk import ReadBuffer
from switchgear.net.lean_connect import Resolve, default_ssl_context, dial, resolve_any
from switchgear.net.lean_connection import Connection
from switchgear.net.lean_request import Origin, RequestEncoder
from switchgear.net.lean_response import LeanResponse
from switchgear.net.lean_websocket import session_after, upgrade_request
from switchgear.net.transport import Timeouts, TransportFault, UpstreamRequest
from switchgear.net.websocket import HandshakeRefused, WebSocketTerms
from switchgear.net.websocket_handshake import Offer
from switchgear.net.websocket_session import WebSocketSession


class _Pool:
    """The connections of one origin."""

    __slots__ = ("idle", "open", "origin")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.idle: list[Connection] = []
        self.open = 0


class LeanTransport:
    """A Transport. Belongs to the event loop that first uses it."""

    def __init__(
        self,
        ssl_context: ssl.SSLContext | None = None,
        connections_per_origin_max: int = CONNECTIONS_PER_ORIGIN_MAX,
        idle_connection_s: float = IDLE_CONNECTION_S_MAX,
        idle_connections_per_origin_max: int = IDLE_CONNECTIONS_PER_ORIGIN_MAX,
        resolve: Resolve = resolve_any,
        connections_max: int = UPSTREAM_CONNECTIONS_MAX,
    ) -> None:
        self._all_max = connections_max
        self._open = 0
        """Connections of all pools, those that are being dialled among them."""
        self._ssl_context = ssl_context
        self._connections_max = connections_per_origin_max
        self._idle_s = idle_connection_s
        self._idle_max = idle_connections_per_origin_max
        self._resolve = resolve
        self._encoder = RequestEncoder()
        self._pools: dict[Origin, _Pool] = {}
        self._owner: dict[Connection, _Pool] = {}
        self._buffer = ReadBuffer()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._drained: asyncio.Event | None = None
        self.connections_opened = 0
        self.reuse_races = 0
        """Requests sent again because the kept connection had been closed under them."""

    async def open(self, request: UpstreamRequest, timeouts: Timeouts) -> LeanResponse:
        """See Transport.open."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        origin, first_lines = self._encoder.route(request.method, request.url)
        wire = self._encoder.encode(first_lines, request.method, request.headers, request.body)
        total_at = loop.time() + timeouts.total_s
        head_only = request.method == "HEAD"
        connection = None if request.once else self._take(origin, loop)
        reused = connection is not None
        if connection is None:
            connection = await self._dial(origin, timeouts, total_at)
        while True:
            started_at = loop.time()
            exchange = connection.start(wire, timeouts, total_at, head_only)
            try:
                await exchange.wait(timeouts.first_byte_s)
            except BaseException:
                connection.fail("reset", "cancelled")
                raise
            if exchange.answered:
                return exchange
            fault = exchange.fault
            if fault is None:
                raise RuntimeError("woken without a reply or a fault")
            soon = loop.time() - started_at < REUSE_RACE_S_MAX
            if not (reused and soon and connection.silent and fault.kind == "reset"):
                raise fault
            self.reuse_races += 1
            reused = False
            try:
                connection = await self._dial(origin, timeouts, total_at)
            except TransportFault as dialled:
                # Most likely nothing was read, but it can't be said for certain.
                raise TransportFault(dialled.kind, "maybe_served", dialled.detail) from None

    async def open_ws(
        self, request: UpstreamRequest, timeouts: Timeouts, terms: WebSocketTerms
    ) -> WebSocketSession:
        """See WebSocketTransport.open_ws. Each session has a connection of its own, which counts as any."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        offer = Offer(terms)
        origin, wire = upgrade_request(self._encoder, request, offer)
        total_at = loop.time() + timeouts.total_s
        connection = await self._dial(origin, timeouts, total_at)
        exchange = connection.start_upgrade(wire, timeouts, total_at)
        try:
            await exchange.wait(timeouts.first_byte_s)
        except BaseException:
            connection.fail("reset", "cancelled")
            raise
        if exchange.fault is not None:
            raise exchange.fault
        if exchange.status != 101:
            raise HandshakeRefused(exchange)
        return session_after(connection, exchange, offer, terms, self._buffer)

    async def close(self) -> None:
        """See Transport.close."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in list(self._owner):
            connection.fail("reset", "the transport was closed")
        if self._owner:
            self._drained = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TRANSPORT_CLOSE_WAIT_S):
                    await self._drained.wait()

    def _take(self, origin: Origin, loop: asyncio.AbstractEventLoop) -> Connection | None:
        """The connection used last that is still good."""
        pool = self._pools.get(origin)
        while pool is not None and pool.idle:
            connection = pool.idle.pop()
            if connection.dead:
                continue
            if loop.time() - connection.idle_since < self._idle_s:
                return connection
            connection.cut()
        return None

    async def _dial(self, origin: Origin, timeouts: Timeouts, total_at: float) -> Connection:
        loop = cast("asyncio.AbstractEventLoop", self._loop)
        self._refuse_closed()
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = _Pool(origin)
        if pool.open >= self._connections_max:
            raise TransportFault("no_room", "not_sent", "too many connections to this upstream")
        context = None
        if origin.scheme == "https":
            if self._ssl_context is None:
                self._ssl_context = default_ssl_context()
            context = self._ssl_context
        within_s = min(timeouts.connect_s, total_at - loop.time())

        def factory() -> Connection:
            return Connection(loop, self._buffer, self._released, self._forgotten)

        if self._open >= self._all_max and not self._drop_idle():
            raise TransportFault("no_room", "not_sent", "as many connections as this server may have")
        pool.open += 1
        self._open += 1
        try:
            connection = await self._dialled(origin, factory, context, within_s)
            if connection.dead:
                raise TransportFault("connect", "not_sent", "closed as soon as it was connected")
        except BaseException:
            self._left(pool)
            raise
        self.connections_opened += 1
        self._owner[connection] = pool
        try:
            self._refuse_closed()
        except TransportFault:
            connection.cut()
            raise
        return connection

    async def _dialled(
        self,
        origin: Origin,
        factory: Callable[[], Connection],
        context: ssl.SSLContext | None,
        within_s: float,
    ) -> Connection:
        """A new connection. Where this machine has none to give, those that are kept for later calls go
        first."""
        try:
            return await dial(origin, factory, context, within_s, self._resolve)
        except TransportFault as fault:
            if fault.kind != "no_room" or not self._drop_idle():
                raise
        await asyncio.sleep(0)  # they are closed by the loop
        return await dial(origin, factory, context, within_s, self._resolve)

    def _drop_idle(self) -> bool:
        idle = [connection for pool in self._pools.values() for connection in pool.idle]
        for connection in idle:
            connection.cut()
        return bool(idle)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise TransportFault("no_room", "not_sent", "the transport is closed")

    def _released(self, connection: Connection) -> None:
        pool = self._owner[connection]
        if self._closed or len(pool.idle) >= self._idle_max:
            connection.cut()
            return
        loop = cast("asyncio.AbstractEventLoop", self._loop)
        connection.idle_since = loop.time()
        pool.idle.append(connection)
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._idle_s, self._sweep)

    def _forgotten(self, connection: Connection) -> None:
        pool = self._owner.pop(connection, None)
        if pool is not None:
            if connection in pool.idle:
                pool.idle.remove(connection)
            self._left(pool)
        if not self._owner and self._drained is not None:
            self._drained.set()

    def _left(self, pool: _Pool) -> None:
        """One connection of the pool is no more; an origin without any is forgotten."""
        pool.open -= 1
        self._open -= 1
        if pool.open == 0:
            self._pools.pop(pool.origin, None)

    def _sweep(self) -> None:
        """Closes connections that have been idle too long."""
        loop = cast("asyncio.AbstractEventLoop", self._loop)
        before = loop.time() - self._idle_s
        kept = 0
        for pool in self._pools.values():
            for connection in pool.idle:
                if connection.idle_since <= before:
                    connection.cut()
            pool.idle = [connection for connection in pool.idle if not connection.dead]
            kept += len(pool.idle)
        self._sweeper = loop.call_later(self._idle_s / 2, self._sweep) if kept else None
