"""Many calls at once on little money. Without it check-then-deduct could creep in unseen."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from tests.e2e import client, oracle, settings
from tests.e2e.harness import Server

CALLS = 200
COVERED = 10
RATES = {"input_usd_per_mtok": "2", "output_usd_per_mtok": "10"}
CALL: dict[str, Any] = {
    "model": "gpt-5.2",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Count to sixty-four, please."}],
}
CHAT = "/v1/chat/completions"
PRICE_NANOS = oracle.charge_nanos(oracle.usage_of(CHAT, CALL), RATES)
INPUT_MARGIN_NANOS = 400_000
"""An input can be estimated above what it turns out to be, so a little more than ten prices has to lie there
for the tenth call to pass: less than one call costs, so an eleventh never does."""
ENOUGH = "1000"


def usd(nanos: int) -> str:
    return f"{nanos // 10**9}.{nanos % 10**9:09d}"


LITTLE = usd(COVERED * PRICE_NANOS + INPUT_MARGIN_NANOS)
TOPPED_UP = usd((COVERED + 1) * PRICE_NANOS + INPUT_MARGIN_NANOS)


def config(upstream_url: str, key: str, *, quota: str | None, balance: str) -> str:
    parts = [
        settings.group(),
        settings.user(balance_usd=balance),
        settings.key(key, quota_usd=quota),
        settings.channel(upstream_url, ["gpt-5.2"]),
        settings.price("gpt-5.2", **RATES),
    ]
    return "\n".join(parts)


async def storm(port: int, key: str, count: int = CALLS) -> list[client.Reply]:
    return await asyncio.gather(*(client.call(port, key, CALL, timeout_s=60) for _ in range(count)))


def money(quota: str | None, balance: str) -> dict[str, str | None]:
    return {"quota": quota, "balance": balance}


CASES = [
    pytest.param(money(LITTLE, ENOUGH), money(TOPPED_UP, ENOUGH), id="key-quota"),
    pytest.param(money(None, LITTLE), money(None, TOPPED_UP), id="wallet"),
    pytest.param(money(LITTLE, LITTLE), money(TOPPED_UP, TOPPED_UP), id="both"),
    pytest.param(money(TOPPED_UP, LITTLE), money(TOPPED_UP, TOPPED_UP), id="less-in-wallet"),
]


@pytest.mark.process
@pytest.mark.parametrize(("before", "after"), CASES)
def test_two_hundred_calls_on_money_for_ten(
    upstream_url: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert PRICE_NANOS > INPUT_MARGIN_NANOS
    key = settings.fresh_key()
    with Server(config(upstream_url, key, **before), workers=2) as server:
        replies = asyncio.run(storm(server.port, key))
        statuses = Counter(reply.status for reply in replies)
        assert statuses == {200: COVERED, 429: CALLS - COVERED}, statuses
        for reply in replies:
            if reply.status == 429:
                assert reply.error["code"] == "insufficient_quota"
                assert reply.error["type"] == "insufficient_quota"
                assert reply.headers["x-should-retry"] == "false"
        passed = {reply.request_id for reply in replies if reply.status == 200}
        rows = server.usage_with(passed)
        assert {oracle.charged_nanos(rows[request_id]) for request_id in passed} == {PRICE_NANOS}
        assert sum(map(oracle.charged_nanos, rows.values())) == COVERED * PRICE_NANOS
        server.apply(config(upstream_url, key, **after))
        (topped_up,) = asyncio.run(storm(server.port, key, 1))
        assert topped_up.status == 200, topped_up.body
        (over,) = asyncio.run(storm(server.port, key, 1))
        assert over.status == 429, over.body
        server.stop()
        server.assert_audit_clean()
