"""Keeps a silent stream alive, and lets go of a client that takes nothing.

While an upstream is silent, a sign of life goes to the client every HEARTBEAT_INTERVAL_S, in the form that
its dialect allows; it is not content, so another candidate may still be tried after it.
"""

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
        self.delivered_bytes = 0
        """Of content; signs of life do not count."""
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
        """To be called now and then: says something when the stream is silent, leaves when the client is
        stuck."""
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
