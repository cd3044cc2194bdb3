"""The response side of one exchange: what has come of the body, how it ended, and who waits for more."""

import asyncio
from typing import TYPE_CHECKING

from switchgear.net.lean_decode import BadEncoding, Inflater
from switchgear.net.transport import Timeouts, TransportFault

if TYPE_CHECKING:
    from switchgear.net.lean_connection import Connection


class LeanResponse:
    """The UpstreamResponse of this transport: buffered pieces of the body and whoever waits for the next."""

    __slots__ = (
        "_decoder",
        "answered",
        "buffered",
        "connection",
        "ended",
        "fault",
        "head_only",
        "headers",
        "idle_due",
        "loop",
        "pieces",
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
        self.waiter: asyncio.Future[None] | None = None
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

    async def read(self, bytes_max: int) -> bytes:
        """See UpstreamResponse.read."""
        pieces: list[bytes] = []
        size = 0
        while piece := await self.next_chunk():
            size += len(piece)
            if size > bytes_max:
                self.close()
                raise TransportFault("body_too_large", "answered", f"more than {bytes_max} bytes")
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """See UpstreamResponse.close."""
        self.pieces.clear()
        if self.connection is not None:
            self.connection.fail("reset", "closed by the reader")

    def wait(self, seconds: float) -> "asyncio.Future[None]":
        """A future that is done when anything happens; after ``seconds`` the exchange fails."""
        return self._wait_until(self.loop.time() + seconds)

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
            self.idle_due = self.loop.time() + self.timeouts.idle_chunk_s
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
        pieces = self.pieces
        chunk = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.buffered = 0
        self.idle_due = 0.0
        connection = self.connection
        if connection is not None and connection.paused:
            connection.resume()
        return chunk
