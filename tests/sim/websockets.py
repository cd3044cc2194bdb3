"""WebSocket sessions for tests: ours on a server of ours, ours to another's server, another's to ours."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve as library_serve
from websockets.utils import accept_key

from switchgear.net.transport import Timeouts, UpstreamRequest
from switchgear.net.transport_lean import LeanTransport
from switchgear.net.websocket import Message, WebSocket, WebSocketClosed, WebSocketTerms, code_to_pass
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
        for connection in list(server._crowd):
            connection.drop()  # a drain would wait for peers that never answer
        await server._empty.wait()
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


async def end_of(session: WebSocket) -> WebSocketClosed:
    """How a session ends, whatever comes before that."""
    async with asyncio.timeout(5):
        try:
            while True:
                await session.receive()
        except WebSocketClosed as end:
            return end


@contextlib.asynccontextmanager
async def _our_server(**more: Any) -> AsyncIterator[tuple[WebSocketServer, "asyncio.Future[WebSocket]"]]:
    """A server whose one session is in the test's hands."""
    met: asyncio.Future[WebSocket] = asyncio.get_running_loop().create_future()

    async def serve(session: WebSocket) -> None:
        met.set_result(session)
        await session.wait_closed()

    async with serving(serve, **more) as server:
        yield server, met


@contextlib.asynccontextmanager
async def with_library(
    side: str, theirs: dict[str, Any], **more: Any
) -> AsyncIterator[tuple[WebSocket, Any]]:
    """A session of ours and the websockets library's at its other end. ``side`` is ours."""
    theirs = {"max_size": None, "compression": None, "close_timeout": 1, **theirs}
    if side == "server":
        async with _our_server(**more) as (server, met), connect(server.url, **theirs) as other:
            yield await met, other
        return
    met: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def serve(other: Any) -> None:
        met.set_result(other)
        await other.wait_closed()

    async with library_serve(serve, "127.0.0.1", 0, **theirs) as their_server, lean() as transport:
        port = next(iter(their_server.sockets)).getsockname()[1]
        session = await transport.open_ws(get(f"ws://127.0.0.1:{port}/"), TIMEOUTS, terms_with(**more))
        yield session, await met


class RawPeer:
    """The other end of a session, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_masked: bool) -> None:
        self.reader, self.writer, self.is_masked = reader, writer, is_masked

    def frame(self, first: int, data: bytes = b"", *, masked: bool | None = None) -> None:
        """One frame. ``first``: its first byte, bits and opcode."""
        masked = self.is_masked if masked is None else masked
        size, bit = len(data), 0x80 if masked else 0
        head = bytes((first, bit | size)) if size < 126 else struct.pack("!BBQ", first, bit | 127, size)
        key = b"\1\2\3\4"
        if masked:
            head += key
            data = bytes(byte ^ key[at % 4] for at, byte in enumerate(data))
        self.writer.write(head + data)

    async def heard(self) -> tuple[int, bytes]:
        """First byte and content of the next frame."""
        async with asyncio.timeout(5):
            first, size = await self.reader.readexactly(2)
            masked, size = size & 0x80, size & 0x7F
            if size > 125:
                width = 2 if size == 126 else 8
                size = int.from_bytes(await self.reader.readexactly(width))
            key = await self.reader.readexactly(4) if masked else bytes(4)
            data = await self.reader.readexactly(size)
        return first, bytes(byte ^ key[at % 4] for at, byte in enumerate(data))

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


OFFER = (
    b"GET /session HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n"
)
DEFLATE = (
    b"sec-websocket-extensions: permessage-deflate; "
    b"client_no_context_takeover; server_no_context_takeover\r\n"
)


def accepting(offer: bytes, more: bytes = b"") -> bytes:
    """The 101 for an offer's bytes."""
    _, _, rest = offer.lower().partition(b"sec-websocket-key: ")
    key = offer[len(offer) - len(rest) :].split(b"\r\n")[0].decode()
    head = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    return f"{head}sec-websocket-accept: {accept_key(key)}\r\n".encode() + more + b"\r\n"


@contextlib.asynccontextmanager
async def with_raw(side: str, **more: Any) -> AsyncIterator[tuple[WebSocket, RawPeer]]:
    """A session of ours and bytes at its other end. ``side`` is ours."""
    deflate = DEFLATE if more.get("deflate") else b""
    if side == "server":
        async with _our_server(**more) as (server, met):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(OFFER % deflate)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            yield await met, RawPeer(reader, writer, True)
            writer.close()
        return
    met: asyncio.Future[RawPeer] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(accepting(await reader.readuntil(b"\r\n\r\n"), deflate))
        met.set_result(RawPeer(reader, writer, False))
        await done.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        async with lean() as transport:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            yield await transport.open_ws(get(url), TIMEOUTS, terms_with(**more)), await met
    finally:
        done.set()
        server.close()
