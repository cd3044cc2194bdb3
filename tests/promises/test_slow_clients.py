"""P8 through a real server: without it clients that read nothing could fill a worker's memory."""

import asyncio
import contextlib
import json
import socket

import pytest
from tests.e2e import client, processes, raw_requests, settings
from tests.e2e.harness import Server
from tests.sim.upstream import FakeUpstream

from switchgear.kernel.limits import CLIENT_BUFFER_BYTES_MAX, KIB, STREAM_BUFFER_BYTES_MAX

FLOOD = "fault-tiny-frames-800000"
"""About 60 MB a stream, as fast as it is taken."""
WARM, MORE = 20, 200
BUFFERED_BYTES_MAX = 128 * KIB
RESIDENT_BYTES_MAX = 192 * KIB
"""What is buffered and, beside it, the call itself: its tasks, parsers, connections and records."""
STANDSTILL_S = 0.5


async def ask(port: int, key: str, stack: contextlib.AsyncExitStack) -> None:
    """One client that sends its request and reads no more than the status line."""
    loop = asyncio.get_running_loop()
    call = {"model": FLOOD, "stream": True, "max_tokens": 3, "messages": [{"role": "user", "content": "Go."}]}
    body = json.dumps(call).encode()
    request = raw_requests.request(b"content-length: %d" % len(body), body=body, key=key.encode())
    connection = stack.enter_context(socket.socket())
    connection.setblocking(False)
    await loop.sock_connect(connection, ("127.0.0.1", port))
    await loop.sock_sendall(connection, request)
    assert (await loop.sock_recv(connection, 12)).endswith(b"200")


async def standstill(worker: int) -> int:
    """The worker's memory once it has stopped working; also the proof that it does stop."""
    async with asyncio.timeout(30):
        while True:
            before = processes.cpu_us(worker)
            await asyncio.sleep(STANDSTILL_S)  # the time over which nothing may happen
            if processes.cpu_us(worker) - before <= STANDSTILL_S * 1_000_000 * 0.2:
                return processes.rss_bytes(worker)


def test_the_bounds_of_a_stream_are_within_the_promise() -> None:
    assert 2 * STREAM_BUFFER_BYTES_MAX + CLIENT_BUFFER_BYTES_MAX <= BUFFERED_BYTES_MAX


@pytest.mark.process
async def test_clients_that_read_nothing_cost_their_bound_and_no_more() -> None:
    key = settings.fresh_key()
    async with FakeUpstream() as upstream, contextlib.AsyncExitStack() as stack:
        text = settings.usual(upstream.base_url, [FLOOD, "gpt-5.2"], key)
        server = Server(text, workers=1)
        stack.callback(server.close)
        await asyncio.to_thread(server.start)
        (worker,) = server.pids("worker")
        for _ in range(WARM):
            await ask(server.port, key, stack)
        before = await standstill(worker)
        for _ in range(MORE):
            await ask(server.port, key, stack)
        each = (await standstill(worker) - before) / MORE
        print(f"{each / KIB:.0f} KiB each for {MORE} clients that read nothing")
        assert upstream.open_streams == WARM + MORE, "a stream was swallowed while nobody read it"
        assert each <= RESIDENT_BYTES_MAX
        call = {"model": "gpt-5.2", "max_tokens": 3, "messages": [{"role": "user", "content": "Go."}]}
        assert (await client.call(server.port, key, call, timeout_s=10)).status == 200
        await stack.aclose()
        await upstream.wait_for(lambda one: one.open_streams == 0, timeout_s=10)
