"""A faster service is paid for, and nothing is done for an empty wallet. Without it either could be had for
nothing."""

import asyncio
from typing import Any

import pytest
from tests.e2e import client, settings
from tests.e2e.greedy import INPUT_TOKENS, greedy_upstream
from tests.e2e.harness import Server
from tests.e2e.oracle import charged_nanos

RATES = {"input_usd_per_mtok": "2", "output_usd_per_mtok": "8"}
TOKENS = 100
USUAL = INPUT_TOKENS * 2000 + TOKENS * 8000
CHAT = {"messages": [{"role": "user", "content": "Go on."}], "max_tokens": TOKENS}


def ask(port: int, key: str, model: str, **more: Any) -> client.Reply:
    return asyncio.run(client.call(port, key, {**CHAT, "model": model, **more}))


@pytest.mark.process
def test_the_tier_that_was_served_is_charged() -> None:
    key = settings.fresh_key()
    with greedy_upstream(delay_s=0) as upstream:
        parts = [settings.group(), settings.user(), settings.key(key)]
        parts += [settings.channel(upstream.url, ["gpt-5.2", "own"], dialects=["openai_chat"])]
        parts += [settings.price(model, **RATES) for model in ("gpt-5.2", "own")]
        with Server("\n".join(parts), workers=1) as server:
            expected = {}
            for asked, said, ratio in (
                ("priority", "priority", 2),
                ("fast", "default", 1),
                ("flex", "flex", 0.5),
                ("auto", "priority", 1),
            ):
                upstream.says = {"service_tier": said}
                reply = ask(server.port, key, "gpt-5.2", service_tier=asked)
                assert reply.status == 200
                assert upstream.bodies[-1]["service_tier"] == asked
                assert "x-switchgear-dropped" not in reply.headers
                expected[reply.request_id] = int(USUAL * ratio)
            reply = ask(server.port, key, "own", service_tier="priority", models=["gpt-5.2-pro"])
            assert reply.headers["x-switchgear-dropped"] == "models,service_tier"
            assert not {"service_tier", "models"} & upstream.bodies[-1].keys()
            expected[reply.request_id] = USUAL
            refused = ask(server.port, key, "own", plugins=[{"id": "web"}])
            assert (refused.status, refused.error["param"]) == (400, "plugins")
            rows = server.usage_with(set(expected))
            assert {id: charged_nanos(rows[id]) for id in expected} == expected
            server.stop()
            server.assert_audit_clean()


@pytest.mark.process
def test_an_empty_wallet_has_nothing_fetched_and_a_failed_fetch_costs_nothing() -> None:
    rich, poor = settings.fresh_key(), settings.fresh_key()
    content = [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/a.png"}}]
    body = {"messages": [{"role": "user", "content": content}]}
    with greedy_upstream(delay_s=0) as upstream:
        parts = [settings.group(), settings.user(), settings.key(rich)]
        parts += [settings.user("poor", balance_usd="0"), settings.key(poor, name="poor", owner="poor")]
        parts += [settings.channel(upstream.url, ["g"], dialects=["gemini_generate"])]
        parts += [settings.price("g", **RATES)]
        with Server("\n".join(parts), workers=1) as server:
            refused = ask(server.port, poor, "g", **body)
            assert (refused.status, refused.error["code"]) == (429, "insufficient_quota")
            for _ in range(3):
                failed = ask(server.port, rich, "g", **body)
                assert failed.status == 400
                assert "can't be fetched" in failed.error["message"]
            assert upstream.bodies == []
            assert ask(server.port, rich, "g").status == 200
            server.stop()
            server.assert_audit_clean()
