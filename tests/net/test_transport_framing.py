"""Every transport must pass this: framing, encodings, bounds, and what we send. Without it: truncated replies
shown as whole, bodies that two parsers read in two ways, memory filled by a bomb, or a header that starts a
second request.
"""

import asyncio
import gzip
import zlib

import pytest
from tests.sim.calls import CHUNKED, OK, TIMEOUTS, call, fault_of, post, read_all
from tests.sim.faults import gzip_bomb
from tests.sim.raw_server import Peer, RawServer, replying

from switchgear.net.transport import Transport, TransportFault, UpstreamRequest
from switchgear.net.transport_lean import LeanTransport

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
        # hyper gives a connection back from a thread of its own, which may be a moment too late.
        assert server.connections <= (1 if isinstance(client, LeanTransport) else 3)


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

    async def read_telling(read: asyncio.Event) -> None:
        response = await client.open(post(server.url), TIMEOUTS)
        await response.next_chunk()
        read.set()
        await response.read(100)

    async with RawServer(script) as server:
        with pytest.raises(TransportFault) as raised:
            await read_telling(sent)
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
    "folded header": b"HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 2\r\n\r\nhi",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nx-a: b\x00c\r\ncontent-length: 2\r\n\r\nhi",
    "space before colon": b"HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nhi",
}
REFUSED_STRICTLY = {
    "length and chunked": (
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    ),
    "same length twice": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi",
    "chunked twice": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "not chunked last": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, x\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\ncontent-length: 2\n\nhi",
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


BROKEN_GZIP = {"cut": gzip.compress(b"hello world")[:-9], "text": b"not gzip at all", "head": b"\x1f\x8b\x08"}


@pytest.mark.parametrize("body", BROKEN_GZIP.values(), ids=BROKEN_GZIP.keys())
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
        url = f"{server.url}/v1/chat?a=b%20c#x"
        await read_all(client, post(url, body=b"0123456789" * 100_000, x_key="v"))
    head, _, body = seen[0].partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    assert first == b"POST /v1/chat?a=b%20c HTTP/1.1"
    assert body == b"0123456789" * 100_000
    fields = [line.lower() for line in lines]
    assert fields.count(b"content-length: 1000000") == 1
    assert fields.count(b"host: 127.0.0.1:%d" % server.port) == 1
    assert b"x-key: v" in fields
