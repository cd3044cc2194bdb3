"""Without this a rolling restart could drop a call whose request was on its way to the worker that leaves."""

import asyncio
import socket

import pytest

from switchgear.kernel.limits import LAST_REQUEST_S, MIB
from switchgear.relay.http1.exchange import Exchange
from switchgear.relay.http1.server import HttpServer
from switchgear.relay.room import Room

REQUEST = b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"


async def answer(exchange: Exchange) -> None:
    exchange.send_whole(200, [("content-type", "text/plain")], b"live")


@pytest.mark.parametrize(
    "sent_before", [b"", REQUEST[:10], REQUEST], ids=["nothing", "half a head", "a call"]
)
async def test_a_request_on_its_way_is_answered_as_the_last_one(sent_before: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    server = HttpServer(answer, listener, Room(MIB, "request bodies"))
    server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent_before)
    if sent_before == REQUEST:
        assert b"connection: close" not in await reader.readuntil(b"live")
    else:
        while not server._crowd:  # noqa: ASYNC110  # taken, but nothing says so
            await asyncio.sleep(0)
    draining = asyncio.create_task(server.drain(5.0))
    await asyncio.sleep(0)
    writer.write(REQUEST if sent_before == REQUEST else REQUEST[len(sent_before) :])
    last = await reader.read()
    assert last.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in last
    assert await draining
    writer.close()
    server.stop()


async def test_a_connection_that_asks_nothing_holds_the_drain_up_for_a_moment_only() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    server = HttpServer(answer, listener, Room(MIB, "request bodies"))
    server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
    while not server._crowd:  # noqa: ASYNC110  # taken, but nothing says so
        await asyncio.sleep(0)
    async with asyncio.timeout(LAST_REQUEST_S + 1.0):
        assert await server.drain(30.0)
    assert await reader.read() == b""
    writer.close()
    server.stop()
