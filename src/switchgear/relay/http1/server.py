"""Accepts connections from a listening socket that the supervisor owns and all workers share.

A worker that drains or dies leaves the queue of new connections to the others, so none is refused. One
connection is taken each time the socket is readable, so that a burst spreads over the workers.
"""

import asyncio
import contextlib
import socket

from switchgear.kernel.limits import CONNECTIONS_LOOK_S, CONNECTIONS_MAX
from switchgear.relay.http1.connection import Connection, Handler
from switchgear.relay.http1.heads import Dates


class HttpServer:
    """One worker's server. States: accepting → draining → stopped."""

    def __init__(self, handler: Handler, listener: socket.socket) -> None:
        self._handler = handler
        self._listener = listener
        self._dates = Dates()
        self._connections: set[Connection] = set()
        self._accepting = False
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._tasks: set[asyncio.Task[object]] = set()

    def start(self) -> None:
        """Takes connections from now on; to be called on the loop."""
        self._loop = asyncio.get_running_loop()
        self._look_task = self._loop.create_task(self._look_after())
        self._accept_more()

    async def drain(self, timeout_s: float) -> bool:
        """Takes no new connections, lets running requests end; False when some are left after the time."""
        self._draining = True
        self._accept_no_more()
        for connection in list(self._connections):
            connection.close_soon()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        return not self._connections

    def stop(self) -> None:
        """No more looking after connections."""
        self._accept_no_more()
        self._look_task.cancel()

    def _accept_more(self) -> None:
        if not self._accepting and not self._draining and len(self._connections) < CONNECTIONS_MAX:
            self._accepting = True
            self._loop.add_reader(self._listener, self._accept)

    def _accept_no_more(self) -> None:
        if self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._listener)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was quicker, or the client has left already
        except OSError:
            # Out of descriptors: let those that are open end first.
            self._accept_no_more()
            self._loop.call_later(CONNECTIONS_LOOK_S, self._accept_more)
            return
        client.setblocking(False)
        with contextlib.suppress(OSError):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task: asyncio.Task[object] = self._loop.create_task(self._connect(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, client: socket.socket) -> None:
        def protocol() -> Connection:
            return Connection(self._handler, self._dates, self._loop, self._opened, self._closed)

        with contextlib.suppress(OSError):  # it has left before it was here
            await self._loop.connect_accepted_socket(protocol, client)

    def _opened(self, connection: Connection) -> None:
        self._connections.add(connection)
        self._empty.clear()
        if len(self._connections) >= CONNECTIONS_MAX:
            self._accept_no_more()
        if self._draining:
            connection.close_soon()

    def _closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()
        self._accept_more()

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(CONNECTIONS_LOOK_S)
            now_s = self._loop.time()
            for connection in list(self._connections):
                connection.look(now_s)
