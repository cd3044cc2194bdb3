"""Every transport must pass this. Without it: silent loss of keep-alive, streams that run on unread and unpaid,
truncated replies shown as whole, requests that reach an upstream twice, or a hang without a name.

Everything runs on both event loops. ``DIFFERENCES`` lists what an implementation can't do; each entry must
still fail, so the table stays true.
"""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest

from switchgear.net.transport import Timeouts, Transport, TransportFault, UpstreamRequest
from switchgear.net.transport_lean import LeanTransport
from switchgear.net.transport_pyreqwest import PyreqwestTransport
from tests.sim.certificates import Authority
from tests.sim.faults import gzip_bomb
from tests.sim.raw_server import Peer, RawServer, replying

IMPLEMENTATIONS = ("lean", "pyreqwest")
DIFFERENCES: dict[str, str] = {}
TIMEOUTS = Timeouts(connect_s=2, first_byte_s=2, idle_chunk_s=2, total_s=10)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
)


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request: pytest.FixtureRequest) -> str:
    name = request.node.originalname
    reason = DIFFERENCES.get(f"{request.param}:{name}")
    if reason is not None:
        request.applymarker(
            pytest.mark.xfail(strict=True, reason=reason, raises=(Exception, pytest.fail.Exception))
        )
    return request.param


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def build(implementation: str, authority: Authority) -> Transport:
    if implementation == "pyreqwest":
        return PyreqwestTransport(root_certificate_pem=authority.pem)
    return LeanTransport(ssl_context=authority.client_context())


@pytest.fixture
async def client(implementation: str, authority: Authority) -> AsyncIterator[Transport]:
    transport = build(implementation, authority)
    yield transport
    await transport.close()


def post(url: str, body: bytes = b"{}", once: bool = False, **headers: str) -> UpstreamRequest:
    fields = {
        "accept-encoding": "identity",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return UpstreamRequest("POST", url, tuple(fields.items()), body, once)


async def call(client: Transport, url: str, timeouts: Timeouts = TIMEOUTS, **options: object) -> bytes:
    response = await client.open(post(url, **options), timeouts)  # type: ignore[arg-type]
    try:
        return await response.read(1 << 24)
    finally:
        response.close()


async def fault_of(client: Transport, url: str, timeouts: Timeouts = TIMEOUTS) -> TransportFault:
    with pytest.raises(TransportFault) as raised:
        await call(client, url, timeouts)
    return raised.value


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


# Framing.

FRAMINGS = {
    "length": (b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world", False),
    "chunked": (CHUNKED, False),
    "chunk extensions": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        False,
    ),
    "trailers": (CHUNKED[:-2] + b"x-checksum: 12\r\nstatus: 500\r\n\r\n", False),
    "informational": (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + CHUNKED, False),
    "two informational": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + CHUNKED, False),
    "until close": (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello world", True),
    "until close, old": (b"HTTP/1.0 200 OK\r\n\r\nhello world", True),
}


@pytest.mark.parametrize(("reply", "close"), FRAMINGS.values(), ids=FRAMINGS.keys())
async def test_framings(client: Transport, reply: bytes, close: bool) -> None:
    async with RawServer(replying(reply, then_close=close)) as server:
        response = await client.open(post(server.url), TIMEOUTS)
        assert response.status == 200
        assert "link" not in response.headers
        assert "x-checksum" not in response.headers
        assert await response.read(100) == b"hello world"
        assert await response.next_chunk() == b""
        response.close()


SAMPLE = b"HTTP/1.1 103 Hi\r\nlink: <a>\r\n\r\n" + CHUNKED[:-2] + b"x-sum: 1\r\n\r\n"


async def test_reads_split_at_every_byte(client: Transport) -> None:
    cuts = iter(range(1, len(SAMPLE)))

    async def script(peer: Peer) -> None:
        while await peer.request() is not None:
            cut = next(cuts)
            await peer.send(SAMPLE[:cut])
            await peer.settle()
            await peer.send(SAMPLE[cut:])

    async with RawServer(script) as server:
        for _ in range(1, len(SAMPLE)):
            assert await call(client, server.url) == b"hello world"
        assert server.connections == 1


async def test_byte_by_byte(client: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        for byte in SAMPLE:
            await peer.send(bytes((byte,)))
            await peer.settle()

    async with RawServer(script) as server:
        assert await call(client, server.url) == b"hello world"


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_cut_at_every_byte_is_never_an_end(client: Transport, framing: str) -> None:
    reply = FRAMINGS[framing][0]
    head = reply.index(b"\r\n\r\n") + 4

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply[: peer.number - 1])

    async with RawServer(script) as server:
        for size in range(len(reply)):
            fault = await fault_of(client, server.url)
            expected = "maybe_served" if size < head else "answered"
            assert fault.stage == expected, (size, fault)
            assert fault.kind in ("truncated", "reset"), (size, fault)
        assert await call(client, server.url) == b"hello world"


@pytest.mark.parametrize("bytes_before", [0, 30, len(CHUNKED) - 12])
async def test_reset_has_its_name(client: Transport, bytes_before: int) -> None:
    sent = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED[:bytes_before])
        if bytes_before > 40:
            await sent.wait()
        peer.reset()

    async with RawServer(script) as server:
        with pytest.raises(TransportFault) as raised:
            response = await client.open(post(server.url), TIMEOUTS)
            got = await response.next_chunk()
            sent.set()
            while chunk := await response.next_chunk():
                got += chunk
        assert raised.value.kind == "reset"
        assert raised.value.stage == ("answered" if bytes_before > 40 else "maybe_served")


