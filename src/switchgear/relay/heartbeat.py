"""Keeps a silent stream alive, and lets go of a client that takes nothing.

While an upstream is silent, a comment line goes to the client every HEARTBEAT_INTERVAL_S; it is not content,
so another candidate may still be tried after it. There is one writer at a time: the stream asks for its turn
before it sends.
"""

import asyncio
from collections.abc import Callable

from switchgear.kernel.limits import CLIENT_STALL_TIMEOUT_S, HEARTBEAT_INTERVAL_S
from switchgear.relay.http import ClientGone, Reply

COMMENT = b": keep-alive\n\n"
NS = 1_000_000_000


class Pulse:
    """One stream's sender: starts the reply late, sends pieces, and comments in between."""

    __slots__ = (
        "_beat",
        "_last_ns",
        "_leave",
        "_now_ns",
        "_reply",
        "_sending_since_ns",
        "_start",
        "delivered_bytes",
    )

    def __init__(
        self,
        reply: Reply,
        start: Callable[[], None],
        leave: Callable[[], None],
        now_ns: Callable[[], int],
    ) -> None:
        """``start`` sends status and headers; ``leave`` is called when the client takes nothing any more;
        ``now_ns`` is monotonic."""
        self._reply = reply
        self._start = start
        self._leave = leave
        self._now_ns = now_ns
        self._last_ns = now_ns()
        self._sending_since_ns = 0
        self._beat: asyncio.Task[None] | None = None
        self.delivered_bytes = 0
        """Of content; comments do not count."""

    async def send(self, data: bytes) -> None:
        """Sends a piece of content. Raises ClientGone."""
        if self._beat is not None:
            await self._beat
        await self._send(data)
        self.delivered_bytes += len(data)

    def look(self, now_ns: int) -> None:
        """To be called now and then: comments when the stream is silent, leaves when the client is stuck."""
        if self._sending_since_ns:
            if now_ns - self._sending_since_ns >= CLIENT_STALL_TIMEOUT_S * NS:
                self._leave()
        elif now_ns - self._last_ns >= HEARTBEAT_INTERVAL_S * NS and self._beat is None:
            self._beat = asyncio.get_running_loop().create_task(self._comment())

    async def _send(self, data: bytes) -> None:
        if not self._reply.started:
            self._start()
        self._sending_since_ns = self._now_ns()
        await self._reply.send(data)
        self._last_ns = self._now_ns()
        self._sending_since_ns = 0

    async def _comment(self) -> None:
        try:
            await self._send(COMMENT)
        except ClientGone:
            self._leave()
        finally:
            self._beat = None
