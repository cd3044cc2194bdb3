"""A burst of calls while the first channel fails, over real servers of one and two workers. Without it, an
outage that a second channel could bear would reach clients in its first moments, before anything is known."""

import asyncio
import json
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

from switchgear.kernel.limits import RETRY_BUDGET_FLOOR

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
    "poor-status",
    "refused",
    "cut-0",
    "reset-headers",
    "stall-headers",
    "empty",
    "html",
]
STREAMED_ONLY = ["preface-cut", "preface-error", "preface-stall", "error-first", "poor-frame"]
"""After which a whole reply would not have begun."""
BARRED = ["poor-status", "404-model", "401", "429"]
MODELS_BARRED = 8
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
            keys = ["sk-sim-wrong", settings.UPSTREAM_KEY]
            two_keys = settings.channel(second.base_url, ["gpt-5.2"], "two keys")
            parts.append(two_keys.replace(f'["{settings.UPSTREAM_KEY}"]', json.dumps(keys)))
            parts.append(settings.price("gpt-5.2"))
            for fault in BARRED:
                for number in range(MODELS_BARRED):
                    name = f"barred-{fault}-{number}"
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


async def test_a_burst_survives_a_key_that_the_upstream_refuses(rig: Rig) -> None:
    replies = await rig.burst("gpt-5.2", stream=True)
    assert [reply.body[:200] for reply in replies if reply.status != 200 or not reply.has_ended] == []


@pytest.mark.parametrize("fault", STREAMED_ONLY)
async def test_what_comes_before_the_first_content_commits_to_nothing(rig: Rig, fault: str) -> None:
    replies = await rig.burst(f"streamed-{fault}", stream=True)
    assert [reply.body[:200] for reply in replies if reply.status != 200 or not reply.has_ended] == []
    assert {reply.text() for reply in replies} == {"word0 word1 word2"}


@pytest.mark.parametrize("fault", BARRED)
async def test_what_bars_an_account_is_found_out_once_for_all_workers(rig: Rig, fault: str) -> None:
    """A worker for itself would ask again, at each of the models about once."""
    before = len(rig.first.requests)
    for round_ in range(4):
        for number in range(MODELS_BARRED):
            (reply,) = await rig.burst(f"barred-{fault}-{number}", stream=bool(round_ % 2), count=1)
            assert reply.status == 200, reply.body
    assert len(rig.first.requests) - before <= MODELS_BARRED + 2


@pytest.mark.parametrize("fault", BOTH_BAD)
async def test_an_outage_of_all_upstreams_is_not_made_worse(rig: Rig, fault: str) -> None:
    """In rounds of a burst each, as clients that try again make them."""
    before = len(rig.first.requests) + len(rig.second.requests)
    for rounds in (1, 2, 3):
        replies = await rig.burst(f"both-{fault}", stream=True)
        assert 200 not in {reply.status for reply in replies}
        asked = len(rig.first.requests) + len(rig.second.requests) - before
        # A worker with few of the first calls has its floor, which the next ones make up for.
        floors = 2 * RETRY_BUDGET_FLOOR if rounds == 1 else 0
        assert asked <= CALLS_A_REQUEST_MAX * rounds * BURST + floors
