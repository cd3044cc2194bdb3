"""granian in this process, on a listening socket that the supervisor owns.

The socket is shared by all workers: one that drains or dies leaves the queue of new connections to the
others, so none is refused.
"""

import asyncio
import contextlib
import os
import socket
from typing import Any

from granian._granian import SocketHolder
from granian.http import HTTP1Settings
from granian.server.embed import Server

from switchgear.kernel.limits import (
    ACCEPTED_READ_S,
    CONNECTIONS_MAX,
    HEADER_BYTES_MAX,
    HEADER_READ_TIMEOUT_S,
    LISTEN_BACKLOG,
)


class SharedSocketServer(Server):
    """Serves an RSGI application on an inherited socket until it is told to drain."""

    def __init__(self, app: Any, descriptor: int) -> None:
        super().__init__(
            app,
            backlog=LISTEN_BACKLOG,
            backpressure=CONNECTIONS_MAX,
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
        time.

        granian stops in one step: it closes connections of which it has read nothing yet, even those whose
        request is on its way. So taking new ones ends first, and the last ones get time to be read.
        """
        self._leave_the_queue()
        await asyncio.sleep(ACCEPTED_READ_S)
        self.stop()  # type: ignore[no-untyped-call]  # granian's
        done, _ = await asyncio.wait([serving], timeout=timeout_s)
        return bool(done)

    def _leave_the_queue(self) -> None:
        """Leaves the queue of new connections to the other workers: a socket that nobody knows takes the
        place of the shared one, under every number that it has in this process."""
        shared = os.fstat(self._descriptor)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as unknown:
            unknown.bind("")  # a name that the kernel makes up, in no file system
            unknown.listen(1)
            for name in os.listdir("/proc/self/fd"):
                with contextlib.suppress(OSError):
                    if os.path.samestat(os.fstat(int(name)), shared):
                        os.dup2(unknown.fileno(), int(name), inheritable=False)
