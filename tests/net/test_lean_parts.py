"""The pure parts of the lean transport, and dialling. Without it: a request that the upstream reads as two, a
body decoded differently by its splits, or a dead address that hides a live one."""

import asyncio
import gzip
import socket
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sim.calls import OK, TIMEOUTS, call, fault_of, post
from tests.sim.raw_server import Peer, RawServer, replying

from switchgear.kernel.limits import DECODED_STEP_BYTES_MAX
from switchgear.net.lean_decode import BadEncoding, Inflater
from switchgear.net.lean_request import Origin, RequestEncoder, parse_origin
from switchgear.net.transport import Timeouts, TransportFault
from switchgear.net.transport_lean import LeanTransport

any_header = st.tuples(st.text(max_size=12), st.text(max_size=12))


@settings(max_examples=300)
@given(st.lists(any_header, max_size=4), st.binary(max_size=20))
def test_one_request_in_is_one_request_out(headers: list[tuple[str, str]], body: bytes) -> None:
    encoder = RequestEncoder()
    _, lines = encoder.route("POST", "http://a.example/x")
    try:
        wire = encoder.encode(lines, "POST", headers, body)
    except TransportFault:
        return
    head, _, rest = wire.partition(b"\r\n\r\n")
    assert rest == body
    assert len(head.split(b"\r\n")) == len(headers) + 3
    assert head.count(b"\n") == len(headers) + 2
    assert head.endswith(b"content-length: %d" % len(body))


@settings(max_examples=300)
@given(st.text(max_size=6), st.text(max_size=30))
def test_start_lines_have_no_more_than_two_lines(method: str, path: str) -> None:
    encoder = RequestEncoder()
    try:
        _, lines = encoder.route(method, f"http://a.example/{path}")
    except TransportFault:
        return
    first, host, rest = lines.split("\r\n")
    assert first.split(" ")[0] == method
    assert first.count(" ") == 2
    assert (host, rest) == ("host: a.example", "")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://A.Example/x", Origin("http", "a.example", 80)),
        ("https://a.example:8443", Origin("https", "a.example", 8443)),
        ("http://[::1]:81/x", Origin("http", "::1", 81)),
    ],
)
def test_origins(url: str, origin: Origin) -> None:
    assert parse_origin(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://a.example/",
        "http://",
        "http://user@a.example/",
        "http://a.example:x/",
        "http://a b/",
        "//a.example",
        " http://a.example",
        "http://a.example/ ",
        "http://a.example/\r\nx",
        "http://a.exa\tmple/",
        "http://ä.example/",
        "http://[::1",
        "http://a.example:99999/",
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(TransportFault) as raised:
        RequestEncoder().route("GET", url)
    assert (raised.value.kind, raised.value.stage) == ("protocol", "not_sent")


def test_memory_of_routes_is_bounded() -> None:
    encoder = RequestEncoder()
    for number in range(3000):
        _, lines = encoder.route("GET", f"http://a.example/{number}")
        encoder.encode(lines, "GET", [(f"x-{number}", "1")], b"")
    assert len(encoder._routes) <= 1024
    assert len(encoder._names) <= 1024


def inflate(coding: str, pieces: list[bytes]) -> bytes:
    inflater = Inflater(coding)
    whole = b""
    for piece in pieces:
        inflater.feed(piece)
        while step := inflater.step():
            assert len(step) <= DECODED_STEP_BYTES_MAX
            whole += step
    inflater.finish()
    return whole


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=4000), st.integers(1, 50), st.sampled_from(["gzip", "zlib", "two"]))
def test_decoding_does_not_depend_on_the_splits(body: bytes, size: int, form: str) -> None:
    packed = {
        "gzip": gzip.compress(body),
        "zlib": zlib.compress(body),
        "two": gzip.compress(body[:100]) + gzip.compress(body[100:]),
    }[form]
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert inflate("deflate" if form == "zlib" else "gzip", pieces) == body


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_cut_bodies_are_told(coding: str) -> None:
    packed = gzip.compress(b"hello" * 50) if coding == "gzip" else zlib.compress(b"hello" * 50)
    for size in range(1, len(packed)):
        with pytest.raises(BadEncoding):
            inflate(coding, [packed[:size]])
    assert inflate(coding, []) == b""


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=60), st.sampled_from(["gzip", "deflate", "br", "", "gzip, gzip"]))
def test_noise_raises_only_its_own_error(noise: bytes, coding: str) -> None:
    try:
        inflate(coding, [noise])
    except BadEncoding:
        return


def test_raw_deflate_in_one_piece() -> None:
    assert inflate("deflate", [raw_deflate(b"hello world")]) == b"hello world"


def test_bytes_after_deflate_are_refused() -> None:
    with pytest.raises(BadEncoding):
        inflate("deflate", [zlib.compress(b"hello") + b"more"])


async def test_a_dead_address_does_not_hide_a_live_one(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    connect, look_up = loop.sock_connect, loop.getaddrinfo
    tried: list[str] = []

    async def addresses(host: str, port: int, **how: Any) -> list[Any]:
        if host != "many.example":
            return await look_up(host, port, **how)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", port)) for last in (7, 8, 1)]

    async def connect_some(sock: socket.socket, address: tuple[str, int]) -> None:
        tried.append(address[0])
        if address[0] == "127.0.0.7":
            await asyncio.Event().wait()  # a black hole: it neither answers nor refuses
        await connect(sock, address)

    client = LeanTransport()
    async with RawServer(replying(OK)) as server:
        monkeypatch.setattr(loop, "getaddrinfo", addresses)
        monkeypatch.setattr(loop, "sock_connect", connect_some)
        timeouts = Timeouts(connect_s=0.6, first_byte_s=2, idle_chunk_s=2, total_s=10)
        assert await call(client, f"http://many.example:{server.port}/", timeouts) == b"hi"
        assert tried == ["127.0.0.7", "127.0.0.8", "127.0.0.1"]
        await client.close()


async def test_connections_are_capped() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.until_closed()

    client = LeanTransport(connections_per_origin_max=2)
    async with RawServer(script) as server:
        opening = [asyncio.create_task(client.open(post(server.url), TIMEOUTS)) for _ in range(2)]
        await asyncio.sleep(0)
        fault = await fault_of(client, server.url)
        assert (fault.kind, fault.stage) == ("no_room", "not_sent")
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        await client.close()


async def test_connections_idle_too_long_are_closed_and_forgotten() -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.until_closed()
        left.set()

    client = LeanTransport(idle_connection_s=0.05)
    async with RawServer(script) as server:
        assert await call(client, server.url) == b"hi"
        await asyncio.wait_for(left.wait(), 2)
        assert await call(client, server.url) == b"hi"
        assert client.connections_opened == 2
        await client.close()
    assert client._pools == {}
    assert client._owner == {}
