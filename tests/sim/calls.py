"""What tests of transports share: requests, sample replies, and a call that reads a reply to its end."""

import pytest

from switchgear.net.transport import Timeouts, Transport, TransportFault, UpstreamRequest

TIMEOUTS = Timeouts(connect_s=2, first_byte_s=2, idle_chunk_s=2, total_s=10)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
)


def post(url: str, body: bytes = b"{}", once: bool = False, **headers: str) -> UpstreamRequest:
    """``headers``: with underscores for dashes."""
    fields = [("accept-encoding", "identity")]
    fields += [(name.replace("_", "-"), value) for name, value in headers.items()]
    return UpstreamRequest("POST", url, tuple(fields), body, once)


async def call(client: Transport, url: str, timeouts: Timeouts = TIMEOUTS, once: bool = False) -> bytes:
    return await read_all(client, post(url, once=once), timeouts)


async def read_all(client: Transport, request: UpstreamRequest, timeouts: Timeouts = TIMEOUTS) -> bytes:
    response = await client.open(request, timeouts)
    try:
        return await response.read(1 << 24)
    finally:
        response.close()


async def fault_of(client: Transport, url: str, timeouts: Timeouts = TIMEOUTS) -> TransportFault:
    with pytest.raises(TransportFault) as raised:
        await call(client, url, timeouts)
    return raised.value
