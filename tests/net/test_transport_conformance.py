"""Every transport must pass this: connections, cancelling, deadlines, TLS. Without it: keep-alive lost,
streams that run on unread and unpaid, requests that reach an upstream twice, or a hang without a name.

It runs on both event loops. ``DIFFERENCES`` in ``conftest.py`` lists what an implementation can't do.
"""

import asyncio
import time

import pytest
from tests.sim.calls import CHUNKED, OK, TIMEOUTS, call, fault_of, post
from tests.sim.certificates import Authority
from tests.sim.raw_server import Peer, RawServer, replying

from switchgear.net.transport import Timeouts, Transport, TransportFault

# Keep-alive.


async def test_sequential_calls_share_one_connection(client: Transport) -> None:
    async with RawServer(replying(OK)) as server:
        for _ in range(20):
            assert await call(client, server.url) == b"hi"
        assert server.connections == 1


async def test_parallel_calls_share_their_connections_later(client: Transport) -> None:
    async with RawServer(replying(CHUNKED)) as server:
        for _ in range(3):
            replies = await asyncio.gather(*[call(client, server.url) for _ in range(20)])
            assert replies == [b"hello world"] * 20
        assert server.connections <= 20


async def test_connection_closed_while_idle_is_replaced(client: Transport) -> None:
    async with RawServer(replying(OK, then_close=True)) as server:
        for _ in range(5):
            assert await call(client, server.url) == b"hi"
        assert server.connections == 5


async def test_connection_closed_under_the_request_is_retried_once(client: Transport) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        if (first := await peer.request()) is None:
            return
        seen.append(first)
        await peer.send(OK)
        if peer.number == 1:
            await peer.reader.readexactly(1)
            peer.reset()
        await peer.until_closed()

    async with RawServer(script) as server:
        assert await call(client, server.url) == b"hi"
        assert await call(client, server.url) == b"hi"
        assert server.connections == 2
        assert len(seen) == 2


async def test_fresh_connection_closed_without_a_byte_is_not_retried(client: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.reset()

    async with RawServer(script) as server:
        fault = await fault_of(client, server.url)
        assert (fault.kind, fault.stage) == ("reset", "maybe_served")
        assert server.connections == 1


async def test_request_to_be_sent_once_gets_a_connection_of_its_own(client: Transport) -> None:
    async with RawServer(replying(OK)) as server:
        assert await call(client, server.url) == b"hi"
        assert await call(client, server.url, once=True) == b"hi"
        assert server.connections == 2


DOUBTS = {
    "connection: close": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi",
    "old version": b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    "extra bytes": OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    "extra rubbish": OK + b"rubbish",
}


@pytest.mark.parametrize("reply", DOUBTS.values(), ids=DOUBTS.keys())
async def test_no_reuse_after_doubt(client: Transport, reply: bytes) -> None:
    async with RawServer(replying(reply)) as server:
        for _ in range(3):
            assert await call(client, server.url) == b"hi"
        assert server.connections == 3


async def test_no_reuse_after_an_answer_to_half_a_request(client: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        if peer.number == 1:
            await asyncio.Event().wait()
        await peer.until_closed()

    async with RawServer(script) as server:
        response = await client.open(post(server.url, body=b"x" * (32 << 20)), TIMEOUTS)
        assert response.status == 413
        assert await response.read(100) == b"no"
        response.close()
        response = await client.open(post(server.url), TIMEOUTS)
        response.close()
        assert server.connections == 2


# Cancelling and back-pressure.


async def test_cancelling_before_headers_closes_the_connection(client: Transport) -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await peer.until_closed()
        closed.set()

    async with RawServer(script) as server:
        opening = asyncio.create_task(client.open(post(server.url), TIMEOUTS))
        await asked.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await asyncio.wait_for(closed.wait(), 1)


@pytest.mark.parametrize("waiting", [True, False])
async def test_leaving_a_stream_closes_the_connection(client: Transport, waiting: bool) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED[:-5])
        await peer.until_closed()
        closed.set()

    async with RawServer(script) as server:
        response = await client.open(post(server.url), TIMEOUTS)
        got = b""
        while len(got) < 11:
            got += await response.next_chunk()
        if waiting:
            reading = asyncio.create_task(response.next_chunk())
            await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        response.close()
        await asyncio.wait_for(closed.wait(), 1)


async def test_upstream_is_held_back_while_the_reader_sleeps(client: Transport) -> None:
    piece, pieces = b"x" * (1 << 16), 1024
    pushed = 0
    blocked = asyncio.Event()

    async def script(peer: Peer) -> None:
        nonlocal pushed
        await peer.request()
        peer.writer.transport.set_write_buffer_limits(0)
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (len(piece) * pieces))
        for _ in range(pieces):
            peer.writer.write(piece)
            if not blocked.is_set():
                try:
                    async with asyncio.timeout(0.3):
                        await peer.writer.drain()
                except TimeoutError:
                    blocked.set()
                pushed += len(piece)
            await peer.writer.drain()

    async with RawServer(script) as server:
        response = await client.open(post(server.url), TIMEOUTS)
        await asyncio.wait_for(blocked.wait(), 5)
        assert pushed < 16 << 20  # what two kernels hold, and 128 KiB of ours
        assert len(await response.read(len(piece) * pieces)) == len(piece) * pieces


# Deadlines.


def silent_after(sent: bytes) -> RawServer:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)
        await peer.until_closed()

    return RawServer(script)


