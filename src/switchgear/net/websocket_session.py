"""One WebSocket session on a connection that its HTTP side has handed over, towards a client or an upstream.

States: open → closing (a close frame of either side went out) → gone. Framing is the websockets library's;
ours is the order of things: bounds, back-pressure, deadlines, and who is woken.
"""

import asyncio
import logging
from collections.abc import Callable

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from switchgear.kernel.limits import (
    WEBSOCKET_CLOSE_S,
    WEBSOCKET_FEED_BYTES,
    WEBSOCKET_FRAGMENT_BYTES,
    WEBSOCKET_MESSAGE_BYTES_MAX,
    WEBSOCKET_REASON_BYTES_MAX,
    WEBSOCKET_UNSENT_BYTES_MAX,
)
from switchgear.net.lean_chunk import ReadBuffer
from switchgear.net.transport import FaultKind
from switchgear.net.websocket import (
    CUT,
    INVALID_TEXT,
    NO_ROOM,
    NO_STATUS,
    NORMAL,
    POLICY,
    Message,
    WebSocketClosed,
    WebSocketTerms,
    is_sendable,
)
from switchgear.net.websocket_handshake import Agreed
from switchgear.net.websocket_inbox import Inbox

_quiet = logging.getLogger("switchgear.websocket")
_quiet.setLevel(logging.ERROR)
"""The library's: with less it would write what people say into the log."""


