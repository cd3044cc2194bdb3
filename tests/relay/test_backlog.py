"""Without this a client that reads nothing of a fast stream could fill the worker's memory: the HTTP server
itself takes everything at once."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from switchgear.kernel.limits import KIB, MIB, SEND_AHEAD_BYTES_MAX
from switchgear.relay import backlog
from switchgear.relay.backlog import PeerSockets
from switchgear.relay.http import ClientGone
from switchgear.relay.rsgi import RsgiReply
from switchgear.relay.server import SharedSocketServer
from switchgear.serve.start import listen

STREAM_BYTES = 16 * MIB
WAIT_S = 10.0

pytestmark = pytest.mark.process


class Flood:
    """Answers each request with 16 MiB, as fast as it can; the query is the size of the pieces."""

    def __init__(self) -> None:
        self.sockets = PeerSockets()
        self.handed_over = 0
        self.left = asyncio.Event()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        size = int(scope.query_string)
        reply = RsgiReply(protocol, self.sockets, scope.client)
        reply.start_stream(200, [])
        try:
            for _ in range(STREAM_BYTES // size):
                await reply.send(b"x" * size)
                self.handed_over += size
        except ClientGone:
            self.left.set()
        reply.finish()


@pytest_asyncio.fixture
async def flood() -> AsyncIterator[tuple[Flood, int]]:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    app = Flood()
    server = SharedSocketServer(app, listener.detach())
    serving = asyncio.create_task(server.serve())
    yield app, port
    await server.drain(serving, WAIT_S)


async def ask(port: int, size: int, version: str = "1.1") -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    await loop.sock_sendall(client, f"GET /?{size} HTTP/{version}\r\nhost: a\r\n\r\n".encode())
    return client


async def standstill(app: Flood) -> None:
    """Returns once nothing was handed over for a while."""
    before = -1
    async with asyncio.timeout(WAIT_S):
        while not app.handed_over or before != app.handed_over:
            before = app.handed_over
            await asyncio.sleep(0.3)  # the time in which nothing may move


@pytest.mark.parametrize("size", [80, 4 * KIB, 48 * KIB])
async def test_a_client_that_reads_nothing_stops_the_sender(flood: tuple[Flood, int], size: int) -> None:
    app, port = flood
    client = await ask(port, size)
    await standstill(app)
    peer = "{}:{}".format(*client.getsockname())
    descriptor = app.sockets.find(peer)
    assert descriptor is not None
    in_kernel = backlog._bytes_taken(descriptor)
    assert in_kernel is not None
    assert app.handed_over + size - in_kernel <= SEND_AHEAD_BYTES_MAX + 2 * size
    client.close()


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_client_that_reads_late_gets_everything(flood: tuple[Flood, int], version: str) -> None:
    app, port = flood
    client = await ask(port, 4 * KIB, version)
    await standstill(app)
    received = 0
    async with asyncio.timeout(WAIT_S):
        while received < STREAM_BYTES:
            received += len(await asyncio.get_running_loop().sock_recv(client, MIB))
    client.close()


async def test_a_client_that_goes_away_lets_the_sender_go(flood: tuple[Flood, int]) -> None:
    app, port = flood
    client = await ask(port, 4 * KIB)
    await standstill(app)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(app.left.wait(), WAIT_S)
    assert app.left.is_set()
