"""The transport for what the lean one leaves out: HTTP/2 and proxies, on pyreqwest (reqwest).

What it can't tell apart is listed in ``tests/net/test_transport_conformance.py``.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import (
    BodyDecodeError,
    BuilderError,
    ConnectError,
    ConnectTimeoutError,
    PyreqwestError,
    RequestError,
)
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from switchgear.kernel.limits import (
    CONNECTIONS_PER_ORIGIN_MAX,
    IDLE_CONNECTION_S_MAX,
    IDLE_CONNECTIONS_PER_ORIGIN_MAX,
    UPSTREAM_HEADER_BYTES_MAX,
)
from switchgear.net.transport import FaultKind, FaultStage, Timeouts, TransportFault, UpstreamRequest

_READ_AHEAD_BYTES = 1024
"""The default of 64 KiB keeps an upstream stream alive, and paid for, after its reader has gone."""
_CLIENTS_MAX = 8
"""One for each connect timeout that is asked for: reqwest knows it by client only."""


class PyreqwestResponse:
    """The UpstreamResponse of this transport."""

    def __init__(
        self,
        transport: "PyreqwestTransport",
        exchange: StreamRequest,
        response: Response,
        timeouts: Timeouts,
        total_at: float,
    ) -> None:
        self._transport = transport
        self._exchange: StreamRequest | None = exchange
        self._reader = response.body_reader
        self._timeouts = timeouts
        self._total_at = total_at
        self.status = response.status
        self.headers: dict[str, str] = {}
        for name, value in response.headers.items():
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    async def next_chunk(self) -> bytes:
        """See UpstreamResponse.next_chunk."""
        left_s = self._total_at - time.monotonic()
        try:
            async with asyncio.timeout(min(self._timeouts.idle_chunk_s, left_s)):
                while (chunk := await self._reader.read_chunk()) is not None:
                    # Its own buffer type costs several times as much when it is passed on.
                    if piece := bytes(chunk):
                        return piece
        except TimeoutError:
            self.close()
            late = time.monotonic() >= self._total_at
            raise TransportFault("total_timeout" if late else "idle_timeout", "answered") from None
        except PyreqwestError as fault:
            self.close()
            raise _fault(fault, "answered") from None
        return b""

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
        return b"".join(pieces)

    def close(self) -> None:
        """See UpstreamResponse.close."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._transport.end(exchange)


class PyreqwestTransport:
    """A Transport. ``http2``: offer it to every ``https`` upstream. Proxies come from the environment."""

    def __init__(self, http2: bool = False, root_certificate_pem: bytes | None = None) -> None:
        self._http2 = http2
        self._root_certificate_pem = root_certificate_pem
        self._clients: dict[float, Client] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def open(self, request: UpstreamRequest, timeouts: Timeouts) -> PyreqwestResponse:
        """See Transport.open. The first-byte deadline covers sending and, with it, connecting."""
        total_at = time.monotonic() + timeouts.total_s
        within_s = min(timeouts.connect_s + timeouts.first_byte_s, timeouts.total_s)
        try:
            builder = self._client(timeouts.connect_s).request(request.method, request.url)
            builder = builder.headers(list(request.headers))
            if request.body:
                builder = builder.body_bytes(request.body)
            exchange = builder.streamed_read_buffer_limit(_READ_AHEAD_BYTES).build_streamed()
        except (BuilderError, ValueError) as fault:
            raise TransportFault("protocol", "not_sent", f"not a request: {type(fault).__name__}") from None
        try:
            async with asyncio.timeout(within_s):
                response = await exchange.__aenter__()
        except TimeoutError as fault:
            if isinstance(fault, ConnectTimeoutError):
                raise TransportFault("connect_timeout", "not_sent") from None
            late = time.monotonic() >= total_at
            raise TransportFault("total_timeout" if late else "first_byte_timeout", "maybe_served") from None
        except PyreqwestError as fault:
            raise _fault(fault, "maybe_served") from None
        opened = PyreqwestResponse(self, exchange, response, timeouts, total_at)
        if _size(opened.headers) > UPSTREAM_HEADER_BYTES_MAX:
            opened.close()
            raise TransportFault("header_too_large", "maybe_served")
        return opened

    async def close(self) -> None:
        """See Transport.close."""
        await asyncio.gather(*self._ending, return_exceptions=True)
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    def end(self, exchange: StreamRequest) -> None:
        """Ends an exchange in the background: closing is immediate here, but its call is a coroutine."""
        task = asyncio.get_running_loop().create_task(_exit(exchange))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _client(self, connect_s: float) -> Client:
        client = self._clients.get(connect_s)
        if client is None:
            if len(self._clients) >= _CLIENTS_MAX:
                return next(iter(self._clients.values()))
            builder = (
                ClientBuilder()
                .follow_redirects(False)
                .referer(False)
                .http2(self._http2)
                .connect_timeout(timedelta(seconds=connect_s))
                .max_connections(CONNECTIONS_PER_ORIGIN_MAX)
                .pool_idle_timeout(timedelta(seconds=IDLE_CONNECTION_S_MAX))
                .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_ORIGIN_MAX)
            )
            if self._root_certificate_pem is not None:
                builder = builder.add_root_certificate_pem(self._root_certificate_pem)
            client = self._clients[connect_s] = builder.build()
        return client


async def _exit(exchange: StreamRequest) -> None:
    await exchange.__aexit__(None, None, None)


def _size(headers: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.items())


def _fault(fault: PyreqwestError, stage: FaultStage) -> TransportFault:
    """The library has few types; what is finer than them stands in the words of the causes only."""
    causes = fault.details.get("causes") if isinstance(fault, RequestError) else None
    words = " ".join(cause["message"] for cause in causes or []).lower()
    kind: FaultKind
    if isinstance(fault, ConnectError):
        secure = "certificate" in words or "tls" in words or "handshake" in words
        return TransportFault("tls" if secure else "connect", "not_sent", words[:200])
    if isinstance(fault, ConnectTimeoutError):
        return TransportFault("connect_timeout", "not_sent")
    if "reset" in words or "broken pipe" in words or "before message completed" in words:
        kind = "reset"
    elif "end of file" in words or "unexpected eof" in words or "incomplete" in words:
        kind = "truncated"
    elif "too large" in words:
        kind = "header_too_large"
    elif isinstance(fault, BodyDecodeError):
        kind = "encoding"
    elif "invalid" in words or "parse" in words:
        kind = "protocol"
    else:
        kind = "reset"
    return TransportFault(kind, stage, words[:200])
