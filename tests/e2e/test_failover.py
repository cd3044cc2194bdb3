"""A burst of calls while the first channel fails, over real servers of one and two workers. Without it, an
outage that a second channel could bear would reach clients in its first moments, before anything is known."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.e2e import client, settings
from tests.e2e.fault_rig import TIMEOUTS
from tests.e2e.harness import Server
from tests.sim.upstream import FakeUpstream

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

BURST = 40
FAULTS = [
    "500",
    "503",
    "429",
    "401",
    "402",
    "403",
    "404-model",
    "refused",
    "cut-0",
    "reset-headers",
    "stall-headers",
    "empty",
    "html",
]
STREAMED_ONLY = ["preface-cut", "preface-error", "preface-stall", "error-first"]
"""After which a whole reply would not have begun."""
BOTH_BAD = ["500", "429", "cut-0", "404-model"]
CALLS_A_REQUEST_MAX = 1.2


class Rig(msgspec.Struct):
    server: Server
    key: str
    first: FakeUpstream
    second: FakeUpstream

    async def burst(self, model: str, *, stream: bool, count: int = BURST) -> list[client.Reply]:
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": "x"}],
            "max_tokens": 3,
        }
        calls = [client.call(self.server.port, self.key, body | {"stream": stream}) for _ in range(count)]
        return await asyncio.gather(*calls)


def channels(rig_urls: dict[str, str], name: str, fault: str, second: str) -> list[str]:
    """Two channels for one model, the first of which fails."""
    url = rig_urls["closed" if fault == "refused" else "first"]
    bad = {name: f"fault-{fault}"}
    first = settings.channel(url, [name], f"{name}-1", priority=1, timeouts=TIMEOUTS, model_map=bad)
    good = {name: second}
    return [
        first,
        settings.channel(rig_urls["second"], [name], f"{name}-2", timeouts=TIMEOUTS, model_map=good),
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[1, 2])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    key = settings.fresh_key()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        async with FakeUpstream() as first, FakeUpstream() as second:
            urls = {
                "first": first.base_url,
                "second": second.base_url,
                "closed": f"http://127.0.0.1:{closed.getsockname()[1]}/v1",
            }
            parts = [settings.group(), settings.user(balance_usd="100000"), settings.key(key)]
            for fault in FAULTS + STREAMED_ONLY:
                for mode in ("streamed", "whole"):
                    name = f"{mode}-{fault}"
                    parts += [*channels(urls, name, fault, "gpt-5.2"), settings.price(name)]
            for fault in BOTH_BAD:
                name = f"both-{fault}"
                parts += [*channels(urls, name, fault, f"fault-{fault}"), settings.price(name)]
            server = Server("\n".join(parts), workers=request.param)
            try:
                await asyncio.to_thread(server.start)
                yield Rig(server, key, first, second)
            finally:
                await asyncio.to_thread(server.close)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_every_call_of_the_first_burst_is_served(rig: Rig, fault: str, stream: bool) -> None:
    replies = await rig.burst(f"{'streamed' if stream else 'whole'}-{fault}", stream=stream)
    failed = [reply.body[:200] for reply in replies if reply.status != 200 or not reply.has_ended]
    assert failed == []


@pytest.mark.parametrize("fault", STREAMED_ONLY)
async def test_what_comes_before_the_first_content_commits_to_nothing(rig: Rig, fault: str) -> None:
    replies = await rig.burst(f"streamed-{fault}", stream=True)
    assert [reply.body[:200] for reply in replies if reply.status != 200 or not reply.has_ended] == []
    assert {reply.text() for reply in replies} == {"word0 word1 word2"}


@pytest.mark.parametrize("fault", BOTH_BAD)
async def test_an_outage_of_all_upstreams_is_not_made_worse(rig: Rig, fault: str) -> None:
    """In rounds of a burst each, as clients that try again make them."""
    before = len(rig.first.requests) + len(rig.second.requests)
    for rounds in (1, 2, 3):
        replies = await rig.burst(f"both-{fault}", stream=True)
        assert 200 not in {reply.status for reply in replies}
        asked = len(rig.first.requests) + len(rig.second.requests) - before
        assert asked <= CALLS_A_REQUEST_MAX * rounds * BURST
