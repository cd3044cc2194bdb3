"""Without this one client could stop its own answers, or others', by how it frames what it sends."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import HEADER_BYTES_MAX, KIB, MIB, PIPELINED_REQUESTS_MAX
from switchgear.relay.http import ClientGone
from switchgear.relay.http1.exchange import Exchange
from switchgear.relay.http1.server import HttpServer
from switchgear.relay.room import Holding, Room

SOON_S = 10.0
ROOM_BYTES = 64 * KIB * 16
GET = b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
TEXT = [("content-type", "text/plain")]


class Rig:
    """One server in this process. Paths: ``/wait`` answers when ``go`` is set, ``/stream`` sends pieces until
    then, others say their path and the size of their body."""

    def __init__(self, server: HttpServer, port: int, room: Room) -> None:
        self.server, self.port, self.room = server, port, room
        self.go = asyncio.Event()
        self.waiting = asyncio.Event()
        self.left = asyncio.Event()

    async def answer(self, exchange: Exchange) -> None:
        exchange.on_disconnect(self.left.set)
        holding = Holding(self.room, "key")
        try:
            body = await exchange.read_body(MIB, holding) if exchange.method == "POST" else b""
            if exchange.path == "/wait":
                self.waiting.set()
                await self.go.wait()
            elif exchange.path == "/stream":
                await self._stream(exchange)
            exchange.send_whole(200, TEXT, b"<%s:%d>" % (exchange.path.encode(), len(body)))
        except ApiError as error:
            exchange.send_whole(error.row.status, TEXT, error.message.encode())
        except ClientGone:
            self.left.set()
        finally:
            holding.close()

    async def _stream(self, exchange: Exchange) -> None:
        exchange.start_stream(200, TEXT)
        exchange.push(b"begun;")
        self.waiting.set()
        await self.go.wait()
        exchange.push(b"ended;")
        exchange.finish()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, data: bytes) -> bytes:
        """What comes back until the server closes."""
        reader, writer = await self.connect()
        writer.write(data)
        async with asyncio.timeout(SOON_S):
            answer = await reader.read()
        writer.close()
        return answer


@contextlib.asynccontextmanager
async def running(room_bytes: int = ROOM_BYTES, **more: object) -> AsyncIterator[Rig]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    room = Room(room_bytes, "request bodies")
    rig: Rig
    server = HttpServer(lambda exchange: rig.answer(exchange), listener, room, **more)  # type: ignore[arg-type]
    rig = Rig(server, listener.getsockname()[1], room)
    server.start()
    try:
        yield rig
    finally:
        rig.go.set()
        await server.drain(SOON_S)
        server.stop()


@pytest_asyncio.fixture
async def rig() -> AsyncIterator[Rig]:
    async with running() as one:
        yield one


@pytest.mark.parametrize(
    "broken",
    [
        b"zz\r\nhello\r\n0\r\n\r\n",
        b"-1\r\n",
        b"1" + b"0" * 16 + b"\r\n",
        b"5\r\nhelloo\r\n",
        b"5\r\nhello\r\nzz\r\n",
        b"5;" + b"x" * 2 * HEADER_BYTES_MAX,
        b"0\r\n" + b"x-trailer: y\r\n" * (HEADER_BYTES_MAX // 8),
    ],
    ids=["word", "sign", "overflow", "too long", "second", "endless extension", "endless trailers"],
)
async def test_a_broken_body_is_refused_at_once(rig: Rig, broken: bytes) -> None:
    answer = await rig.say(CHUNKED + broken)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert b"connection: close" in answer


async def test_a_broken_body_behind_another_request_costs_that_one_nothing(rig: Rig) -> None:
    reader, writer = await rig.connect()
    writer.write(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n" + CHUNKED + b"zz\r\n")
    await rig.waiting.wait()
    rig.go.set()
    async with asyncio.timeout(SOON_S):
        answer = await reader.read()
    assert answer.count(b"HTTP/1.1 200") == answer.count(b"HTTP/1.1 400") == 1
    writer.close()


async def test_a_broken_head_is_refused_behind_the_answers_before_it(rig: Rig) -> None:
    answer = await rig.say(GET % 1 + GET % 2 + b"nonsense\r\n\r\n")
    assert answer.index(b"</1:0>") < answer.index(b"</2:0>") < answer.index(b"HTTP/1.1 400")


@pytest.mark.parametrize("number", [PIPELINED_REQUESTS_MAX + 1, 20, 1000])
async def test_requests_sent_ahead_are_all_answered_in_order(rig: Rig, number: int) -> None:
    ahead = b"".join(GET % at for at in range(number - 1))
    answer = await rig.say(ahead + b"GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == number
    places = [answer.index(b"</%d:0>" % at) for at in range(number - 1)]
    assert places == sorted(places)
    assert rig.room.free == ROOM_BYTES


async def test_bodies_sent_ahead_are_whole(rig: Rig) -> None:
    body = b"x" * 9000
    one = b"POST /b HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    last = one.replace(b"host: a", b"host: a\r\nconnection: close")
    answer = await rig.say(one * 39 + last)
    assert answer.count(b"</b:9000>") == 40


@pytest.mark.parametrize("ahead", [b"", GET % 7 + GET % 8], ids=["alone", "with others before it"])
async def test_a_client_that_sends_no_more_still_gets_its_answers(rig: Rig, ahead: bytes) -> None:
    reader, writer = await rig.connect()
    writer.write(ahead + b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n")
    writer.write_eof()
    await rig.waiting.wait()
    await asyncio.sleep(0.05)  # for the server to see the end of what the client sends
    rig.go.set()
    async with asyncio.timeout(SOON_S):
        answer = await reader.read()
    assert answer.count(b"HTTP/1.1 200") == ahead.count(b"GET") + 1
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"</wait:0>")
    assert not rig.left.is_set()
    writer.close()


async def test_a_half_closed_client_gets_the_rest_of_its_stream(rig: Rig) -> None:
    reader, writer = await rig.connect()
    writer.write(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
    await reader.readuntil(b"begun;")
    writer.write_eof()
    await asyncio.sleep(0.05)  # for the server to see it
    rig.go.set()
    async with asyncio.timeout(SOON_S):
        assert b"06\r\nended;\r\n0\r\n\r\n" in await reader.read()
    writer.close()


@pytest.mark.parametrize(
    "request_line",
    [b"GET /wait HTTP/1.1", b"GET /stream HTTP/1.1", b"GET /wait HTTP/1.0"],
    ids=["whole", "stream", "HTTP/1.0"],
)
async def test_a_client_that_leaves_is_noticed(rig: Rig, request_line: bytes) -> None:
    reader, writer = await rig.connect()
    writer.write(request_line + b"\r\nhost: a\r\n\r\n")
    await rig.waiting.wait()
    if b"stream" in request_line:
        await reader.readuntil(b"begun;\r\n")
    writer.close()
    async with asyncio.timeout(SOON_S):
        await rig.left.wait()


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_noticed(rig: Rig) -> None:
    _, writer = await rig.connect()
    writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc")
    writer.write_eof()
    async with asyncio.timeout(SOON_S):
        await rig.left.wait()
    writer.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not condition():  # noqa: ASYNC110  # of the server's own counts, which tell nobody
            await asyncio.sleep(0.005)


async def test_bodies_that_do_not_end_leave_room_for_others() -> None:
    async with running(room_bytes=2 * MIB) as rig, contextlib.AsyncExitStack() as stack:
        for _ in range(6):
            _, writer = await rig.connect()
            stack.callback(writer.close)
            writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 700000\r\n\r\n" + b"x" * 600_000)
        await until(lambda: rig.room.free < 2 * MIB)
        assert rig.room.held_by("key") <= MIB
        await stack.aclose()
        await until(lambda: rig.room.free == 2 * MIB)


async def test_a_body_that_finds_no_room_is_refused_after_a_little_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("switchgear.relay.room.ROOM_WAIT_S", 0.05)
    async with running(room_bytes=MIB) as rig:
        slow, writer = await rig.connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 400000\r\n\r\nx")
        await until(lambda: rig.room.free < MIB)
        size = b"%x" % 500_000
        for framing in (
            b"content-length: 500000\r\n\r\n",
            b"transfer-encoding: chunked\r\n\r\n%s\r\n" % size,
        ):
            answer = await rig.say(b"POST / HTTP/1.1\r\nhost: a\r\n" + framing + b"x" * 500_000)
            assert answer.startswith(b"HTTP/1.1 429"), answer[:200]
        writer.close()
        await until(lambda: rig.room.free == MIB)
        assert await slow.read() == b""


async def test_a_body_waits_for_the_room_that_another_gives_back() -> None:
    async with running(room_bytes=MIB) as rig:
        _, writer = await rig.connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 500000\r\n\r\nx")
        await until(lambda: rig.room.free < MIB)
        head = b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 400000\r\n\r\n"
        waiting = asyncio.create_task(rig.say(head + b"x" * 400_000))
        await asyncio.sleep(0.05)  # it is sent, and waits
        assert not waiting.done()
        writer.close()
        assert (await waiting).endswith(b"</:400000>")


async def test_the_longest_idle_connection_of_an_address_makes_room_for_its_next() -> None:
    async with running(connections_max=16) as rig:
        connections = []
        for number in range(4):
            reader, writer = await rig.connect()
            writer.write(GET % number)
            await reader.readuntil(b":0>")
            connections.append((reader, writer))
        busy, at_work = connections[0]
        at_work.write(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n")
        await rig.waiting.wait()
        reader, writer = await rig.connect()
        writer.write(GET % 9)
        assert b"200" in await reader.readuntil(b":0>")
        with contextlib.suppress(ConnectionError):
            assert await connections[1][0].read() == b""
        rig.go.set()
        assert b"200" in await busy.readuntil(b":0>")
        for _, each in [*connections, (reader, writer)]:
            each.close()


async def test_an_address_whose_connections_are_all_at_work_gets_no_more() -> None:
    async with running(connections_max=8) as rig, contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            _, writer = await rig.connect()
            stack.callback(writer.close)
            writer.write(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n")
            await rig.waiting.wait()
            rig.waiting.clear()
        reader, writer = await rig.connect()
        stack.callback(writer.close)
        with contextlib.suppress(ConnectionError):
            assert b"too many connections from this address" in await reader.read()


async def test_a_trusted_proxy_has_more_connections_than_one_address() -> None:
    trusted = running(connections_max=8, is_trusted=lambda ip: ip == "127.0.0.1")
    async with trusted as rig, contextlib.AsyncExitStack() as stack:
        for _ in range(6):
            _, writer = await rig.connect()
            stack.callback(writer.close)
            writer.write(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n")
            await rig.waiting.wait()
            rig.waiting.clear()
        assert len(rig.server._crowd) == 6


async def test_a_body_that_does_not_go_on_makes_room_for_another_connection() -> None:
    async with running(connections_max=8) as rig, contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            _, writer = await rig.connect()
            stack.callback(writer.close)
            writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc")
        await until(lambda: len(rig.server._crowd) == 2)
        assert b"</:0>" in await rig.say(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        async with asyncio.timeout(SOON_S):
            await rig.left.wait()
