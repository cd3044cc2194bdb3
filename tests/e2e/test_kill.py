"""SIGKILL of any process under load. Without it a finished reply could go unbilled or be billed twice, or the
relay need its controller for every call."""

import asyncio

import pytest
from tests.e2e import campaign, settings
from tests.e2e.harness import Role, Server

KILLS = 12
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
def test_known_keys_are_served_while_the_controller_is_away(
    upstream_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = settings.fresh_key()
    monkeypatch.setattr(campaign, "KILL_PAUSE_S", (1.0, 1.5))  # both workers get to know the key first
    with Server(campaign.config(upstream_url, key), workers=2) as server:
        report = asyncio.run(campaign.run(server, key, kills=CONTROLLER_KILLS, roles=["controller"], seed=3))
        assert len(report.ended) == len(report.seen), str(report)
        server.restart()
        campaign.check(server, report)
        server.stop()
        server.assert_audit_clean()
