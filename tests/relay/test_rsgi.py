"""Without this each call that was answered as a whole could stay in memory, kept by its disconnect notice."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

from switchgear.relay.backlog import PeerSockets
from switchgear.relay.rsgi import RsgiReply
from switchgear.relay.server import SharedSocketServer
from switchgear.serve.start import listen


class Owner:
    def left(self) -> None: ...


class App:
    def __init__(self) -> None:
        self.owners: list[weakref.ref[Owner]] = []

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        owner = Owner()
        self.owners.append(weakref.ref(owner))
        reply = RsgiReply(protocol, PeerSockets(), scope.client)
        reply.on_disconnect(owner.left)
        if scope.path == "/stream":
            reply.start_stream(200, [])
            await reply.send(b"some")
        else:
            reply.send_whole(200, [], b"some")
        reply.finish()


@pytest.mark.process
@pytest.mark.parametrize("path", ["/whole", "/stream"])
async def test_a_finished_call_is_let_go(path: str) -> None:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    app = App()
    server = SharedSocketServer(app, listener.detach())
    serving = asyncio.create_task(server.serve())
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
        assert b"some" in await reader.read()
        writer.close()
        await writer.wait_closed()
    assert await server.drain(serving, 5)
    gc.collect()
    assert [owner() for owner in app.owners] == [None] * 3
