"""Calls that name no output limit, on little money and models that may write 128,000 tokens out of sight.
Without it a wallet of a dollar could pay for thirty."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e import client, settings
from tests.e2e.greedy import Greedy, cap_of, greedy_upstream
from tests.e2e.harness import Server
from tests.e2e.oracle import charged_nanos

RATES = {"input_usd_per_mtok": "2", "cache_read_usd_per_mtok": "0.5", "output_usd_per_mtok": "8"}
TOKEN_NANOS = 8_000
DIALECTS = {
    "c": "openai_chat",
    "r": "openai_responses",
    "m": "anthropic_messages",
    "g": "gemini_generate",
}
HEADER = "x-switchgear-max-output"
MESSAGES_DEFAULT = 8192
"""What a Messages upstream is asked for where nobody names a cap: the field is required there."""
SAYS = "Go on, please."
GEMINI = {"contents": [{"role": "user", "parts": [{"text": SAYS}]}]}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": SAYS}]},
    "/v1/responses": {"input": SAYS},
    "/v1beta/models/{model}:generateContent": GEMINI,
}
MESSAGES = {"messages": [{"role": "user", "content": SAYS}], "max_tokens": 4096}
BALANCE_NANOS = 940_000_000


def config(url: str, key: str, balance: str = "0.94", **key_values: Any) -> str:
    parts = [settings.group(), settings.user(balance_usd=balance), settings.key(key, **key_values)]
    parts += [
        settings.channel(url, [model], name=model, dialects=[dialect]) for model, dialect in DIALECTS.items()
    ]
    return "\n".join(parts + [settings.price(model, **RATES) for model in DIALECTS])


def asked(path: str, model: str, **more: Any) -> tuple[str, dict[str, Any]]:
    if "{model}" in path:
        return path.replace("{model}", model), {**GEMINI, **more}
    return path, {**BODIES.get(path, MESSAGES), "model": model, **more}


async def storm(port: int, key: str, calls: list[tuple[str, dict[str, Any]]]) -> list[client.Reply]:
    return await asyncio.gather(
        *(client.call(port, key, body, path=path, timeout_s=60) for path, body in calls)
    )


@pytest.fixture
def greedy() -> Iterator[Greedy]:
    with greedy_upstream() as upstream:
        yield upstream


@pytest.mark.process
@pytest.mark.parametrize("of_key", [False, True], ids=["wallet", "key-quota"])
def test_a_small_wallet_is_never_overspent_by_models_that_write_all_they_may(
    greedy: Greedy, of_key: bool
) -> None:
    key = settings.fresh_key()
    money = ("1000", {"quota_usd": "0.94"}) if of_key else ("0.94", {})
    calls = [asked(path, model) for path in BODIES for model in DIALECTS] * 4
    with Server(config(greedy.url, key, money[0], **money[1]), workers=2) as server:
        replies = asyncio.run(storm(server.port, key, calls))
        statuses = Counter(reply.status for reply in replies)
        assert set(statuses) == {200, 429}, statuses
        assert statuses[200] >= 12, statuses
        served = [reply for reply in replies if reply.status == 200]
        allowed = sorted(int(reply.headers.get(HEADER, MESSAGES_DEFAULT)) for reply in served)
        assert allowed == sorted(map(cap_of, greedy.bodies))
        assert min(allowed) == 4096
        assert max(allowed) <= BALANCE_NANOS // 8 // TOKEN_NANOS + 1
        rows = server.usage_with({reply.request_id for reply in served})
        spent = sum(map(charged_nanos, rows.values()))
        assert spent <= BALANCE_NANOS
        assert spent > BALANCE_NANOS - 3 * 4096 * TOKEN_NANOS
        refused = next(reply for reply in replies if reply.status == 429)
        assert "needs at least $0.03" in refused.body.decode()
        server.stop()
        server.assert_audit_clean()


@pytest.mark.process
def test_a_small_wallet_serves_dozens_of_parallel_calls_that_write_little() -> None:
    key = settings.fresh_key()
    with greedy_upstream(writes=300, delay_s=0.3) as upstream:
        calls = [asked(path, model) for path in BODIES for model in DIALECTS] * 4
        with Server(config(upstream.url, key), workers=2) as server:
            replies = asyncio.run(storm(server.port, key, calls))
            assert Counter(reply.status for reply in replies) == {200: len(calls)}


@pytest.mark.process
def test_a_rich_wallet_leaves_the_request_as_it_is(greedy: Greedy) -> None:
    key = settings.fresh_key()
    with Server(config(greedy.url, key, "1000"), workers=2) as server:
        calls = [asked(path, model) for path in BODIES for model in DIALECTS]
        replies = asyncio.run(storm(server.port, key, calls))
        assert {reply.status for reply in replies} == {200}
        assert not any(HEADER in reply.headers for reply in replies)
        assert {cap_of(body) for body in greedy.bodies} == {0, MESSAGES_DEFAULT}


@pytest.mark.process
def test_what_fits_is_named_where_a_clients_own_limit_does_not(greedy: Greedy) -> None:
    key = settings.fresh_key()
    with Server(config(greedy.url, key, "0.2"), workers=1) as server:
        for path, field in (
            ("/v1/chat/completions", "max_tokens"),
            ("/v1/responses", "max_output_tokens"),
            ("/v1/messages", "max_tokens"),
        ):
            (refused,) = asyncio.run(storm(server.port, key, [asked(path, "c", **{field: 100_000})]))
            assert refused.status == (402 if path == "/v1/messages" else 429)
            said = refused.body.decode()
            assert "may cost up to $0.8" in said
            assert "has $0.2 left" in said or "has $0.199" in said
            fitting = int(said.split(f"'{field}' to ")[1].split()[0])
            (served,) = asyncio.run(storm(server.port, key, [asked(path, "c", **{field: 10})]))
            assert served.status == 200
            assert 24_000 < fitting <= 25_000
        assert {cap_of(body) for body in greedy.bodies} == {10}


@pytest.mark.process
def test_a_stream_that_writes_past_its_cap_grows_its_hold_and_ends_with_the_money() -> None:
    """Whichever client and upstream: the error is in the client's dialect, and what was read is paid."""
    poor = settings.fresh_key()
    clients = (
        ("/v1/chat/completions", "insufficient_quota"),
        ("/v1/responses", "insufficient_quota"),
        ("/v1/messages", "event: error"),
        ("/v1beta/models/{model}:streamGenerateContent?alt=sse", "RESOURCE_EXHAUSTED"),
    )
    pairs = [(path, model, marker) for path, marker in clients for model in DIALECTS]
    with greedy_upstream(delay_s=0, deaf=True) as upstream:
        users = [settings.user(f"u{at}", balance_usd="0.1") for at in range(len(pairs))]
        keys = [settings.fresh_key() for _ in pairs]
        tables = [settings.key(key, name=f"k{at}", owner=f"u{at}") for at, key in enumerate(keys)]
        with Server("\n".join((config(upstream.url, poor), *users, *tables)), workers=2) as server:
            replies = asyncio.run(_stream_all(server.port, list(zip(keys, pairs, strict=True))))
            rows = server.usage_with({reply.request_id for reply in replies})
            for reply, (path, model, marker) in zip(replies, pairs, strict=True):
                assert reply.status == 200, (path, model, reply.body)
                assert marker in reply.body.decode(), (path, model, reply.body[-600:])
                row = rows[reply.request_id]
                assert (row["end_state"], row["error"]) == ("upstream_cut", "quota")
                # More than the first hold and a step of 4,096 tokens each (65.5 million nanos); beyond the
                # money only what passes between looks.
                assert 66_000_000 < charged_nanos(row) < 125_000_000, (path, model, row)


async def _stream_all(port: int, calls: list[tuple[str, tuple[str, str, str]]]) -> list[client.Reply]:
    running = []
    for key, (path, model, _) in calls:
        where, body = asked(path, model)
        more = {} if "Content" in path else {"stream": True}
        running.append(client.call(port, key, {**body, **more}, path=where, timeout_s=60))
    return await asyncio.gather(*running)