BODYLESS = {
    "HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n", 200),
    "204": ("POST", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304),
    "empty": ("POST", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-encoding: gzip\r\n\r\n", 200),
}


@pytest.mark.parametrize(("method", "reply", "status"), BODYLESS.values(), ids=BODYLESS.keys())
async def test_replies_without_body(client: Transport, method: str, reply: bytes, status: int) -> None:
    async with RawServer(replying(reply)) as server:
        for _ in range(2):
            response = await client.open(UpstreamRequest(method, server.url, ()), TIMEOUTS)
            assert response.status == status
            assert await response.read(10) == b""
            response.close()


# What no upstream should say.

REFUSED = {
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi!",
    "signed length": b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nhi",
    "length list": b"HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nhi!",
    "bad chunk size": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\nhi\r\n0\r\n\r\n",
    "huge chunk size": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\nhi",
    "upgrade": b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhi",
    "garbage": b"\x16\x03\x01 what is this\r\n\r\n" + bytes(range(256)),
    "html without a head": b"<html><body>Welcome</body></html>\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nhi",
}
REFUSED_STRICTLY = {
    "length and chunked": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "same length twice": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi",
    "chunked twice": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "not chunked last": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, x\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\ncontent-length: 2\n\nhi",
    "folded header": b"HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 2\r\n\r\nhi",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nx-a: b\x00c\r\ncontent-length: 2\r\n\r\nhi",
}


@pytest.mark.parametrize("reply", REFUSED.values(), ids=REFUSED.keys())
async def test_replies_that_are_refused(client: Transport, reply: bytes) -> None:
    async with RawServer(replying(reply, then_close=True)) as server:
        fault = await fault_of(client, server.url)
        assert fault.kind == "protocol"
        assert fault.stage != "not_sent"


@pytest.mark.parametrize("reply", REFUSED_STRICTLY.values(), ids=REFUSED_STRICTLY.keys())
async def test_replies_that_two_parsers_read_in_two_ways(client: Transport, reply: bytes) -> None:
    async with RawServer(replying(reply, then_close=True)) as server:
        fault = await fault_of(client, server.url)
        assert fault.kind == "protocol"


async def test_header_bound(client: Transport) -> None:
    head = b"HTTP/1.1 200 OK\r\nx-big: " + b"x" * (1 << 20) + b"\r\ncontent-length: 2\r\n\r\nhi"
    async with RawServer(replying(head, then_close=True)) as server:
        assert (await fault_of(client, server.url)).kind == "header_too_large"


async def test_body_bound_closes_the_connection(client: Transport) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n" + b"x" * 5000)
        await peer.until_closed()
        closed.set()

    async with RawServer(script) as server:
        response = await client.open(post(server.url), TIMEOUTS)
        with pytest.raises(TransportFault) as raised:
            await response.read(1000)
        assert (raised.value.kind, raised.value.stage) == ("body_too_large", "answered")
        await asyncio.wait_for(closed.wait(), 1)


# Encodings.