async def test_connect_deadline_covers_tls(client: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.until_closed()

    async with RawServer(script) as server:
        url = f"https://localhost:{server.port}"
        fault = await fault_of(client, url, Timeouts(0.1, 2, 2, 10))
        assert (fault.kind, fault.stage) == ("connect_timeout", "not_sent")


async def test_first_byte_deadline(client: Transport) -> None:
    async with silent_after(b"") as server:
        fault = await fault_of(client, server.url, Timeouts(0.1, 0.1, 2, 10))
        assert (fault.kind, fault.stage) == ("first_byte_timeout", "maybe_served")


async def test_half_a_head_does_not_stop_the_first_byte_deadline(client: Transport) -> None:
    async with silent_after(CHUNKED[:30]) as server:
        fault = await fault_of(client, server.url, Timeouts(0.1, 0.1, 2, 10))
        assert (fault.kind, fault.stage) == ("first_byte_timeout", "maybe_served")


@pytest.mark.parametrize("size", [len(CHUNKED) - 5, CHUNKED.index(b"\r\n\r\n") + 4])
async def test_idle_deadline(client: Transport, size: int) -> None:
    async with silent_after(CHUNKED[:size]) as server:
        fault = await fault_of(client, server.url, Timeouts(2, 2, 0.1, 10))
        assert (fault.kind, fault.stage) == ("idle_timeout", "answered")


async def test_total_deadline_ends_a_stream_that_trickles(client: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED[: CHUNKED.index(b"\r\n\r\n") + 4])
        pause = asyncio.Event()
        while True:
            await peer.send(b"1\r\nx\r\n")
            asyncio.get_running_loop().call_later(0.02, pause.set)
            await pause.wait()
            pause.clear()

    async with RawServer(script) as server:
        fault = await fault_of(client, server.url, Timeouts(2, 2, 0.5, 0.3))
        assert (fault.kind, fault.stage) == ("total_timeout", "answered")


async def test_total_deadline_before_the_headers(client: Transport) -> None:
    async with silent_after(b"") as server:
        fault = await fault_of(client, server.url, Timeouts(2, 2, 2, 0.1))
        assert (fault.kind, fault.stage) == ("total_timeout", "maybe_served")


async def test_a_late_loop_names_the_deadline_that_came_first(client: Transport) -> None:
    async with silent_after(CHUNKED[: CHUNKED.index(b"\r\n\r\n") + 4]) as server:
        response = await client.open(post(server.url), Timeouts(2, 2, 0.1, 0.2))
        reading = asyncio.create_task(response.next_chunk())
        await asyncio.sleep(0)
        hold_up_the_loop(0.3)
        with pytest.raises(TransportFault) as raised:
            await reading
        assert (raised.value.kind, raised.value.stage) == ("idle_timeout", "answered")


async def test_total_deadline_is_named_at_every_fraction_of_a_millisecond(client: Transport) -> None:
    """uvloop counts whole ones, so a timer may ring a little before what another clock calls its time."""
    async with silent_after(CHUNKED[: CHUNKED.index(b"\r\n\r\n") + 4]) as server:
        deadlines = [Timeouts(2, 2, 5, 1 + tenths_ms / 10_000) for tenths_ms in range(30)]
        faults = await asyncio.gather(*[fault_of(client, server.url, one) for one in deadlines])
        assert {fault.kind for fault in faults} == {"total_timeout"}


def hold_up_the_loop(seconds: float) -> None:
    """What a callback that computes too long does."""
    time.sleep(seconds)


# Connecting.


async def test_nobody_listens(client: Transport) -> None:
    async with RawServer(replying(OK)) as server:
        url = server.url
    fault = await fault_of(client, url)
    assert (fault.kind, fault.stage) == ("connect", "not_sent")


async def test_unknown_name(client: Transport) -> None:
    fault = await fault_of(client, "http://no-such-host.invalid/")
    assert (fault.kind, fault.stage) == ("connect", "not_sent")


async def test_reset_on_accept(client: Transport) -> None:
    async def script(peer: Peer) -> None:
        peer.reset()

    async with RawServer(script) as server:
        fault = await fault_of(client, server.url)
        assert fault.kind in ("reset", "connect")


async def test_second_address_is_tried(client: Transport) -> None:
    """``localhost`` has an IPv6 address on which nobody listens."""
    async with RawServer(replying(OK)) as server:
        assert await call(client, f"http://localhost:{server.port}/") == b"hi"


async def test_good_certificate(client: Transport, authority: Authority) -> None:
    async with RawServer(replying(CHUNKED), tls=authority.server_context()) as server:
        for _ in range(3):
            assert await call(client, server.url) == b"hello world"
        assert server.connections == 1


@pytest.mark.parametrize("bad", [{"host": "elsewhere.example"}, {"expired": True}, {"trusted": False}])
async def test_bad_certificates(client: Transport, authority: Authority, bad: dict) -> None:
    async with RawServer(replying(OK), tls=authority.server_context(**bad)) as server:
        fault = await fault_of(client, server.url)
        assert (fault.kind, fault.stage) == ("tls", "not_sent")
        assert "certificate" in fault.detail.lower()


async def test_plain_http_on_a_tls_url(client: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

    async with RawServer(script) as server:
        fault = await fault_of(client, f"https://localhost:{server.port}/")
        assert (fault.kind, fault.stage) == ("tls", "not_sent")


async def test_closing_cuts_streams(client: Transport) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED[:-5])
        await peer.until_closed()
        closed.set()

    async with RawServer(script) as server:
        await client.open(post(server.url), TIMEOUTS)
        await client.close()
        await asyncio.wait_for(closed.wait(), 1)
        with pytest.raises(TransportFault) as raised:
            await client.open(post(server.url), TIMEOUTS)
        assert (raised.value.kind, raised.value.stage) == ("no_room", "not_sent")
