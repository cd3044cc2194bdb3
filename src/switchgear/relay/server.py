"""granian in this process, on a listening socket that the supervisor owns.

The socket is shared by all workers: one that drains or dies leaves the queue of new connections to the
others, so none is refused.
"""

import asyncio
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes
from granian.http import HTTP1Settings
from granian.server.embed import Server

from switchgear.kernel.limits import CONNECTIONS_MAX, HEADER_BYTES_MAX, HEADER_READ_TIMEOUT_S, LISTEN_BACKLOG


class SharedSocketServer(Server):
    """Serves an RSGI application on an inherited socket until it is told to drain."""

    def __init__(self, app: Any, descriptor: int) -> None:
        super().__init__(
            app,
            backlog=LISTEN_BACKLOG,
            backpressure=CONNECTIONS_MAX,
            http=HTTPModes.http1,  # one stream a connection: a slow client's backlog is its socket's
            http1_settings=HTTP1Settings(
                header_read_timeout=int(HEADER_READ_TIMEOUT_S * 1000), max_buffer_size=HEADER_BYTES_MAX
            ),
            log_enabled=False,
            websockets=True,
        )
        self._descriptor = descriptor

    def _init_shared_socket(self) -> None:
        # granian's own workers inherit their sockets the same way; its types do not say so.
        holder: Any = SocketHolder
        self._ssp: Any = None
        self._shd: Any = holder(self._descriptor, False, LISTEN_BACKLOG)

    async def drain(self, serving: "asyncio.Task[None]", timeout_s: float) -> bool:
        """Takes no new connections and waits for the running ones; False when some are left after the
        time."""
        self.stop()  # type: ignore[no-untyped-call]  # granian's
        done, _ = await asyncio.wait([serving], timeout=timeout_s)
        return bool(done)
