"""A call whose first upstream fails, and whose second is never asked. Without this what the first one counted
would be free, and its client would hear of an upstream that did not have the call."""

import asyncio
from typing import Any

import pytest
from tests.e2e import client, settings
from tests.e2e.harness import Server
from tests.sim.told import Plan, Report, ToldUpstream

PRICES = {"input_usd_per_mtok": "2", "output_usd_per_mtok": "8"}


async def _relayed(body: dict[str, Any], balance_usd: str) -> tuple[client.Reply, dict[str, Any]]:
    key = settings.fresh_key()
    async with ToldUpstream() as upstream:
        upstream.plan = Plan("", Report(10, 5), fails=True, status=500)
        parts = [settings.group(), settings.user(balance_usd=balance_usd), settings.key(key)]
        url = f"{upstream.url}/v1"
        parts += [settings.channel(url, ["m"], "first", dialects=["openai_chat"], priority=2)]
        parts += [settings.channel(url, ["m"], "second", dialects=["anthropic_messages"], priority=1)]
        server = Server("\n".join([*parts, settings.price("m", **PRICES)]), workers=1)
        try:
            await asyncio.to_thread(server.start)
            reply = await client.call(server.port, key, {"model": "m", **body})
            rows = await asyncio.to_thread(server.usage_with, {reply.request_id})
            server.assert_audit_clean()
            await asyncio.to_thread(server.stop)
            return reply, rows[reply.request_id]
        finally:
            await asyncio.to_thread(server.close)


@pytest.mark.process
@pytest.mark.parametrize(
    ("more", "balance_usd"),
    [({"modalities": ["audio"], "audio": {"voice": "a", "format": "wav"}}, "1"), ({"n": 3}, "0.01")],
    ids=["can't carry it", "costs more than there is"],
)
async def test_who_was_not_asked_hides_nothing_of_who_was(more: dict[str, Any], balance_usd: str) -> None:
    messages = [{"role": "user", "content": "word " * 2000}]
    reply, row = await _relayed({"messages": messages, "max_tokens": 100, **more}, balance_usd)
    assert reply.status in (500, 502, 503)
    assert (row["end_state"], row["channel"]) == ("upstream_error", "first")
    assert [attempt[0] for attempt in row["attempts"]] == ["first"]
    assert row["charge"]["nanos"] == 10 * 2000 + 5 * 8000
