"""P8 through a real server: without it clients that read nothing could fill a worker's memory."""

import asyncio
import contextlib
import json
import socket

import pytest
from tests.e2e import fault_rig, processes, raw_requests
from tests.e2e.fault_rig import Rig

from switchgear.kernel.limits import KIB

FLOOD = "fault-tiny-frames-800000"
"""About 60 MB a stream, as fast as it is taken."""
WARM, MORE = 8, 40
RESIDENT_BYTES_MAX = 512 * KIB
"""The bytes themselves are counted by tests/relay/test_backlog.py and tests/net/test_lean_connection.py; tiny
pieces cost their objects beside, and the allocator rounds up."""
STANDSTILL_S = 0.5


async def ask(rig: Rig, stack: contextlib.AsyncExitStack) -> None:
    """One client that sends its request and reads no more than the status line."""
    loop = asyncio.get_running_loop()
    body = json.dumps(fault_rig.chat_call(FLOOD, stream=True)).encode()
    request = raw_requests.request(b"content-length: %d" % len(body), body=body, key=rig.key.encode())
    connection = stack.enter_context(socket.socket())
    connection.setblocking(False)
    await loop.sock_connect(connection, ("127.0.0.1", rig.server.port))
    await loop.sock_sendall(connection, request)
    assert (await loop.sock_recv(connection, 12)).endswith(b"200")


async def standstill(worker: int) -> int:
    """The worker's memory once it has stopped working; also the proof that it does stop."""
    async with asyncio.timeout(60):
        while True:
            before = processes.cpu_us(worker)
            await asyncio.sleep(STANDSTILL_S)  # the time over which nothing may happen
            if processes.cpu_us(worker) - before <= STANDSTILL_S * 1_000_000 * 0.2:
                return processes.rss_bytes(worker)


@pytest.mark.process
async def test_clients_that_read_nothing_cost_their_bound_and_no_more() -> None:
    async with fault_rig.running([FLOOD]) as rig, contextlib.AsyncExitStack() as stack:
        (worker,) = rig.server.pids("worker")
        for _ in range(WARM):
            await ask(rig, stack)
        before = await standstill(worker)
        for _ in range(MORE):
            await ask(rig, stack)
        each = (await standstill(worker) - before) / MORE
        print(f"{each / KIB:.0f} KiB each for {MORE} clients that read nothing")
        assert rig.first.open_streams == WARM + MORE, "a stream was swallowed while nobody read it"
        assert each <= RESIDENT_BYTES_MAX
        assert (await rig.chat("gpt-5.2", stream=False, timeout_s=10)).status == 200
        await stack.aclose()
        await rig.first.wait_for(lambda upstream: upstream.open_streams == 0, timeout_s=10)
