"""Keeps a silent stream alive, and lets go of a client that takes nothing.

While an upstream is silent, a sign of life goes to the client every HEARTBEAT_INTERVAL_S, in the form that
its dialect allows; it is not content, so another candidate may still be tried after it.
"""

import asyncio
from collections.abc import Callable

from switchgear.kernel.limits import CLIENT_STALL_TIMEOUT_S, HEARTBEAT_INTERVAL_S
from switchgear.relay.http import ClientGone, Reply

NS = 1_000_000_000


class Pulse:
    """One stream's sender: starts the reply late, pushes pieces, and gives signs of life in between."""

    __slots__ = (
        "_heartbeat",
        "_last_ns",
        "_leave",
        "_reply",
        "_room",
        "_seen_bytes",
        "_start",
        "_stuck_since_ns",
        "delivered_bytes",
        "first_content_ns",
        "is_left",
        "send",
        "was_full",
    )

    def __init__(
        self,
        reply: Reply,
        start: Callable[[], None],
        leave: Callable[[], None],
        now_ns: Callable[[], int],
        heartbeat: Callable[[], bytes],
    ) -> None:
        """``heartbeat`` gives the sign of life, empty where there can be none; ``start`` sends status and
        headers; ``leave`` is called when the client takes nothing any more; ``now_ns`` is monotonic and asked
        once: what is pushed counts from the next ``look`` on, as asking for each piece would cost more than
        it tells."""
        self._reply = reply
        self._start = start
        self._leave = leave
        self._heartbeat = heartbeat
        self._last_ns = now_ns()
        self._seen_bytes = 0
        """Had been delivered at the last look."""
        self._stuck_since_ns = 0
        self._room: asyncio.Future[None] | None = None
        self.delivered_bytes = 0
        """Of content; signs of life do not count."""
        self.first_content_ns = 0
        """When the upstream first said something; 0: it has not."""
        self.is_left = False
        """The client is gone, or takes nothing any more: what is pushed goes nowhere."""
        self.was_full = False
        """The client has held the upstream up."""
        self.send = reply.push
        """What ``push`` comes to after its first time, for those who count ``delivered_bytes`` themselves."""

    def push(self, data: bytes) -> bool:
        """Sends a piece of content; False: wait for ``room`` before the next. Raises ClientGone."""
        if self.is_left:
            return True
        if not self._reply.started:
            self._start()
        room = self.send(data)
        self.delivered_bytes += len(data)
        return room

    async def room(self) -> None:
        """Returns when the client has taken enough, or is not waited for any more. Raises ClientGone."""
        if self.is_left:
            return
        self.was_full = True
        self._room = room = asyncio.ensure_future(self._reply.room())
        try:
            await asyncio.wait((room,))
        except asyncio.CancelledError:
            room.cancel()
            raise
        if not room.cancelled():
            room.result()

    def lose_client(self) -> None:
        """Something that was sent has found nobody."""
        if not self.is_left:
            self._leave()

    def leave(self) -> None:
        """Nothing goes to the client any more, and it holds nothing up."""
        self.is_left = True
        if self._room is not None:
            self._room.cancel()

    def look(self, now_ns: int) -> None:
        """To be called now and then: says something when the stream is silent, leaves when the client is
        stuck."""
        if self.is_left:
            return
        if self._reply.is_full:
            self._stuck_since_ns = self._stuck_since_ns or now_ns
            if now_ns - self._stuck_since_ns >= CLIENT_STALL_TIMEOUT_S * NS:
                self._leave()
            return
        self._stuck_since_ns = 0
        if self.delivered_bytes != self._seen_bytes:
            self._seen_bytes = self.delivered_bytes
            self._last_ns = now_ns
        elif now_ns - self._last_ns >= HEARTBEAT_INTERVAL_S * NS:
            self._last_ns = now_ns
            self._beat()

    def _beat(self) -> None:
        if not (sign := self._heartbeat()):
            return
        try:
            if not self._reply.started:
                self._start()
            self._reply.push(sign)
        except ClientGone:
            self._leave()