class WebSocketSession(asyncio.BufferedProtocol):
    """A WebSocket."""

    def __init__(
        self,
        side: Side,
        agreed: Agreed,
        terms: WebSocketTerms,
        buffer: ReadBuffer,
        on_lost: Callable[[Exception | None], None],
    ) -> None:
        """``buffer`` takes what is read; ``on_lost`` hears of the connection's end."""
        self.subprotocol = agreed.subprotocol
        self._loop = asyncio.get_running_loop()
        self._terms = terms
        self._view = buffer.view
        self.get_buffer = buffer.lend  # type: ignore[method-assign, assignment]
        self._on_lost = on_lost
        self._protocol = Protocol(side, max_size=WEBSOCKET_MESSAGE_BYTES_MAX, logger=_quiet)
        self._protocol.extensions = list(agreed.extensions)
        self._inbox = Inbox(terms.allowance)
        self._transport: asyncio.Transport
        self._unparsed = b""
        """Read, but behind as many messages as may wait."""
        self._paused = True
        self._is_full = False
        self._answers_wait = False
        """The peer is to take our answers to its pings before it is read on."""
        self._closed: WebSocketClosed | None = None
        self._deaf = False
        """We closed: what the peer still says is dropped."""
        self._reader: asyncio.Future[None] | None = None
        self._sender: asyncio.Future[None] | None = None
        self._gone = asyncio.Event()
        now_s = self._loop.time()
        self._total_at = now_s + terms.total_s
        self._ping_at = now_s + terms.ping_s
        self._heard_at = self._moved_at = now_s
        self._timer: asyncio.TimerHandle | None = None

    def start(self, transport: asyncio.Transport, rest: bytes) -> None:
        """Takes a connection over, whose reading is paused; ``rest`` came behind its handshake."""
        self._transport = transport
        transport.set_write_buffer_limits(high=WEBSOCKET_UNSENT_BYTES_MAX)
        transport.set_protocol(self)
        self._unparsed = rest
        self._arm()
        self._read_on()

    # What its owner calls.

    async def receive(self) -> Message:
        """See WebSocket.receive."""
        self._inbox.forget_taken(len(self._protocol.reader.buffer) + len(self._unparsed))
        while not self._inbox:
            self._read_on()
            if self._inbox:
                break
            if (end := self._closed) is not None:
                raise WebSocketClosed(end.code, end.reason, end.kind)
            self._reader = self._loop.create_future()
            await self._reader
        message = self._inbox.take()
        self._moved_at = self._loop.time()
        return message

    async def send(self, message: Message) -> None:
        """See WebSocket.send."""
        data, size = message.data, len(message.data)
        try:
            for at in range(0, size or 1, WEBSOCKET_FRAGMENT_BYTES):
                await self._until_room()
                piece, fin = data[at : at + WEBSOCKET_FRAGMENT_BYTES], at + WEBSOCKET_FRAGMENT_BYTES >= size
                if at:
                    self._protocol.send_continuation(piece, fin)
                elif message.is_text:
                    self._protocol.send_text(piece, fin)
                else:
                    self._protocol.send_binary(piece, fin)
                self._flush()
                self._moved_at = self._loop.time()
        except asyncio.CancelledError:
            if self._protocol.expect_continuation_frame:
                self.cut("a message was given up in the middle")
            raise

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """See WebSocket.close."""
        if code != NO_STATUS and not is_sendable(code):
            raise ValueError(f"{code} is no close code that may be sent")
        self._close(code, reason, None)

    def cut(self, reason: str, kind: FaultKind = "reset") -> None:
        """Ends it without a close frame."""
        self._end(CUT, reason, kind)
        self._transport.abort()

    async def wait_closed(self) -> None:
        """See WebSocket.wait_closed."""
        await self._gone.wait()

    # What the loop calls.

    def buffer_updated(self, nbytes: int) -> None:
        self._heard_at = self._loop.time()
        self._unparsed += bytes(self._view[:nbytes])
        self._parse()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = self._answers_wait = False
        _wake(self._sender)
        self._read_on()

    def eof_received(self) -> None:
        """The transport closes itself now."""
        self._end(CUT, "the connection was closed without a close frame", "truncated")
        self._protocol.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(CUT, "the connection was lost", "reset")
        if self._timer is not None:
            self._timer.cancel()
        _wake(self._sender)
        self._gone.set()
        self._on_lost(exc)

    # Reading.

    def _read_on(self) -> None:
        """Reads as far as there is room for."""
        self._parse()
        if self._paused and not self._unparsed and not self._is_held and not self._transport.is_closing():
            self._paused = False
            self._heard_at = self._loop.time()
            self._transport.resume_reading()

    @property
    def _is_held(self) -> bool:
        return self._answers_wait or self._inbox.is_full(len(self._protocol.reader.buffer))

    def _parse(self) -> None:
        data, at = self._unparsed, 0
        while at < len(data) and not self._is_held:
            end = at + WEBSOCKET_FEED_BYTES
            piece, at = data[at:end], end
            self._protocol.receive_data(piece)
            self._take_frames()
            self._find_room(max(0, len(data) - at))
        self._unparsed = data[at:]
        if self._is_held and not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _take_frames(self) -> None:
        for frame in self._protocol.events_received():
            if not isinstance(frame, Frame):
                raise TypeError("the handshake is over, but another came")
            if frame.opcode is Opcode.CLOSE:
                self._closed_by_peer()
            elif frame.opcode not in (Opcode.PING, Opcode.PONG) and not self._deaf:
                self._take_data(frame)
        fault, sent = self._protocol.parser_exc, self._protocol.close_sent
        if fault is not None and sent is not None:
            self._end(sent.code, sent.reason, "protocol")
            self._inbox.forget_part()
        self._answers_wait = self._flush() and self._is_full

    def _take_data(self, frame: Frame) -> None:
        try:
            self._inbox.add(frame)
        except UnicodeDecodeError:
            self._fail(INVALID_TEXT, "text that is not UTF-8")
            return
        if self._inbox:
            self._moved_at = self._loop.time()
            _wake(self._reader)

    def _closed_by_peer(self) -> None:
        if (theirs := self._protocol.close_rcvd) is not None:
            self._end(theirs.code, theirs.reason, None)

    def _find_room(self, unparsed: int) -> None:
        if not self._deaf and not self._inbox.find_room(unparsed + len(self._protocol.reader.buffer)):
            self._fail(NO_ROOM, "no room for a message of this size now")

    # Sending.

    async def _until_room(self) -> None:
        while self._is_full and self._closed is None:
            self._sender = self._loop.create_future()
            try:
                async with asyncio.timeout(self._terms.send_s):
                    await self._sender
            except TimeoutError:
                self.cut("the peer takes nothing", "idle_timeout")
        if (end := self._closed) is not None:
            raise WebSocketClosed(end.code, end.reason, end.kind)

    def _flush(self) -> bool:
        """Whether there was something to send."""
        pieces = self._protocol.data_to_send()
        for piece in pieces:
            if self._transport.is_closing():
                break
            if piece:
                self._transport.write(piece)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
            else:
                self._transport.close()
        return bool(pieces)

    # Ending.

    def _close(self, code: int, reason: str, kind: FaultKind | None) -> None:
        if self._protocol.state is not State.OPEN:
            return
        reason = reason.encode()[:WEBSOCKET_REASON_BYTES_MAX].decode(errors="ignore")
        self._protocol.send_close(None if code == NO_STATUS else code, "" if code == NO_STATUS else reason)
        self._flush()
        self._end(code, reason, kind)
        self._drop()

    def _fail(self, code: int, reason: str) -> None:
        self._protocol.fail(code, reason)
        self._flush()
        self._end(code, reason, "protocol")
        self._deaf = True
        self._inbox.forget_part()

    def _drop(self) -> None:
        """What the peer still says is read for its close frame only."""
        self._deaf = True
        self._inbox.clear()
        self._loop.call_soon(self._read_on)

    def _end(self, code: int, reason: str, kind: FaultKind | None) -> None:
        if self._closed is not None:
            return
        self._closed = WebSocketClosed(code, reason, kind)
        _wake(self._reader)
        _wake(self._sender)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(WEBSOCKET_CLOSE_S, self._transport.abort)

    # Time.

    def _arm(self) -> None:
        due = min(self._total_at, self._moved_at + self._terms.idle_s, self._ping_at)
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        now_s, terms = self._loop.time(), self._terms
        if now_s >= self._total_at:
            self._close(POLICY, "the session's time is over", "total_timeout")
        elif now_s >= self._moved_at + terms.idle_s:
            self._close(POLICY, "no message for too long", "idle_timeout")
        elif not self._paused and now_s >= self._heard_at + 2 * terms.ping_s:
            self.cut("the peer answers no ping", "idle_timeout")
        else:
            if now_s >= self._ping_at:
                self._ping_at = now_s + terms.ping_s
                self._ping()
            self._arm()

    def _ping(self) -> None:
        if not self._is_full:
            self._protocol.send_ping(b"")
            self._flush()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
