"""A hundred kills, the supervisor among the victims. Without it, rare orders of death go untried."""

import asyncio
import os

import pytest
from tests.e2e import campaign, settings
from tests.e2e.conftest import upstream_url  # noqa: F401 - a fixture
from tests.e2e.harness import Role, Server

KILLS = int(os.environ.get("KILLS", "100"))
PARTS = 10
"""The books are checked and audited after each part of the kills, so that a fault is found near its cause."""


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_kills_of_any_process(upstream_url: str) -> None:  # noqa: F811
    key = settings.fresh_key()
    roles: list[Role] = ["worker"] * 6 + ["controller"] * 3 + ["supervisor"]
    seed = int(os.environ.get("SEED", "1"))
    with Server(campaign.config(upstream_url, key), workers=2) as server:
        for part in range(PARTS):
            kills = KILLS * (part + 1) // PARTS - KILLS * part // PARTS
            report = asyncio.run(campaign.run(server, key, kills=kills, roles=roles, seed=seed * 1000 + part))
            print(f"part {part + 1}: {report}")
            server.restart()
            campaign.check(server, report)
            server.stop()
            server.assert_audit_clean()
            server.start()
