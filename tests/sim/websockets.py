"""WebSocket sessions for tests: ours on a server of ours, ours to another's server, another's to ours."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from switchgear.net.transport import Timeouts, UpstreamRequest
from switchgear.net.transport_lean import LeanTransport
from switchgear.net.websocket import Message, WebSocket, WebSocketClosed, WebSocketTerms
from switchgear.net.websocket_handshake import BadHandshake
from switchgear.relay.http1.exchange import Exchange
from switchgear.relay.http1.server import HttpServer
from switchgear.relay.room import Holding, Room

TERMS = WebSocketTerms(idle_s=5, total_s=20)
TIMEOUTS = Timeouts(connect_s=2, first_byte_s=2, idle_chunk_s=2, total_s=10)
TEXT = [("content-type", "text/plain")]
Serve = Callable[[WebSocket], Awaitable[None]]
ROOM_BYTES = 128 << 20


def text(data: str) -> Message:
    return Message(data.encode(), True)


def binary(data: bytes) -> Message:
    return Message(data, False)


def get(url: str, *headers: tuple[str, str]) -> UpstreamRequest:
    return UpstreamRequest("GET", url, headers)


def terms_with(**more: Any) -> WebSocketTerms:
    return WebSocketTerms(**{"idle_s": 5.0, "total_s": 20.0, **more})


async def echo(session: WebSocket) -> None:
    """Sends back what comes, and passes the end on."""
    while True:
        await session.send(await session.receive())


class WebSocketServer:
    """One HTTP server of ours whose every request is upgraded and served by ``serve``. ``ends`` gathers how
    sessions ended, ``room`` is what they buffer in."""

    def __init__(self, server: HttpServer, port: int) -> None:
        self.server, self.port = server, port
        self.room = Room(ROOM_BYTES, "messages")
        self.ends: asyncio.Queue[WebSocketClosed] = asyncio.Queue()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/session"

    async def end(self) -> WebSocketClosed:
        async with asyncio.timeout(5):
            return await self.ends.get()


@contextlib.asynccontextmanager
async def serving(
    serve: Serve = echo, before: Callable[[], Awaitable[None]] | None = None, **more: Any
) -> AsyncIterator[WebSocketServer]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    rig: WebSocketServer

    async def handle(exchange: Exchange) -> None:
        if before is not None:
            await before()
        holding = Holding(rig.room, "key")
        try:
            session = exchange.upgrade(terms_with(**{"allowance": holding, **more}))
        except BadHandshake as bad:
            exchange.send_whole(bad.status, [*TEXT, *bad.headers], bad.reason.encode())
            return
        try:
            await serve(session)
        except WebSocketClosed as end:
            rig.ends.put_nowait(end)
            await session.wait_closed()
        finally:
            holding.close()

    server = HttpServer(handle, listener, Room(1 << 20, "request bodies"))
    rig = WebSocketServer(server, listener.getsockname()[1])
    server.start()
    try:
        yield rig
    finally:
        await server.drain(0)
        server.stop()


@contextlib.asynccontextmanager
async def lean() -> AsyncIterator[LeanTransport]:
    transport = LeanTransport()
    try:
        yield transport
    finally:
        await transport.close()


async def pump(one: WebSocket, other: WebSocket) -> None:
    """Both directions until either side ends; its code goes to the other."""

    async def way(source: WebSocket, target: WebSocket) -> None:
        from switchgear.net.websocket import code_to_pass

        try:
            while True:
                await target.send(await source.receive())
        except WebSocketClosed as end:
            target.close(code_to_pass(end.code), end.reason)
            source.close(code_to_pass(end.code), end.reason)
            raise

    ways = [asyncio.ensure_future(way(one, other)), asyncio.ensure_future(way(other, one))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for each in ways:
            each.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    one.close()
    other.close()
