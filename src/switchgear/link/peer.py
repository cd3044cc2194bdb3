"""One end of a link connection: frames in and out, calls that wait for their answer.

States: ``open`` → ``closed``. A peer that breaks the protocol, or stops reading while we write, is cut.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec

from switchgear.kernel.limits import (
    LINK_BUFFER_BYTES_MAX,
    LINK_CALL_TIMEOUT_S,
    LINK_CALLS_MAX,
    LINK_FRAME_BYTES_MAX,
)
from switchgear.link.protocol import (
    Answer,
    Call,
    ControllerCall,
    Frame,
    Notice,
    Result,
    WorkerCall,
    WorkerNotice,
    decode_frame,
    encode_frame,
)

_PREFIX_BYTES = 4


class LinkAway(ConnectionError):
    """The other end can't be asked right now: not connected, too busy, or silent past the deadline."""


class Peer(asyncio.Protocol):
    """Speaks the link protocol over one transport. Answers are matched to calls here; all other frames go to
    ``on_frame(peer, frame)``, and the end of the connection to ``on_close(peer, reason)``, exactly once."""

    def __init__(
        self,
        on_open: Callable[["Peer"], None],
        on_frame: Callable[["Peer", Frame], None],
        on_close: Callable[["Peer", str], None],
    ) -> None:
        self._on_open = on_open
        self._on_frame = on_frame
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reason = ""
        self._in = bytearray()
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._pending: dict[int, asyncio.Future[Result]] = {}
        self._seq = 0

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    async def call(self, body: WorkerCall | ControllerCall, timeout_s: float = LINK_CALL_TIMEOUT_S) -> Result:
        """Sends a call and waits for its answer. Raises LinkAway."""
        if len(self._pending) >= LINK_CALLS_MAX:
            raise LinkAway("too many calls are waiting")
        self._seq += 1
        seq = self._seq
        self.send(Call(seq, body))
        answer: asyncio.Future[Result] = self._loop.create_future()
        self._pending[seq] = answer
        deadline = self._loop.call_later(timeout_s, _expire, answer, timeout_s)
        try:
            return await answer
        finally:
            deadline.cancel()
            self._pending.pop(seq, None)

    def notify(self, body: WorkerNotice) -> None:
        """Sends a notice; dropped when the connection has gone."""
        if self._transport is not None:
            self.send(Notice(body))

    def answer(self, seq: int, body: Result) -> None:
        """Answers a call; dropped when the connection has gone, as the caller knows that too."""
        if self._transport is not None:
            self.send(Answer(seq, body))

    def send(self, frame: Frame) -> None:
        """Queues a frame; frames of one turn of the loop leave in one write. Raises LinkAway."""
        if self._transport is None:
            raise LinkAway("not connected")
        data = encode_frame(frame)
        if len(data) > LINK_FRAME_BYTES_MAX:
            raise LinkAway(f"a frame of {len(data)} bytes is over the bound")
        if self._out_bytes + self._transport.get_write_buffer_size() > LINK_BUFFER_BYTES_MAX:
            self.abort("the other end does not read")
            raise LinkAway("the other end does not read")
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)
        self._out_bytes += len(data)

    def close(self) -> None:
        """Sends what is queued, then closes."""
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Cuts the connection; ``reason`` is what ``on_close`` gets."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self._on_open(self)

    def data_received(self, data: bytes) -> None:
        self._in += data
        start = 0
        while (length := self._length_at(start)) is not None:
            if length > LINK_FRAME_BYTES_MAX:
                self.abort(f"a frame of {length} bytes is over the bound")
                return
            end = start + _PREFIX_BYTES + length
            if len(self._in) < end:
                break
            body = bytes(self._in[start + _PREFIX_BYTES : end])
            start = end
            if not self._take(body):
                return
        if start:
            del self._in[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._out.clear()
        reason = self._reason or (str(exc) if exc else "the other end closed the connection")
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(LinkAway(reason))
        self._on_close(self, reason)

    def _length_at(self, start: int) -> int | None:
        prefix = self._in[start : start + _PREFIX_BYTES]
        return int.from_bytes(prefix, "big") if len(prefix) == _PREFIX_BYTES else None

    def _take(self, body: bytes) -> bool:
        """One frame. False when the connection has been given up."""
        try:
            frame = decode_frame(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            self.abort(f"a frame can't be read: {fault}")
            return False
        if isinstance(frame, Answer) and frame.seq:
            answer = self._pending.get(frame.seq)
            if answer is not None and not answer.done():
                answer.set_result(frame.body)  # Past its deadline nobody waits for it.
        else:
            self._on_frame(self, frame)
        return self._transport is not None

    def _flush(self) -> None:
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
        self._out.clear()
        self._out_bytes = 0


def _expire(answer: "asyncio.Future[Result]", timeout_s: float) -> None:
    if not answer.done():
        answer.set_exception(LinkAway(f"no answer within {timeout_s:g} s"))
