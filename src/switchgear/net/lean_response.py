"""The response side of one exchange: what has come of the body, how it ended, and who waits for more."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from switchgear.net.lean_decode import BadEncoding, Inflater
from switchgear.net.transport import Grow, Timeouts, TransportFault, pump_chunks, read_chunks

if TYPE_CHECKING:
    from switchgear.net.lean_connection import Connection


class LeanResponse:
    """The UpstreamResponse of this transport: buffered pieces of the body and whoever waits for the next."""

    __slots__ = (
        "_decoder",
        "_time",
        "answered",
        "buffered",
        "connection",
        "ended",
        "fault",
        "head_only",
        "headers",
        "heard_at",
        "idle_due",
        "loop",
        "pieces",
        "sink",
        "sink_verdict",
        "status",
        "timeouts",
        "total_at",
        "waiter",
    )

    def __init__(
        self,
        connection: "Connection",
        loop: asyncio.AbstractEventLoop,
        timeouts: Timeouts,
        total_at: float,
        head_only: bool,
    ) -> None:
        self.connection: Connection | None = connection
        self.loop = loop
        self._time = loop.time
        self.timeouts = timeouts
        self.total_at = total_at
        self.head_only = head_only
        self.status = 0
        self.headers: dict[str, str] = {}
        self.answered = False
        self.ended = False
        self.fault: TransportFault | None = None
        self.pieces: list[bytes] = []
        self.buffered = 0
        self.idle_due = 0.0
        """When the next piece is late; kept through a wait that was given up and begun again."""
        self.heard_at = 0.0
        """When the sink took a piece for the last time; the timer that is set looks at it when it rings."""
        self.waiter: asyncio.Future[None] | None = None
        self.sink: Callable[[bytes], bool] | None = None
        """Takes pieces at once, while somebody waits in ``pump``."""
        self.sink_verdict: Exception | Literal[False] | None = None
        """Why it takes no more."""
        self._decoder: Inflater | None = None

    async def next_chunk(self) -> bytes:
        """See UpstreamResponse.next_chunk. Pieces that have gathered come as one."""
        if self._decoder is not None:
            return await self._next_decoded(self._decoder)
        if not self.pieces:
            if not self.ended:
                await self._wait_for_piece()
            if not self.pieces:
                if self.fault is not None:
                    raise self.fault
                return b""
        return self._take()

    async def pump(self, sink: Callable[[bytes], bool]) -> bool:
        """See UpstreamResponse.pump. While somebody waits here, what is read goes straight to the sink: no
        future, no task switch."""
        if self._decoder is not None:
            return await pump_chunks(self, sink)
        while self.pieces or not self.ended:
            if self.pieces and not sink(self._take()):
                return False
            if not self.ended and not await self._pumped(sink):
                return False
        if self.fault is not None:
            raise self.fault
        return True

    async def _pumped(self, sink: Callable[[bytes], bool]) -> bool:
        """Feeds the sink from the socket until the exchange ends, or the sink wants no more: False."""
        self.sink = sink
        try:
            await self._wait_for_piece()
        finally:
            self.sink = None
            if self.heard_at:
                self.idle_due = self.heard_at + self.timeouts.idle_chunk_s
                self.heard_at = 0.0
        verdict, self.sink_verdict = self.sink_verdict, None
        if isinstance(verdict, Exception):
            raise verdict
        return verdict is None

    def feed_sink(self, sink: Callable[[bytes], bool]) -> None:
        """Something was read while ``pump`` waits."""
        try:
            wants_more = sink(self.gather())
        except Exception as fault:  # it belongs to whoever waits in ``pump``
            self.stop_sink(fault)
            return
        if wants_more:
            self.heard_at = self._time()
        else:
            self.stop_sink(False)

    def stop_sink(self, verdict: Exception | Literal[False]) -> None:
        """The sink takes no more: it said so, or raised. A next piece has a deadline of its own."""
        self.sink = None
        self.idle_due = self.heard_at = 0.0
        self.sink_verdict = verdict
        self.wake()

    async def read(self, bytes_max: int, grow: Grow | None = None) -> bytes:
        """See UpstreamResponse.read."""
        return await read_chunks(self, bytes_max, grow)

    def close(self) -> None:
        """See UpstreamResponse.close."""
        self.pieces.clear()
        if self.connection is not None:
            self.connection.fail("reset", "closed by the reader")

    def wait(self, seconds: float) -> "asyncio.Future[None]":
        """A future that is done when anything happens; after ``seconds`` the exchange fails."""
        return self._wait_until(self._time() + seconds)

    def wake(self) -> None:
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def decode_with(self, coding: str) -> None:
        """Decode the body from here on. An unknown one is told when the body is read."""
        self._decoder = Inflater(coding)

    def _wait_for_piece(self) -> "asyncio.Future[None]":
        if not self.idle_due:
            self.idle_due = self._time() + self.timeouts.idle_chunk_s
        return self._wait_until(self.idle_due)

    def _wait_until(self, due: float) -> "asyncio.Future[None]":
        waiter = self.waiter = self.loop.create_future()
        connection = self.connection
        if connection is None:
            raise RuntimeError("waiting on an exchange that has ended")
        connection.arm(due if due < self.total_at else self.total_at)
        return waiter

    async def _next_decoded(self, decoder: Inflater) -> bytes:
        try:
            while not (decoded := decoder.step()):
                if self.pieces:
                    decoder.feed(self._take())
                elif not self.ended:
                    await self._wait_for_piece()
                elif self.fault is not None:
                    raise self.fault
                else:
                    decoder.finish()
                    break
        except BadEncoding as bad:
            self.close()
            self.fault = TransportFault("encoding", "answered", str(bad))
            self.ended = True
            raise self.fault from None
        return decoded

    def _take(self) -> bytes:
        chunk = self.gather()
        self.idle_due = 0.0
        connection = self.connection
        if connection is not None and connection.paused:
            connection.resume()
        return chunk

    def gather(self) -> bytes:
        """Takes the pieces that have come, as one."""
        pieces = self.pieces
        chunk = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.buffered = 0
        return chunk
