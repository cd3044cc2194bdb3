"""The HTTP server slot filled with granian's RSGI interface."""

import asyncio
from typing import Any

from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]  # granian marks no exports

from switchgear.kernel.errors import BODY_TIMEOUT, BODY_TOO_LARGE, ApiError
from switchgear.relay.backlog import PeerSockets, SendBacklog
from switchgear.relay.http import ClientGone, DisconnectCallback, Headers


class RsgiInbound:
    """A granian scope and protocol as ``relay.http.Inbound``."""

    __slots__ = ("_headers", "_protocol", "method", "path", "peer_ip", "query")

    def __init__(self, scope: Any, protocol: Any) -> None:
        self._protocol = protocol
        self._headers = scope.headers
        self.method: str = scope.method
        self.path: str = scope.path
        self.query: str = scope.query_string
        self.peer_ip: str = scope.client.rpartition(":")[0].strip("[]")

    def header(self, name: str) -> str | None:
        value: str | None = self._headers.get(name)
        return value

    async def read_body(self, bytes_max: int, timeout_s: float) -> bytes:
        declared = self._headers.get("content-length")
        if declared is not None and declared.isdecimal() and int(declared) > bytes_max:
            raise _too_large(bytes_max)
        try:
            async with asyncio.timeout(timeout_s):
                if declared is not None:
                    # hyper reads no more than the declared length, so gathering it is bounded.
                    whole: bytes = await self._protocol()
                    return whole
                return await self._gather(bytes_max)
        except TimeoutError:
            raise ApiError(
                BODY_TIMEOUT, f"The request body did not arrive within {timeout_s:g} seconds."
            ) from None

    async def _gather(self, bytes_max: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        async for piece in self._protocol:
            size += len(piece)
            if size > bytes_max:
                raise _too_large(bytes_max)
            pieces.append(piece)
        return b"".join(pieces)


class RsgiReply:
    """A granian protocol as ``relay.http.Reply``."""

    __slots__ = ("_backlog", "_left", "_protocol", "_stream", "started")

    def __init__(self, protocol: Any, sockets: PeerSockets, peer: str) -> None:
        """``peer`` as the scope names the client, ``sockets`` to find its connection by."""
        self._protocol = protocol
        self._backlog = SendBacklog(sockets, peer)
        self._stream: Any = None
        self._left: Any = None
        self.started = False

    def on_disconnect(self, callback: DisconnectCallback) -> None:
        # Kept on self: the notice dies with its last reference.
        self._left = self._protocol.client_disconnect()
        self._left.add_done_callback(lambda _left: callback())

    def send_whole(self, status: int, headers: Headers, body: bytes) -> None:
        self.started = True
        self._protocol.response_bytes(status, headers, body)

    def start_stream(self, status: int, headers: Headers) -> None:
        self.started = True
        self._stream = self._protocol.response_stream(status, headers)

    def finish(self) -> None:
        # granian ends a streamed answer when its transport is dropped; waiting for the garbage collector
        # would leave the client waiting too.
        self._stream = None
        if self._left is not None:
            # After a whole answer granian would await the notice for ever, and keep the call with it.
            self._left.cancel()
            self._left = None

    async def send(self, data: bytes) -> None:
        try:
            await self._stream.send_bytes(data)
        except ProtocolClosed:
            raise ClientGone from None
        if self._backlog.add(len(data)):
            await self._backlog.make_room()


def _too_large(bytes_max: int) -> ApiError:
    return ApiError(BODY_TOO_LARGE, f"The request body is larger than {bytes_max} bytes.")
