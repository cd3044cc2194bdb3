"""Clients that misbehave, against a real server.

Without it a slow or lying client could hold the relay up, fill its memory, or get a request past it unseen.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.e2e import client, fault_rig, processes, raw_requests
from tests.e2e.fault_rig import Rig
from tests.e2e.raw_requests import CALL, SMUGGLED

from switchgear.kernel.limits import BODY_BYTES_MAX, MIB

LORIS = 200
FLOOD = "fault-tiny-frames-800000"
QUIET_TIMEOUT_S = 5.0
RSS_GROWTH_MAX = 64 * MIB
SETTLE_S = 2.0

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    async with fault_rig.running([FLOOD]) as running:
        yield running


async def assert_serves(rig: Rig) -> None:
    reply = await rig.chat("gpt-5.2", stream=False, timeout_s=QUIET_TIMEOUT_S)
    assert reply.status == 200, reply.body


@pytest.mark.parametrize("odd", raw_requests.odd_requests(b"KEY"), ids=lambda odd: odd.name)
async def test_one_request_in_at_most_one_out(rig: Rig, odd: raw_requests.Odd) -> None:
    already = len(rig.first.requests)
    answer = b""
    with contextlib.suppress(TimeoutError):
        data = odd.data.replace(b"Bearer KEY", b"Bearer " + rig.key.encode())
        answer = await client.exchange(rig.server.port, data, timeout_s=0.4)
    await assert_serves(rig)
    *passed, probe = rig.first.requests[already:]
    assert probe.json["messages"] == fault_rig.QUESTION
    assert all(SMUGGLED not in request.body for request in passed)
    assert len(passed) <= (0 if odd.must_refuse else 1), [request.body for request in passed]
    for request in passed:
        assert request.json["messages"] == [{"role": "user", "content": "hello"}]
        assert ("content-length" in request.headers) != ("transfer-encoding" in request.headers)
    if odd.must_refuse:
        assert not answer.startswith(b"HTTP/1.1 2"), answer[:200]


async def test_two_requests_in_one_packet_are_two_requests(rig: Rig) -> None:
    already = len(rig.first.requests)
    one = raw_requests.request(b"content-length: %d" % len(CALL), key=rig.key.encode())
    last = raw_requests.request(b"content-length: %d" % len(CALL), b"connection: close", key=rig.key.encode())
    answer = await client.exchange(rig.server.port, one + last)
    assert answer.count(b"HTTP/1.1 200") == len(rig.first.requests) - already == 2


async def test_headers_that_never_end_hold_nobody_up(rig: Rig) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(LORIS):
            _, writer = await asyncio.open_connection("127.0.0.1", rig.server.port)
            stack.callback(writer.close)
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-slow: ")
        await assert_serves(rig)


async def test_bodies_that_never_end_hold_nobody_up_and_cost_nothing(rig: Rig) -> None:
    already = len(rig.first.requests)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(LORIS):
            _, writer = await asyncio.open_connection("127.0.0.1", rig.server.port)
            stack.callback(writer.close)
            writer.write(raw_requests.request(b"content-length: 5000", key=rig.key.encode()))
        await assert_serves(rig)
        assert len(rig.first.requests) == already + 1


async def test_a_half_closed_client_is_answered(rig: Rig) -> None:
    data = raw_requests.request(b"content-length: %d" % len(CALL), b"connection: close", key=rig.key.encode())
    answer = await client.exchange(rig.server.port, data, half_close=True, timeout_s=QUIET_TIMEOUT_S)
    assert answer.startswith(b"HTTP/1.1 200")
    await rig.first.wait_for(lambda upstream: upstream.open_streams == 0)


async def test_a_declared_length_over_the_bound_is_refused_before_it_is_sent(rig: Rig) -> None:
    head = raw_requests.request(b"content-length: %d" % (BODY_BYTES_MAX + 1), body=b"", key=rig.key.encode())
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.server.port)
    writer.write(head)
    async with asyncio.timeout(QUIET_TIMEOUT_S):
        status = await reader.readline()
    writer.transport.abort()
    assert b" 413 " in status


async def test_a_body_that_outgrows_the_bound_is_refused_in_bounded_memory(rig: Rig) -> None:
    (worker,) = rig.server.pids("worker")
    before = processes.rss_bytes(worker)
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.server.port)
    writer.write(raw_requests.request(b"transfer-encoding: chunked", body=b"", key=rig.key.encode()))
    status = b""
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            for _ in range(BODY_BYTES_MAX // MIB + 8):
                writer.write(b"%x\r\n" % MIB + b" " * MIB + b"\r\n")
                await writer.drain()
        with contextlib.suppress(ConnectionError):
            status = await reader.readline()
    writer.transport.abort()
    assert status == b"" or b" 413 " in status
    assert processes.rss_bytes(worker) - before < BODY_BYTES_MAX + RSS_GROWTH_MAX
    await assert_serves(rig)


async def test_a_client_that_does_not_read_pauses_the_upstream(rig: Rig) -> None:
    (worker,) = rig.server.pids("worker")
    before, left = processes.rss_bytes(worker), len(rig.first.closed_early)
    call = fault_rig.chat_call(FLOOD, stream=True)
    body = json.dumps(call).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.server.port, limit=1024)
    try:
        writer.write(raw_requests.request(b"content-length: %d" % len(body), body=body, key=rig.key.encode()))
        await reader.readline()
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # only the read side has it by type
        with contextlib.suppress(TimeoutError):
            await rig.first.wait_for(lambda upstream: upstream.open_streams == 0, timeout_s=SETTLE_S)
        assert rig.first.open_streams == 1, "the whole stream was swallowed while nobody read it"
        grown = processes.rss_bytes(worker) - before
        assert grown < 24 * MIB, f"grew by {grown >> 20} MiB"
    finally:
        writer.transport.abort()
    await rig.first.wait_closed_early(left + 1)
    await assert_serves(rig)
