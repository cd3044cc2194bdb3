"""Without this an upstream would be held to be ill for what this machine itself lacks."""

import asyncio
import errno
import os
import socket
from typing import Any

import pytest
from tests.sim.raw_server import Peer, RawServer

from switchgear.net.lean_connect import dial
from switchgear.net.lean_request import Origin
from switchgear.net.own_lack import is_own_lack
from switchgear.net.transport import Timeouts, TransportFault, UpstreamRequest
from switchgear.net.transport_lean import LeanTransport
from switchgear.serve.descriptors import client_connections_max, upstream_connections_max

TIMEOUTS = Timeouts(2.0, 2.0, 2.0, 5.0)
OURS = [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL]
THEIRS = [errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT]
FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]


@pytest.mark.parametrize("number", OURS)
async def test_what_this_machine_lacks_is_told_from_what_an_upstream_does(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    async def refuse(*_: object) -> socket.socket:
        raise OSError(number, os.strerror(number))

    async def resolve(_: Origin) -> list[object]:
        return [*FOUND]

    monkeypatch.setattr("switchgear.net.lean_connect._connect_first", refuse)
    with pytest.raises(TransportFault) as raised:
        await dial(Origin("http", "a", 1), asyncio.Protocol, None, 1.0, resolve)  # type: ignore[arg-type]
    assert (raised.value.kind, raised.value.stage) == ("no_room", "not_sent")


@pytest.mark.parametrize("number", THEIRS)
def test_what_an_upstream_does_is_its_own(number: int) -> None:
    assert not is_own_lack(OSError(number, ""))
    assert not is_own_lack(socket.gaierror(socket.EAI_NONAME, ""))


async def test_connections_that_are_kept_make_room_for_one_that_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    full: list[bool] = []

    async def scarce(*arguments: Any) -> Any:
        if full:
            full.clear()
            raise TransportFault("no_room", "not_sent")
        return await dial(*arguments)

    client = LeanTransport()
    async with RawServer(script) as first, RawServer(script) as second:
        for server in (first, second):
            response = await client.open(UpstreamRequest("POST", server.url, ()), TIMEOUTS)
            assert await response.read(10) == b"ok"
            if server is first:
                full.append(True)
                monkeypatch.setattr("switchgear.net.transport_lean.dial", scarce)
        assert client.connections_opened == 2
        await client.close()


async def test_all_upstreams_together_get_no_more_connections_than_there_are() -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
            await peer.until_closed()

    client = LeanTransport(connections_max=2)
    async with RawServer(script) as first, RawServer(script) as second:
        running = [
            await client.open(UpstreamRequest("POST", one.url, ()), TIMEOUTS) for one in (first, second)
        ]
        with pytest.raises(TransportFault) as raised:
            await client.open(UpstreamRequest("POST", first.url, ()), TIMEOUTS)
        assert raised.value.kind == "no_room"
        running[0].close()
        await asyncio.sleep(0)  # the loop closes it
        running.append(await client.open(UpstreamRequest("POST", second.url, ()), TIMEOUTS))
        for response in running:
            response.close()
        await client.close()


@pytest.mark.parametrize(
    ("descriptors", "clients", "upstreams"), [(1024, 480, 480), (1 << 20, 16_384, 16_384), (40, 16, 16)]
)
def test_descriptors_are_shared_out(descriptors: int, clients: int, upstreams: int) -> None:
    assert client_connections_max(descriptors) == clients
    assert upstream_connections_max(descriptors) == upstreams
