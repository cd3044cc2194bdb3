"""SIGKILL of any process under load. Without it a finished reply could go unbilled or be billed twice, or the
relay need its controller for every call."""

import asyncio

import pytest
from tests.e2e import campaign, client, settings
from tests.e2e.harness import Role, Server

KILLS = 10
CONTROLLER_KILLS = 3


@pytest.mark.process
@pytest.mark.timeout(120)
def test_a_reply_seen_to_its_end_is_charged_once_through_kills(upstream_url: str) -> None:
    key = settings.fresh_key()
    roles: list[Role] = ["worker", "worker", "controller"]
    with Server(campaign.config(upstream_url, key), workers=2) as server:
        report = asyncio.run(campaign.run(server, key, kills=KILLS, roles=roles, seed=20_261))
        print(report)
        assert set(report.kills) == {"worker", "controller"}
        server.restart()
        campaign.check(server, report)
        server.stop()
        server.assert_audit_clean()


@pytest.mark.process
@pytest.mark.timeout(120)
def test_known_keys_are_served_while_the_controller_is_away(upstream_url: str) -> None:
    key = settings.fresh_key()
    with Server(campaign.config(upstream_url, key), workers=2) as server:
        asyncio.run(make_known(server, key))
        report = asyncio.run(campaign.run(server, key, kills=CONTROLLER_KILLS, roles=["controller"], seed=3))
        assert len(report.ended) == len(report.seen), str(report)
        server.restart()
        campaign.check(server, report)
        server.stop()
        server.assert_audit_clean()


async def make_known(server: Server, key: str) -> None:
    """Has each worker answer: then each knows the key and holds a lease."""
    served: set[str] = set()
    async with asyncio.timeout(30):
        while len(served) < server.workers:
            call = {"model": "gpt-5.2", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
            replies = await asyncio.gather(*(client.call(server.port, key, call) for _ in range(16)))
            ids = {reply.request_id for reply in replies if reply.status == 200}
            served = await asyncio.to_thread(server.epochs_of, ids)
