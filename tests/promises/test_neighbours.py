"""P13: without it one key, or a client without any, could take the relay from everybody else.

Each attack runs as hard as a client can while another key calls, from the same address. Client, upstream and
server share the cores of one machine, so that the bound has a floor; what matters is that every call is
served, and none has to wait for what others do.
"""

import asyncio
import contextlib
import itertools
import json
import resource
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.e2e import client, raw_requests, settings
from tests.e2e.harness import ROOT, Server
from tests.sim.raw_server import Peer, RawServer

from switchgear.kernel.limits import MIB, PIPELINED_REQUESTS_MAX

CALLS = 15
SLOWER_MAX = 2.0
FLOOR_S = 1.0
"""Of the middle one of CALLS, on a machine whose cores others use as well."""
HARD = 12
"""Attackers side by side; each goes on without a pause."""
IDLE = 400
LARGE_BYTES = 24 * MIB
DESCRIPTORS = 256
"""Of each process: few, so that idle connections can use them up."""
FEW = f"import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS // 2}, {DESCRIPTORS}))\n"
SAY = [{"role": "user", "content": "Go."}]


def reply(text: str) -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    body = json.dumps({"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    )


SMALL, LARGE = reply("hello"), reply("a" * LARGE_BYTES)
LIMITED = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 60\r\ncontent-length: 2\r\n\r\n{}"


async def speak(peer: Peer) -> None:
    while request := await peer.request():
        counts = b"count_tokens" in request.split(b"\r\n")[0]
        await peer.send(LIMITED if counts else LARGE if b'"large"' in request else SMALL)


class House(msgspec.Struct):
    server: Server
    neighbour: str
    attacker: str
    """With or without money."""

    def raw(self, *headers: bytes, body: bytes, path: str = "/v1/chat/completions") -> bytes:
        line = f"POST {path} HTTP/1.1".encode()
        return raw_requests.request(*headers, body=body, key=self.attacker.encode(), line=line)

    def call(self, model: str, path: str = "/v1/chat/completions") -> bytes:
        body = json.dumps({"model": model, "max_tokens": 3, "messages": SAY}).encode()
        return self.raw(b"content-length: %d" % len(body), b"connection: close", body=body, path=path)

    async def say(self, data: bytes) -> None:
        """Sends it, and throws away what comes back."""
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, limit=MIB)
            try:
                writer.write(data)
                while await reader.read(MIB):
                    pass
            finally:
                writer.close()

    async def hold(self, data: bytes) -> None:
        """Sends it, and waits for ever."""
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            try:
                writer.write(data)
                await asyncio.Event().wait()
            finally:
                writer.transport.abort()


Attack = Callable[[House], Awaitable[None]]


async def forever(house: House, data: bytes) -> None:
    while True:
        await house.say(data)


async def counting(house: House) -> None:
    await forever(house, house.call("m", "/v1/messages/count_tokens"))


async def refused_calls(house: House) -> None:
    await forever(house, house.call("unknown"))


async def unknown_keys(house: House) -> None:
    for number in itertools.count():
        key = f"sk-unknown-{id(asyncio.current_task())}-{number}".encode()
        await house.say(house.call("gpt-5.2").replace(house.attacker.encode(), key))


async def calls(house: House) -> None:
    await forever(house, house.call("gpt-5.2"))


async def large_replies(house: House) -> None:
    await forever(house, house.call("large"))


async def broken_chunks(house: House) -> None:
    await forever(house, house.raw(b"transfer-encoding: chunked", body=b"zz\r\n"))


async def floods(house: House) -> None:
    many = b"GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n" * (8 * PIPELINED_REQUESTS_MAX)
    await forever(house, many + house.call("gpt-5.2"))


async def unfinished_bodies(house: House) -> None:
    data = house.raw(b"content-length: %d" % (16 * MIB), body=b" " * (2 * MIB))
    await asyncio.gather(*(house.hold(data) for _ in range(4)))


async def idle_connections(house: House) -> None:
    await asyncio.gather(*(house.hold(b"GET / HTTP/1.1\r\n") for _ in range(IDLE // HARD)))


ATTACKS: list[Attack] = [
    counting,
    refused_calls,
    unknown_keys,
    calls,
    large_replies,
    broken_chunks,
    floods,
    unfinished_bodies,
    idle_connections,
]


async def latencies_s(house: House) -> list[float]:
    """Of the neighbour's calls, one after the other; all of them are served."""
    found = []
    call: dict[str, Any] = {"model": "gpt-5.2", "max_tokens": 3, "messages": SAY}
    for number in range(CALLS):
        began = time.monotonic()
        path = "/v1/messages" if number % 3 == 2 else "/v1/chat/completions"
        body = call | {"model": "m"} if number % 3 == 1 else call
        answered = await client.call(house.server.port, house.neighbour, body, path=path)
        assert answered.status == 200, answered.body
        found.append(time.monotonic() - began)
    return found


@pytest_asyncio.fixture(params=["with money", "without money"])
async def house(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncIterator[House]:
    (tmp_path / "sitecustomize.py").write_text(FEW)
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT / 'src'}:{ROOT}"}
    rich, other = settings.fresh_key(), settings.fresh_key()
    async with RawServer(speak) as upstream:
        base = f"{upstream.url}/v1"
        parts = [
            settings.group(),
            settings.user(),
            settings.user("other", "100" if request.param == "with money" else "0"),
            settings.key(rich),
            settings.key(other, "other", "other"),
            settings.channel(base, ["gpt-5.2", "large"]),
            settings.channel(
                upstream.url, ["m"], "two", dialects=["openai_chat", "anthropic_messages"], priority=5
            ),
            *(settings.price(model) for model in ("gpt-5.2", "large", "m")),
        ]
        server = Server("\n".join(parts), workers=1, env=environment)
        try:
            await asyncio.to_thread(server.start)
            yield House(server, rich, other)
        except BaseException:
            print(server.log_tail())
            raise
        finally:
            await asyncio.to_thread(server.close)


@pytest.mark.process
async def test_no_key_takes_from_another(house: House) -> None:
    for pid in [*house.server.pids("worker"), *house.server.pids("controller")]:
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (DESCRIPTORS, DESCRIPTORS)
    quiet_s = statistics.median(await latencies_s(house))
    for attack in ATTACKS:
        attackers = [asyncio.create_task(attack(house)) for _ in range(HARD)]
        await asyncio.wait(attackers, timeout=0.3)
        try:
            under_attack_s = statistics.median(await latencies_s(house))
        finally:
            for attacker in attackers:
                attacker.cancel()
            await asyncio.gather(*attackers, return_exceptions=True)
        print(f"{attack.__name__}: {1000 * under_attack_s:.0f} ms instead of {1000 * quiet_s:.0f}")
        assert under_attack_s <= max(SLOWER_MAX * quiet_s, FLOOR_S), attack.__name__
