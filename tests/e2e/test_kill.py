"""SIGKILL of any process under load. Without it a finished reply could go unbilled or be billed twice."""

import asyncio

import pytest
from tests.e2e import campaign, settings
from tests.e2e.harness import Role, Server

KILLS = 12


@pytest.mark.process
@pytest.mark.timeout(120)
def test_a_reply_seen_to_its_end_is_charged_once_through_kills(upstream_url: str) -> None:
    key = settings.fresh_key()
    roles: list[Role] = ["worker", "worker", "controller"]
    with Server(campaign.config(upstream_url, key), workers=2) as server:
        report = asyncio.run(campaign.run(server, key, kills=KILLS, roles=roles, seed=20_261))
        assert set(report.kills) == {"worker", "controller"}
        server.restart()
        campaign.check(server, report)
        server.stop()
        server.assert_audit_clean()
