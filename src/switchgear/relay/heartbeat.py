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


class Pulse:
    """One stream's sender: starts the reply late, sends pieces, and comments in between."""

    __slots__ = (
        "_beat",
        "_last_s",
        "_leave",
        "_loop",
        "_reply",
        "_sending_since_s",
        "_start",
        "_timer",
        "delivered_bytes",
    )

    def __init__(self, reply: Reply, start: Callable[[], None], leave: Callable[[], None]) -> None:
        """``start`` sends status and headers; ``leave`` is called when the client takes nothing any more."""
        self._reply = reply
        self._start = start
        self._leave = leave
        self._loop = asyncio.get_running_loop()
        self._last_s = self._loop.time()
        self._sending_since_s = 0.0
        self._beat: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(HEARTBEAT_INTERVAL_S, self._tick)
        self.delivered_bytes = 0
        """Of content; comments do not count."""

    async def send(self, data: bytes) -> None:
        """Sends a piece of content. Raises ClientGone."""
        if self._beat is not None:
            await self._beat
        await self._send(data)
        self.delivered_bytes += len(data)

    def stop(self) -> None:
        """No more comments."""
        self._timer.cancel()

    async def _send(self, data: bytes) -> None:
        if not self._reply.started:
            self._start()
        self._sending_since_s = self._loop.time()
        await self._reply.send(data)
        self._last_s = self._loop.time()
        self._sending_since_s = 0.0

    def _tick(self) -> None:
        now_s = self._loop.time()
        if self._sending_since_s:
            if now_s - self._sending_since_s >= CLIENT_STALL_TIMEOUT_S:
                self._leave()
                return
        elif now_s - self._last_s >= HEARTBEAT_INTERVAL_S and self._beat is None:
            self._beat = self._loop.create_task(self._comment())
        wait_s = HEARTBEAT_INTERVAL_S - (now_s - self._last_s) % HEARTBEAT_INTERVAL_S
        self._timer = self._loop.call_later(wait_s, self._tick)

    async def _comment(self) -> None:
        try:
            await self._send(COMMENT)
        except ClientGone:
            self._leave()
        finally:
            self._beat = None
