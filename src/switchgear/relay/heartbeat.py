"""Keeps a silent stream alive, and lets go of a client that takes nothing.

While an upstream is silent, a comment line goes to the client every HEARTBEAT_INTERVAL_S; it is not content,
so another candidate may still be tried after it.
"""

from collections.abc import Callable

from switchgear.kernel.limits import CLIENT_STALL_TIMEOUT_S, HEARTBEAT_INTERVAL_S
from switchgear.relay.http import ClientGone, Reply

COMMENT = b": keep-alive\n\n"
NS = 1_000_000_000


class Pulse:
    """One stream's sender: starts the reply late, pushes pieces, and comments in between."""

    __slots__ = (
        "_last_ns",
        "_leave",
        "_reply",
        "_seen_bytes",
        "_start",
        "_stuck_since_ns",
        "delivered_bytes",
        "send",
    )

    def __init__(
        self,
        reply: Reply,
        start: Callable[[], None],
        leave: Callable[[], None],
        now_ns: Callable[[], int],
    ) -> None:
        """``start`` sends status and headers; ``leave`` is called when the client takes nothing any more;
        ``now_ns`` is monotonic and asked once: what is pushed counts from the next ``look`` on, as a look at
        the clock for each piece would cost more than it tells."""
        self._reply = reply
        self._start = start
        self._leave = leave
        self._last_ns = now_ns()
        self._seen_bytes = 0
        """Had been delivered at the last look."""
        self._stuck_since_ns = 0
        self.delivered_bytes = 0
        """Of content; comments do not count."""
        self.send = reply.push
        """What ``push`` comes to after its first time, for those who count ``delivered_bytes`` themselves."""

    def push(self, data: bytes) -> bool:
        """Sends a piece of content; False: wait for ``room`` before the next. Raises ClientGone."""
        if not self._reply.started:
            self._start()
        room = self.send(data)
        self.delivered_bytes += len(data)
        return room

    async def room(self) -> None:
        """Returns when the client has taken enough. Raises ClientGone."""
        await self._reply.room()

    def look(self, now_ns: int) -> None:
        """To be called now and then: comments when the stream is silent, leaves when the client is stuck."""
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
            try:
                if not self._reply.started:
                    self._start()
                self._reply.push(COMMENT)
            except ClientGone:
                self._leave()
