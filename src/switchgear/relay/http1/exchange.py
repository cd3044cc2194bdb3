"""One request and its answer: what the relay knows as ``Inbound`` and ``Reply``.

States of the request: head read → body coming → body whole. Of the answer: none → whole, or head → pieces →
finished. ``gone`` ends both.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from switchgear.kernel.errors import BAD_FRAMING, BODY_TOO_LARGE, ApiError
from switchgear.kernel.limits import UNREAD_BODY_BYTES_MAX
from switchgear.net.websocket import WebSocketTerms
from switchgear.net.websocket_session import WebSocketSession
from switchgear.relay.http import ClientGone, DisconnectCallback, Headers
from switchgear.relay.http1.heads import CONTINUE, header_block, kept_size_line, size_line, status_line
from switchgear.relay.http1.incoming import IncomingBody
from switchgear.relay.room import Holding

if TYPE_CHECKING:
    from switchgear.relay.http1.connection import Connection

_FIRST_OF_HEAD = b"H"
_FIRST_OF_CHUNK = b"0"
"""Sizes of chunks may begin with zeros."""


class Exchange:
    """Made by a connection when a request's head is complete."""

    __slots__ = (
        "_body",
        "_callback",
        "_connection",
        "_head",
        "_headers",
        "_is_head_begun",
        "_waiter",
        "body_is_whole",
        "chunked",
        "finished",
        "gone",
        "header",
        "keep_alive",
        "method",
        "path",
        "peer_ip",
        "query",
        "started",
    )

    def __init__(
        self,
        connection: "Connection",
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        keep_alive: bool,
    ) -> None:
        self._connection = connection
        self._headers = headers
        self.header: Callable[[str], str | None] = headers.get
        """See Inbound.header. A header that came twice has its values joined."""
        self._body = IncomingBody(connection.room, connection.address)
        self._waiter: asyncio.Future[None] | None = None
        self._callback: DisconnectCallback | None = None
        self._head = b""
        self._is_head_begun = False
        self.method = method
        self.path = path
        self.query = query
        self.peer_ip = connection.peer_ip
        self.keep_alive = keep_alive
        self.body_is_whole = False
        self.started = False
        self.finished = False
        self.chunked = False
        self.gone = False

    # The request.

    @property
    def bytes_declared(self) -> int | None:
        """Length of the body as the head has it; None for one in chunks, and for none."""
        declared = self._headers.get("content-length")
        return None if declared is None else int(declared)

    @property
    def bytes_left(self) -> int:
        """Of the body, that are still to come; 0 where nobody knows."""
        declared = self.bytes_declared
        return 0 if declared is None else max(0, declared - self._body.size)

    @property
    def _expects_continue(self) -> bool:
        return self._headers.get("expect", "").lower() == "100-continue"

    async def read_body(self, bytes_max: int, holding: Holding) -> bytes:
        """See Inbound.read_body."""
        body, declared = self._body, self.bytes_declared
        if body.fault is not None:
            raise body.fault
        if declared is not None and declared > bytes_max:
            raise _too_large(bytes_max)
        wanted = body.size if declared is None else declared
        if wanted > UNREAD_BODY_BYTES_MAX:
            await holding.grow(wanted)
        body.open(bytes_max, holding)
        if not self.body_is_whole and not body.size and self._expects_continue:
            self._connection.write(CONTINUE)
        while True:
            if self.gone:
                raise ClientGone
            if body.fault is not None:
                raise body.fault
            if body.is_too_large:
                raise _too_large(bytes_max)
            if body.unplaced:
                await body.find_room()
            elif self.body_is_whole:
                return body.take()
            else:
                self._connection.want_body()
                self._waiter = self._connection.loop.create_future()
                await self._waiter

    def take_body(self, data: bytes) -> bool:
        """A piece of the body from the parser; False when no more is wanted for now. Beyond the bound it is
        dropped."""
        goes_on = self._body.add(data)
        if self._body.is_too_large or not goes_on:
            self._wake()
        return goes_on

    def body_ended(self) -> None:
        self.body_is_whole = True
        self._wake()

    def body_broke(self, fault: str) -> None:
        """What the client sends is no body any more, so it will never be whole."""
        self._body.fault = ApiError(BAD_FRAMING, f"The request body can't be read: {fault}.")
        self._wake()

    # Another protocol.

    @property
    def offers_websocket(self) -> bool:
        """See Upgradable.offers_websocket."""
        return self._connection.offers_websocket

    def upgrade(self, terms: WebSocketTerms) -> WebSocketSession:
        """See Upgradable.upgrade."""
        if self.gone:
            raise ClientGone
        session = self._connection.upgrade(self.method, self._headers, terms)
        self.started = self.finished = True
        self._body.drop()
        return session

    # The answer.

    def on_disconnect(self, callback: DisconnectCallback) -> None:
        """See Reply.on_disconnect."""
        self._callback = callback
        if self.gone:
            callback()

    def send_whole(self, status: int, headers: Headers, body: bytes) -> None:
        """See Reply.send_whole."""
        if self.gone:
            return
        self.started = True
        head = self._start_of_head(status, headers)
        if status != 204:
            head += b"content-length: %d\r\n" % len(body)
        head += b"\r\n"
        self._connection.write(head if self.method == "HEAD" else head + body)
        self.finish()

    def start_stream(self, status: int, headers: Headers) -> None:
        """See Reply.start_stream. The head leaves with the first piece, in one packet."""
        self.started = True
        self.chunked = self._connection.can_chunk
        head = self._start_of_head(status, headers)
        self._head = head + (b"transfer-encoding: chunked\r\n\r\n" if self.chunked else b"\r\n")
        if not self.chunked:
            self.keep_alive = False

    def push(self, data: bytes) -> bool:
        """See Reply.push."""
        if self.gone:
            raise ClientGone
        if self.chunked and data:  # a chunk of no bytes would be the end of the body
            size = len(data)
            data = b"".join((kept_size_line(size) or size_line(size), data, b"\r\n"))
        if self._head:
            data = self._head + data
            self._head = b""
        connection = self._connection
        write = connection.write
        write(data)
        return not connection.is_full

    @property
    def is_full(self) -> bool:
        """See Reply.is_full."""
        return self._connection.is_full

    async def room(self) -> None:
        """See Reply.room."""
        if self._connection.is_full:
            await self._connection.until_room()
        if self.gone:
            raise ClientGone

    def finish(self) -> None:
        """See Reply.finish."""
        if self.finished:
            return
        self.finished = True
        self._callback = None
        self._body.drop()
        if self.gone:
            return
        if self._head or self.chunked:
            self._connection.write(self._head + (b"0\r\n\r\n" if self.chunked else b""))
            self._head = b""
        self._connection.answered()

    def send_ahead(self) -> None:
        """Sends the first byte of what comes next, which is known: a client that has left altogether answers
        it with a reset."""
        if self._head:
            self._connection.write(self._head[:1])
            self._head = self._head[1:]
        elif not self.started:
            self._connection.write(_FIRST_OF_HEAD)
            self._is_head_begun = True
        elif self.chunked:
            self._connection.write(_FIRST_OF_CHUNK)

    def client_gone(self) -> None:
        """The connection was lost; what was sent ahead on it is not answered either."""
        self.gone = True
        self._body.drop()
        self._wake()
        if self._callback is not None:
            callback, self._callback = self._callback, None
            callback()

    def _start_of_head(self, status: int, headers: Headers) -> bytes:
        head = status_line(status) + self._connection.date_line() + header_block(headers)
        if self._is_head_begun:
            head = head[len(_FIRST_OF_HEAD) :]
        stays = self.keep_alive and self.body_is_whole and not self._connection.closing
        return head if stays else head + b"connection: close\r\n"

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _too_large(bytes_max: int) -> ApiError:
    return ApiError(BODY_TOO_LARGE, f"The request body is larger than {bytes_max} bytes.")
