"""Every transport must pass this: pumping, the way streams take. Without it: pieces out of order or twice, a
cut shown as an end, a deadline that a stream escapes, or an upstream that a slow client does not hold back.
"""

import asyncio
import gzip

import pytest
from tests.sim.calls import CHUNKED, TIMEOUTS, post
from tests.sim.raw_server import Peer, RawServer, replying

from switchgear.net.transport import Timeouts, Transport, TransportFault

HEAD = CHUNKED.index(b"\r\n\r\n") + 4


async def pumped(
    client: Transport, url: str, timeouts: Timeouts = TIMEOUTS, *, at_once: int = 10**9
) -> bytes:
    """The body, pumped in turns of ``at_once`` pieces."""
    got: list[bytes] = []
    left = at_once

    def sink(piece: bytes) -> bool:
        nonlocal left
        assert piece
        got.append(piece)
        left -= 1
        return left > 0

    response = await client.open(post(url), timeouts)
    try:
        while not await response.pump(sink):
            left = at_once
    finally:
        response.close()
    return b"".join(got)


def byte_by_byte(reply: bytes) -> RawServer:
    async def script(peer: Peer) -> None:
        while await peer.request() is not None:
            for byte in reply:
                await peer.send(bytes((byte,)))
                await peer.settle()

    return RawServer(script)


@pytest.mark.parametrize("at_once", [1, 2, 10**9])
async def test_pieces_come_whole_and_in_order_and_the_connection_is_kept(
    client: Transport, at_once: int
) -> None:
    async with byte_by_byte(CHUNKED) as server:
        for _ in range(2):
            assert await pumped(client, server.url, at_once=at_once) == b"hello world"
        assert server.connections == 1


async def test_a_body_that_came_with_its_head(client: Transport) -> None:
    async with RawServer(replying(CHUNKED)) as server:
        assert await pumped(client, server.url) == b"hello world"


async def test_a_compressed_body(client: Transport) -> None:
    body = gzip.compress(b"hello world" * 1000)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with RawServer(replying(head + body)) as server:
        assert await pumped(client, server.url) == b"hello world" * 1000


async def test_a_cut_at_every_byte_of_the_body_is_a_fault(client: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED[: HEAD + peer.number - 1])

    async with RawServer(script) as server:
        for _ in range(HEAD, len(CHUNKED)):
            with pytest.raises(TransportFault) as fault:
                await pumped(client, server.url)
            assert fault.value.stage == "answered"
        assert await pumped(client, server.url) == b"hello world"


@pytest.mark.parametrize("size", [HEAD, len(CHUNKED) - 5])
async def test_silence_between_pieces_has_its_deadline(client: Transport, size: int) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED[:size])
        await peer.until_closed()

    async with RawServer(script) as server:
        with pytest.raises(TransportFault) as fault:
            await pumped(client, server.url, Timeouts(2, 2, 0.1, 10))
        assert fault.value.kind == "idle_timeout"


async def test_what_the_sink_raises_comes_out(client: Transport) -> None:
    class Gone(Exception):
        pass

    def sink(piece: bytes) -> bool:
        raise Gone

    async with byte_by_byte(CHUNKED) as server:
        response = await client.open(post(server.url), TIMEOUTS)
        with pytest.raises(Gone):
            await response.pump(sink)
        response.close()


async def test_leaving_a_pump_closes_the_connection(client: Transport) -> None:
    closed, first = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED[: HEAD + 10])
        await peer.until_closed()
        closed.set()

    def sink(piece: bytes) -> bool:
        first.set()
        return True

    async with RawServer(script) as server:
        response = await client.open(post(server.url), TIMEOUTS)
        pumping = asyncio.create_task(response.pump(sink))
        await first.wait()
        pumping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pumping
        response.close()
        await asyncio.wait_for(closed.wait(), 1)
