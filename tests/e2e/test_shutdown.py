"""SIGTERM and SIGHUP under running calls. Without it a stop could lose finished records, cut what still runs,
or a restart of workers refuse somebody."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.e2e import client, oracle, settings
from tests.e2e.harness import Server
from tests.sim.upstream import FakeUpstream

CHAT = "/v1/chat/completions"
RATES = {"input_usd_per_mtok": "2", "output_usd_per_mtok": "10"}
QUICK: dict[str, Any] = {
    "model": "gpt-5.2",
    "max_tokens": 5,
    "messages": [{"role": "user", "content": "Say a few words."}],
}
LONG = QUICK | {"model": "slow-model", "max_tokens": 120, "stream": True}
"""About 2.4 s."""
STREAMS = 12
KNOCKERS = 4
ROLL_TIMEOUT_S = 40.0

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


def due(call: dict[str, Any]) -> int:
    return oracle.charge_nanos(oracle.usage_of(CHAT, call), RATES)


@pytest_asyncio.fixture
async def served() -> AsyncIterator[tuple[Server, str]]:
    key = settings.fresh_key()
    async with FakeUpstream() as upstream:
        models = ["gpt-5.2", "slow-model"]
        parts = [
            settings.group(),
            settings.user(),
            settings.key(key),
            settings.channel(upstream.base_url, models, model_map={"slow-model": "fault-slow"}),
            *(settings.price(model, **RATES) for model in models),
        ]
        server = Server("\n".join(parts), workers=2)
        try:
            await asyncio.to_thread(server.start)
            yield server, key
        except BaseException:
            print(server.log_tail())
            raise
        finally:
            await asyncio.to_thread(server.close)


async def test_after_a_stop_the_books_hold_all_that_was_answered(served: tuple[Server, str]) -> None:
    server, key = served
    long = [asyncio.create_task(client.call(server.port, key, LONG)) for _ in range(STREAMS)]
    quick = await asyncio.gather(*(client.call(server.port, key, QUICK) for _ in range(40)))
    code = await asyncio.to_thread(server.stop)
    assert code == 0
    ended = await asyncio.gather(*long)
    assert all(reply.status == 200 and reply.has_ended for reply in [*quick, *ended])
    rows = {row["request_id"]: row for row in server.usage()}
    assert {rows[reply.request_id]["charge_nanos"] for reply in quick} == {due(QUICK)}
    assert {rows[reply.request_id]["charge_nanos"] for reply in ended} == {due(LONG)}
    await asyncio.to_thread(server.assert_audit_clean)


async def test_workers_are_replaced_without_a_cut_stream_or_a_refused_connection(
    served: tuple[Server, str],
) -> None:
    server, key = served
    before = set(server.pids("worker"))
    rolled = asyncio.Event()
    replies: list[client.Reply] = []

    async def keep_calling(call: dict[str, Any]) -> None:
        while not rolled.is_set():
            replies.append(await client.call(server.port, key, call))

    callers = [asyncio.create_task(keep_calling(LONG)) for _ in range(STREAMS)]
    callers += [asyncio.create_task(keep_calling(QUICK)) for _ in range(KNOCKERS)]
    (supervisor,) = server.pids("supervisor")
    os.kill(supervisor, signal.SIGHUP)
    deadline = time.monotonic() + ROLL_TIMEOUT_S
    while before & set(server.pids("worker")):
        assert time.monotonic() < deadline, "the old workers are still there"
        await asyncio.wait(callers, timeout=0.1)
    rolled.set()
    await asyncio.gather(*callers)
    odd = [
        (reply.status, reply.body[-200:]) for reply in replies if not reply.has_ended or reply.status != 200
    ]
    assert not odd, f"{len(odd)} of {len(replies)}: {odd[:3]}"
    assert len(replies) > STREAMS + KNOCKERS
    rows = await asyncio.to_thread(server.usage_with, {reply.request_id for reply in replies})
    assert {row["charge_nanos"] for row in rows.values()} == {due(QUICK), due(LONG)}
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.assert_audit_clean)


async def test_a_stop_in_the_middle_of_a_restart_waits_for_the_worker_that_retires(
    served: tuple[Server, str],
) -> None:
    """Else its answers are not in the books, and what it still runs is cut before its time."""
    server, key = served
    before = set(server.pids("worker"))
    long = [asyncio.create_task(client.call(server.port, key, LONG)) for _ in range(STREAMS)]
    (supervisor,) = server.pids("supervisor")
    await asyncio.wait(long, timeout=0.3)
    os.kill(supervisor, signal.SIGHUP)
    deadline = time.monotonic() + ROLL_TIMEOUT_S
    while set(server.pids("worker")) == before:  # until a successor has been started
        assert time.monotonic() < deadline
        await asyncio.wait(long, timeout=0.01)
    code = await asyncio.to_thread(server.stop)
    assert code == 0
    ended = await asyncio.gather(*long)
    assert all(reply.status == 200 and reply.has_ended for reply in ended)
    rows = {row["request_id"]: row for row in server.usage()}
    assert [rows[reply.request_id]["charge_nanos"] for reply in ended] == [due(LONG)] * STREAMS


@pytest.mark.parametrize("group", ["keys", "users"])
async def test_disabling_now_ends_what_runs_and_charges_what_was_delivered(
    served: tuple[Server, str], group: str
) -> None:
    """Without it a leaked key goes on spending for as long as its streams last."""
    server, key = served
    endless = LONG | {"max_tokens": 3000}
    running = [asyncio.create_task(client.call(server.port, key, endless)) for _ in range(4)]
    name = {"keys": "ci", "users": "acme"}[group]
    await asyncio.wait(running, timeout=1.0)
    done = await asyncio.to_thread(server.run, group, "disable", name, "--now")
    assert (done.returncode, "Running calls ended: 4." in done.stderr) == (0, True), done.stderr
    for reply in await asyncio.wait_for(asyncio.gather(*running), 5.0):
        assert reply.status == 200
        assert not reply.has_ended
        assert b"disabled" in reply.body[-400:]
    refused = await client.call(server.port, key, QUICK)
    assert refused.status == {"keys": 401, "users": 403}[group]
    rows = await asyncio.to_thread(
        server.usage_with, {reply.request_id for reply in [r.result() for r in running]}
    )
    assert all(0 < row["charge_nanos"] < due(endless) for row in rows.values())
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.assert_audit_clean)
