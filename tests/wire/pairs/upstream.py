"""The simulated vendors without a socket: a transport that hands a request to them and gives back what they
say, byte for byte, cuts and all."""

import json
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from tests.sim.upstream import API_KEY, Exchange, FakeUpstream, Gone, Recorded

from switchgear.net.transport import Timeouts, TransportFault, UpstreamRequest, pump_chunks


class Said:
    """What an upstream answered, as an ``UpstreamResponse``."""

    def __init__(self, status: int, headers: dict[str, str], chunks: list[bytes], cut: bool) -> None:
        self.status, self.headers, self.chunks, self.is_cut = status, headers, chunks, cut
        self._left = list(chunks)

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    async def next_chunk(self) -> bytes:
        if self._left:
            return self._left.pop(0)
        if self.is_cut:
            raise TransportFault("truncated", "answered")
        return b""

    async def pump(self, sink: Callable[[bytes], bool]) -> bool:
        return await pump_chunks(self, sink)

    async def read(self, bytes_max: int) -> bytes:
        body = b""
        while chunk := await self.next_chunk():
            body += chunk
        return body

    def close(self) -> None:
        self._left = []


class Wire:
    """A transport to the simulated vendors. ``asked`` and ``said``: what went over it last."""

    def __init__(self) -> None:
        self._upstream = FakeUpstream()
        self.asked: UpstreamRequest | None = None
        self.said: Said | None = None

    async def open(self, request: UpstreamRequest, timeouts: Timeouts) -> Said:
        self.asked = request
        url = urlsplit(request.url)
        # Every host has its own way there; the simulated ones are at the makers' own.
        own = next(
            (end for end in ("/v1/chat/completions", "/v1/messages") if url.path.endswith(end[3:])), ""
        )
        path = own or (f"{url.path}?{url.query}" if url.query else url.path)
        fields = dict(request.headers)
        recorded = Recorded(request.method, path, fields, request.body, json.loads(request.body), 1)
        self._upstream.requests.append(recorded)
        pipe = _Pipe()
        with suppress(Gone):
            await Exchange(self._upstream, recorded, pipe).answer()  # type: ignore[arg-type]  # writes only
        self.said = _parsed(pipe.data)
        return self.said

    async def close(self) -> None:
        """Nothing is held."""


class _Pipe:
    """The part of a stream writer that an exchange uses."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    async def drain(self) -> None:
        """There is always room."""

    def close(self) -> None:
        """What was written stays."""


def _parsed(data: bytes) -> Said:
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    status = int(first.split(" ")[1])
    if headers.get("transfer-encoding") != "chunked":
        return Said(status, headers, [rest] if rest else [], len(rest) < int(headers["content-length"]))
    chunks: list[bytes] = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        if not int(size, 16):
            return Said(status, headers, chunks, cut=False)
        chunks.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return Said(status, headers, chunks, cut=True)


SECRET = API_KEY