def encoded(coding: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (coding, len(body))
    return head + body


ENCODED = {
    "gzip": encoded(b"gzip", gzip.compress(b"hello world")),
    "gzip, two members": encoded(b"gzip", gzip.compress(b"hello ") + gzip.compress(b"world")),
    "deflate": encoded(b"deflate", zlib.compress(b"hello world")),
    "identity": encoded(b"identity", b"hello world"),
}


@pytest.mark.parametrize("reply", ENCODED.values(), ids=ENCODED.keys())
async def test_encodings_that_were_not_asked_for(client: Transport, reply: bytes) -> None:
    async with RawServer(replying(reply)) as server:
        for _ in range(2):
            assert await call(client, server.url) == b"hello world"
        assert server.connections == 1


async def test_deflate_without_its_header(client: Transport) -> None:
    packer = zlib.compressobj(wbits=-15)
    raw = packer.compress(b"hello world") + packer.flush()
    async with RawServer(replying(encoded(b"deflate", raw))) as server:
        assert await call(client, server.url) == b"hello world"


async def test_gzip_bomb_is_bounded(client: Transport) -> None:
    async with RawServer(replying(encoded(b"gzip", gzip_bomb(64)))) as server:
        response = await client.open(post(server.url), TIMEOUTS)
        assert len(await response.next_chunk()) <= 1 << 17
        with pytest.raises(TransportFault) as raised:
            await response.read(1 << 20)
        assert raised.value.kind == "body_too_large"


@pytest.mark.parametrize(
    "body", [gzip.compress(b"hello world")[:-9], b"not gzip at all", b"\x1f\x8b\x08\x00"]
)
async def test_broken_encoding(client: Transport, body: bytes) -> None:
    async with RawServer(replying(encoded(b"gzip", body))) as server:
        assert (await fault_of(client, server.url)).kind == "encoding"


async def test_unknown_encoding(client: Transport) -> None:
    async with RawServer(replying(encoded(b"rot13", b"uryyb"))) as server:
        response = await client.open(post(server.url), TIMEOUTS)
        assert response.status == 200
        with pytest.raises(TransportFault) as raised:
            await response.read(100)
        assert (raised.value.kind, raised.value.stage) == ("encoding", "answered")


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


# What we send.

INJECTIONS = [
    ("x-a", "b\r\nx-evil: 1"),
    ("x-a", "b\nx-evil: 1"),
    ("x-a", "b\rc"),
    ("x-a", "b\0c"),
    ("x-a\r\nx-evil", "1"),
    ("x a", "1"),
    ("", "1"),
    ("x-a:", "1"),
    ("x-a", "snow ☃"),
]


@pytest.mark.parametrize(("name", "value"), INJECTIONS)
async def test_headers_can_not_inject(client: Transport, name: str, value: str) -> None:
    async with RawServer(replying(OK)) as server:
        with pytest.raises(TransportFault) as raised:
            await client.open(UpstreamRequest("POST", server.url, ((name, value),), b"{}"), TIMEOUTS)
        assert (raised.value.kind, raised.value.stage) == ("protocol", "not_sent")
        assert server.connections == 0


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "host", "connection", "expect"])
async def test_framing_headers_are_the_transports_own(client: Transport, name: str) -> None:
    async with RawServer(replying(OK)) as server:
        with pytest.raises(TransportFault) as raised:
            await client.open(UpstreamRequest("POST", server.url, ((name, "5"),), b"{}"), TIMEOUTS)
        assert (raised.value.kind, raised.value.stage) == ("protocol", "not_sent")


async def test_request_bytes(client: Transport) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        while (request := await peer.request()) is not None:
            seen.append(request)
            await peer.send(OK)

    async with RawServer(script) as server:
        await call(client, f"{server.url}/v1/chat?a=b%20c#x", body=b"0123456789" * 100_000, x_key="v")
    head, _, body = seen[0].partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    assert first == b"POST /v1/chat?a=b%20c HTTP/1.1"
    assert body == b"0123456789" * 100_000
    fields = [line.lower() for line in lines]
    assert fields.count(b"content-length: 1000000") == 1
    assert fields.count(b"host: 127.0.0.1:%d" % server.port) == 1
    assert b"x-key: v" in fields


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
        assert (raised.value.kind, raised.value.stage) == ("connect", "not_sent")
