"""Without these, a few large bodies could take a worker's memory from everybody, or keep it for good."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from tests.e2e import processes, raw_requests, settings
from tests.e2e.harness import Server
from tests.sim.raw_server import Peer, RawServer

from switchgear.kernel.limits import BODY_BYTES_MAX, MIB, REPLY_BODIES_BYTES_MAX, REPLY_BYTES_MAX

REST_BYTES = 16 * MIB
"""What a worker may keep of all that has passed through it."""
LARGE_BYTES = REPLY_BYTES_MAX - MIB
CALL = {"model": "gpt-5.2", "max_tokens": 3, "messages": [{"role": "user", "content": "Go."}]}


def reply(text: str) -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    return json.dumps({"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()


class House(msgspec.Struct):
    server: Server
    key: str
    worker: int

    async def call(self, words: str, path: str = "/v1/chat/completions") -> int:
        """The status of a call; its body is read and thrown away."""
        body = json.dumps(CALL | {"messages": [{"role": "user", "content": words}]}).encode()
        line = f"POST {path} HTTP/1.1".encode()
        length = b"content-length: %d" % len(body)
        call = raw_requests.request(length, b"connection: close", body=body, key=self.key.encode(), line=line)
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, limit=MIB)
            writer.write(call)
            status = await reader.readline()
            while await reader.read(MIB):
                pass
        writer.close()
        return int(status.split()[1])

    async def rest_bytes(self) -> int:
        """The worker's memory after an ordinary call."""
        assert await self.call("small") == 200
        return processes.rss_bytes(self.worker)


SMALL, LARGE = reply("hello"), reply("a" * LARGE_BYTES)


async def speak(peer: Peer) -> None:
    """Answers as large as it is asked to."""
    while request := await peer.request():
        body = LARGE if b"large" in request else SMALL
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        await peer.send(head + body)


@pytest_asyncio.fixture(loop_scope="module")
async def house() -> AsyncIterator[House]:
    key = settings.fresh_key()
    async with RawServer(speak) as upstream:
        server = Server(settings.usual(f"{upstream.url}/v1", ["gpt-5.2"], key), workers=1)
        try:
            await asyncio.to_thread(server.start)
            (worker,) = server.pids("worker")
            yield House(server, key, worker)
        except BaseException:
            print(server.log_tail())
            raise
        finally:
            await asyncio.to_thread(server.close)


pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"], ids=["passed on", "converted"])
async def test_memory_comes_back_after_large_replies(house: House, path: str) -> None:
    before = await house.rest_bytes()
    for _ in range(4):
        assert await house.call("large", path) == 200
    grown = await house.rest_bytes() - before
    print(f"{grown / MIB:.1f} MiB kept on {before / MIB:.1f} after four replies of {LARGE_BYTES / MIB:.0f}")
    assert grown <= REST_BYTES


async def test_memory_comes_back_after_large_requests(house: House) -> None:
    before = await house.rest_bytes()
    for _ in range(4):
        assert await house.call("a" * (BODY_BYTES_MAX - MIB)) == 200
    grown = await house.rest_bytes() - before
    print(f"{grown / MIB:.1f} MiB kept on {before / MIB:.1f}")
    assert grown <= REST_BYTES


async def test_large_replies_at_once_stay_within_their_common_bound(house: House) -> None:
    before, peak = await house.rest_bytes(), 0
    calls = [asyncio.create_task(house.call("large")) for _ in range(8)]
    while not all(call.done() for call in calls):
        peak = max(peak, processes.rss_bytes(house.worker))
        await asyncio.wait(calls, timeout=0.02)
    statuses = sorted(call.result() for call in calls)
    print(f"{statuses}; at most {(peak - before) / MIB:.0f} MiB more")
    assert set(statuses) <= {200, 429, 503}
    assert 200 in statuses
    assert peak - before <= REPLY_BODIES_BYTES_MAX * 1.5


async def test_bodies_that_never_end_are_bounded_for_a_key(house: House) -> None:
    before = await house.rest_bytes()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(12):
            _, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
            stack.callback(writer.close)
            length = b"content-length: %d" % BODY_BYTES_MAX
            writer.write(raw_requests.request(length, body=b"", key=house.key.encode()))
            writer.write(b" " * (BODY_BYTES_MAX - 1))
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(0.5):
                    await writer.drain()
        assert await house.call("small") == 200
        grown = processes.rss_bytes(house.worker) - before
        print(f"{grown / MIB:.0f} MiB more")
        assert grown <= 160 * MIB
