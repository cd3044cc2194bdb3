"""Accepts connections from a listening socket that the supervisor owns and all workers share.

A worker that drains or dies leaves the queue of new connections to the others, so none is refused. One
connection is taken each time the socket is readable, so that a burst spreads over the workers.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from switchgear.kernel.limits import (
    CONNECTIONS_LOOK_S,
    CONNECTIONS_MAX,
    LAST_REQUEST_S,
    WEBSOCKET_DRAIN_CLOSE_S,
)
from switchgear.net.lean_chunk import ReadBuffer
from switchgear.relay.http1.connection import Connection, Handler
from switchgear.relay.http1.crowd import Crowd
from switchgear.relay.http1.heads import Dates, refusal
from switchgear.relay.http1.peer import counted_address
from switchgear.relay.room import Room

_TOO_MANY = refusal(503, "too many connections from this address", b"")


class HttpServer:
    """One worker's server. States: accepting → draining → stopped."""

    def __init__(
        self,
        handler: Handler,
        listener: socket.socket,
        room: Room,
        *,
        connections_max: int = CONNECTIONS_MAX,
        is_trusted: Callable[[str], bool] = lambda peer_ip: False,
    ) -> None:
        """``room`` is for bodies that nobody has asked for yet; a peer that ``is_trusted`` speaks for many
        clients."""
        self.handler = handler
        self.dates = Dates()
        self.room = room
        self.session_buffer = ReadBuffer()
        self.loop: asyncio.AbstractEventLoop
        self._listener = listener
        self._is_trusted = is_trusted
        self._crowd = Crowd(connections_max)
        self._accepting = False
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._tasks: set[asyncio.Task[object]] = set()

    def start(self) -> None:
        """Takes connections from now on; to be called on the loop."""
        self.loop = asyncio.get_running_loop()
        self._look_task = self.loop.create_task(self._look_after())
        self._accept_more()

    async def drain(self, timeout_s: float) -> bool:
        """Takes no new connections, lets running requests end; False when some are left after the time.

        A request may be on its way on a connection that is idle or was just taken: it is still answered, as
        the last one there. The listener is closed at once, so that the port is free as soon as nobody else
        has it.
        """
        if not self._draining:
            self._draining = True
            self._accept_no_more()
            self._listener.close()
            for connection in self._crowd:
                connection.closing = True
            if self._crowd or self._tasks:
                await asyncio.sleep(LAST_REQUEST_S)
        for connection in list(self._crowd):
            connection.close_soon()
        if not await self._emptied(timeout_s) and self._end_sessions():
            await self._emptied(WEBSOCKET_DRAIN_CLOSE_S)
        return not self._crowd

    async def _emptied(self, within_s: float) -> bool:
        """Whether every connection ended by itself."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._empty.wait()
        return not self._crowd

    def _end_sessions(self) -> bool:
        """Whether there were any: a session has no end of its own to wait for."""
        return sum(connection.end_session() for connection in list(self._crowd)) > 0

    def stop(self) -> None:
        """No more looking after connections."""
        self._accept_no_more()
        self._look_task.cancel()

    def _accept_more(self) -> None:
        if not self._accepting and not self._draining:
            self._accepting = True
            self.loop.add_reader(self._listener, self._accept)

    def _accept_no_more(self) -> None:
        if self._accepting:
            self._accepting = False
            self.loop.remove_reader(self._listener)

    def _accept(self) -> None:
        if not self._crowd.make_room():
            self._rest()  # every connection is at work: further clients wait in the backlog
            return
        try:
            client, peer = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was quicker, or the client has left already
        except OSError:
            self._rest()  # out of descriptors: let those that are open end first
            return
        peer_ip = peer[0] if isinstance(peer, tuple) else ""
        address = counted_address(peer_ip)
        if not self._is_trusted(peer_ip) and not self._crowd.make_room_for(address):
            self._turn_away(client)
            return
        client.setblocking(False)
        with contextlib.suppress(OSError):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, client, peer_ip, address)
        task: asyncio.Task[object] = self.loop.create_task(self._connect(connection, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _rest(self) -> None:
        self._accept_no_more()
        self.loop.call_later(CONNECTIONS_LOOK_S, self._accept_more)

    def _turn_away(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            client.setblocking(False)
            client.send(_TOO_MANY)

    async def _connect(self, connection: Connection, client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it has left before it was here
            await self.loop.connect_accepted_socket(lambda: connection, client)

    def opened(self, connection: Connection) -> None:
        """See Host.opened."""
        self._crowd.add(connection)
        self._empty.clear()
        connection.closing = self._draining

    def closed(self, connection: Connection) -> None:
        """See Host.closed."""
        self._crowd.remove(connection)
        if not self._crowd:
            self._empty.set()
        self._accept_more()

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(CONNECTIONS_LOOK_S)
            self._look()

    def _look(self) -> None:
        now_s = self.loop.time()
        for connection in list(self._crowd):
            connection.look(now_s)
