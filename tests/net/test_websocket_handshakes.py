"""Handshakes of both sides, a server's drain, and a pump between the two. Without it a key could come back as
the chosen sub-protocol, a refused handshake lose its reason, or a session outlive its server.
"""

import asyncio
import ssl

import pytest
from tests.sim.certificates import Authority
from tests.sim.raw_server import RawServer, replying
from tests.sim.websockets import (
    OFFER,
    ROOM_BYTES,
    TIMEOUTS,
    WebSocketServer,
    end_of,
    get,
    lean,
    pump,
    serving,
    terms_with,
    text,
)
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve as library_serve

from switchgear.net.choose import RoutedTransport
from switchgear.net.transport import TransportFault, UpstreamRequest
from switchgear.net.transport_lean import LeanTransport
from switchgear.net.websocket import HandshakeRefused, WebSocket, WebSocketClosed

REALTIME = ["realtime", "openai-insecure-api-key.sk-1", "openai-beta.realtime-v1"]
SOON_S = 5.0

# The server's side.


async def answer_to(server: WebSocketServer, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    async with asyncio.timeout(SOON_S):
        answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return answer


PLAIN = OFFER % b""
BAD_OFFERS = {
    "old version": (PLAIN.replace(b"version: 13", b"version: 8"), 400),
    "no version": (PLAIN.replace(b"sec-websocket-version: 13\r\n", b""), 400),
    "no key": (PLAIN.replace(b"sec-websocket-key", b"x-key"), 400),
    "short key": (PLAIN.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhl"), 400),
    "two keys": (OFFER % b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400),
    "no connection": (PLAIN.replace(b"keep-alive, Upgrade", b"keep-alive"), 426),
    "no offer": (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", 426),
    "post": (PLAIN.replace(b"GET", b"POST"), 405),
    "with a body": (OFFER % b"content-length: 1\r\n" + b"x", 400),
    "old HTTP": (PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
}


@pytest.mark.parametrize(("offer", "status"), BAD_OFFERS.values(), ids=BAD_OFFERS.keys())
async def test_bad_offers_are_refused_with_a_reason(offer: bytes, status: int) -> None:
    async with serving() as server:
        answer = await answer_to(server, offer)
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer
        if b"sec-websocket-version: 13" not in offer:
            assert b"sec-websocket-version: 13" in answer.lower()


@pytest.mark.parametrize(
    ("offered", "known", "chosen"),
    [
        (REALTIME, ("realtime",), "realtime"),
        (REALTIME, (), None),
        (None, ("realtime",), None),
        (["b", "a"], ("a", "b"), "a"),
    ],
)
async def test_only_a_known_sub_protocol_is_chosen(
    offered: list[str] | None, known: tuple[str, ...], chosen: str | None
) -> None:
    async with serving(subprotocols=known) as server, connect(server.url, subprotocols=offered) as client:
        assert client.subprotocol == chosen


async def test_what_is_sent_before_the_answer_is_kept() -> None:
    go = asyncio.Event()
    async with serving(before=go.wait) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(PLAIN + b"\x81\x82\0\0\0\0hi")
        await writer.drain()
        await asyncio.sleep(0.05)  # for the server to read it
        writer.write(b"\x81\x83\0\0\0\0you")
        await asyncio.sleep(0.05)
        go.set()
        async with asyncio.timeout(SOON_S):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            assert await reader.readexactly(9) == b"\x81\x02hi\x81\x03you"
        writer.close()


async def test_a_drain_tells_sessions_after_its_time() -> None:
    async with serving() as server, connect(server.url) as client:
        await client.send("hello")
        assert await client.recv() == "hello"
        assert await server.server.drain(0.05)
        await asyncio.wait_for(client.wait_closed(), SOON_S)
        assert client.close_code == 1001
        end = await server.end()
        assert end.code == 1001
        assert server.room.free == ROOM_BYTES


async def test_a_handler_that_returns_ends_the_session() -> None:
    async def serve(session: WebSocket) -> None:
        await session.receive()

    async with serving(serve) as server, connect(server.url) as client:
        await client.send("bye")
        await asyncio.wait_for(client.wait_closed(), SOON_S)
        assert client.close_code == 1011


# The transport's side.


async def test_a_refused_handshake_is_a_response() -> None:
    refusal = (
        b"HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n"
        b'{"error":"x"}'
    )
    async with RawServer(replying(refusal)) as server, lean() as transport:
        with pytest.raises(HandshakeRefused) as raised:
            await transport.open_ws(get(server.url), TIMEOUTS, terms_with())
        response = raised.value.response
        assert (response.status, response.headers["content-type"]) == (401, "application/json")
        assert await response.read(100) == b'{"error":"x"}'
        response.close()


BAD_ANSWERS = {
    "no accept": b"HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    "wrong accept": (
        b"HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n"
    ),
    "no upgrade": b"HTTP/1.1 101 S\r\n\r\n",
    "rubbish": b"rubbish\r\n\r\n",
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_bad_answers_are_faults(answer: bytes) -> None:
    async with RawServer(replying(answer)) as server, lean() as transport:
        with pytest.raises(TransportFault) as raised:
            await transport.open_ws(get(server.url), TIMEOUTS, terms_with())
        assert raised.value.kind == "protocol"


async def test_faults_say_how_far_it_got() -> None:
    async with lean() as transport:
        async with RawServer(replying(b"")) as server:
            url = server.url
        with pytest.raises(TransportFault) as raised:
            await transport.open_ws(get(url), TIMEOUTS, terms_with())
        assert (raised.value.kind, raised.value.stage) == ("connect", "not_sent")
        for bad in (
            UpstreamRequest("POST", url, ()),
            UpstreamRequest("GET", url, (("Sec-WebSocket-Key", "x"),)),
            UpstreamRequest("GET", "ftp://a/", ()),
        ):
            with pytest.raises(TransportFault) as raised:
                await transport.open_ws(bad, TIMEOUTS, terms_with())
            assert (raised.value.kind, raised.value.stage) == ("protocol", "not_sent")


async def test_tls_and_sub_protocols(authority: Authority) -> None:
    async def serve(other) -> None:  # type: ignore[no-untyped-def]
        async for message in other:
            await other.send(message)

    tls: ssl.SSLContext = authority.server_context()
    transport = LeanTransport(ssl_context=authority.client_context())
    async with library_serve(serve, "127.0.0.1", 0, ssl=tls, subprotocols=["realtime"]) as server:  # type: ignore[list-item]
        url = f"wss://localhost:{next(iter(server.sockets)).getsockname()[1]}/"
        session = await transport.open_ws(get(url), TIMEOUTS, terms_with(subprotocols=tuple(REALTIME)))
        assert session.subprotocol == "realtime"
        for message in (text("hi"), text("x" * 1_000_000)):
            await session.send(message)
            reply = asyncio.create_task(session.receive())
            if len(message.data) < 1000:
                assert await reply == message
            else:
                with pytest.raises(WebSocketClosed):  # there is no room for it
                    await reply
        await transport.close()
        await asyncio.wait_for(session.wait_closed(), SOON_S)


async def test_a_proxy_in_the_way_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    async with lean() as transport:
        routed = RoutedTransport(transport, lambda: transport)
        with pytest.raises(TransportFault) as raised:
            await routed.open_ws(get("wss://upstream.example/"), TIMEOUTS, terms_with())
        assert (raised.value.kind, raised.value.stage) == ("protocol", "not_sent")
        async with serving() as server:
            session = await routed.open_ws(get(server.url), TIMEOUTS, terms_with())
            session.close()
            await session.wait_closed()


# Both, through a pump.


async def test_a_pump_passes_messages_and_ends_both_ways() -> None:
    async with serving() as upstream, lean() as transport:

        async def relay(session: WebSocket) -> None:
            onward = await transport.open_ws(get(upstream.url), TIMEOUTS, terms_with())
            await pump(session, onward)
            await onward.wait_closed()

        async with serving(relay, deflate=True) as server:
            async with connect(server.url) as client:
                for message in ("hi", b"\0\1", "x" * 100_000):
                    await client.send(message)
                    assert await client.recv() == message
                await client.close(4001, "mine")
            end = await upstream.end()
            assert (end.code, end.reason) == (4001, "mine")


async def test_a_pump_whose_upstream_dies_says_so() -> None:
    async def die(session: WebSocket) -> None:
        await session.receive()
        session.cut("killed")  # type: ignore[attr-defined]
        await end_of(session)

    async with serving(die) as upstream, lean() as transport:

        async def relay(session: WebSocket) -> None:
            await pump(session, await transport.open_ws(get(upstream.url), TIMEOUTS, terms_with()))

        async with serving(relay) as server, connect(server.url) as client:
            await client.send("go")
            await asyncio.wait_for(client.wait_closed(), SOON_S)
            assert client.close_code == 1011
