"""The kill campaign: many mixed clients, and somebody who kills processes of the server at random moments."""

import asyncio
import contextlib
import random
from collections import Counter
from typing import Any

import msgspec
from tests.e2e import client, oracle, settings
from tests.e2e.harness import Role, Server

from switchgear.kernel.limits import USAGE_PAGE_MAX

CLIENTS = 64
KILL_PAUSE_S = (0.1, 1.0)
SETTLED_KILLS = 0.5
"""Of the kills, this part hits a server that answers; the others come at any moment, a recovery included."""
RECOVERED_CALLS = 16
RECOVERY_TIMEOUT_S = 10.0
RETRY_PAUSE_S = 0.1
CALL_TIMEOUT_S = 20.0
SETTLE_TIMEOUT_S = 40.0
RATIO = "1.25"
RATES = {"input_usd_per_mtok": "0.333333", "output_usd_per_mtok": "2.718281"}
"""Uneven on purpose, so that a rounding at the wrong place shows."""
MODELS = ["gpt-5.2", "slow-model", "text-embedding-3-small"]
MODEL_MAP = {"slow-model": "fault-slow"}


class Seen(msgspec.Struct, frozen=True):
    """What one client knows of one call."""

    request_id: str
    status: int
    has_ended: bool
    nanos: int
    """What it must cost if it was answered."""
    shown_usage: dict[str, Any] | None
    error: str = ""
    """What a refusal says it is."""


class Report(msgspec.Struct):
    """What a campaign did."""

    seen: list[Seen] = []
    kills: dict[str, int] = {}

    @property
    def ended(self) -> dict[str, Seen]:
        """Answered calls whose client saw the end of the reply, by request id."""
        return {one.request_id: one for one in self.seen if one.status == 200 and one.has_ended}

    def __str__(self) -> str:
        cut = sum(one.status == 200 and not one.has_ended for one in self.seen)
        refused = Counter(f"{one.status} {one.error}" for one in self.seen if one.status >= 400)
        counts = f"{len(self.seen)} replies, {len(self.ended)} of them whole, {cut} cut"
        return f"{sum(self.kills.values())} kills {self.kills}; {counts}, refused: {dict(refused)}"


def config(upstream_url: str, key: str) -> str:
    """Limits that are counted but never reached, money enough, uneven prices."""
    parts = [
        settings.group(ratio=RATIO),
        settings.user(balance_usd="100000"),
        settings.key(key, quota_usd="50000", rpm=10_000_000, concurrency=1000),
        settings.channel(upstream_url, MODELS, model_map=MODEL_MAP),
    ]
    return "\n".join(parts + [settings.price(model, **RATES) for model in MODELS])


async def run(server: Server, key: str, *, kills: int, roles: list[Role], seed: int) -> Report:
    """Keeps ``CLIENTS`` clients calling until ``kills`` processes were killed; then the last calls end."""
    report = Report()
    enough = asyncio.Event()
    chance = random.Random(seed)
    clients = [
        asyncio.create_task(_client(server.port, key, random.Random(seed + number), enough, report))
        for number in range(CLIENTS)
    ]
    try:
        while sum(report.kills.values()) < kills:
            await asyncio.sleep(chance.uniform(*KILL_PAUSE_S))
            if chance.random() < SETTLED_KILLS:
                await _recovered(report)
            await _kill_one(server, chance, roles, report)
        enough.set()
        await asyncio.wait_for(asyncio.gather(*clients), SETTLE_TIMEOUT_S)
    finally:
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    return report


async def _recovered(report: Report) -> None:
    """Waits a bounded time until calls end again: on a busy machine a server that is killed faster than it
    starts would never be seen at work."""
    before = len(report.seen)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RECOVERY_TIMEOUT_S):
            while len(report.seen) < before + RECOVERED_CALLS:  # noqa: ASYNC110  # counted in many places
                await asyncio.sleep(0.02)


async def _kill_one(server: Server, chance: random.Random, roles: list[Role], report: Report) -> None:
    role = chance.choice(roles)
    pid = await asyncio.to_thread(server.kill9, role, chance.randrange(16))
    if not pid:
        return
    report.kills[role] = report.kills.get(role, 0) + 1
    if role == "supervisor":
        await asyncio.to_thread(server.start)


async def _client(port: int, key: str, chance: random.Random, enough: asyncio.Event, report: Report) -> None:
    while not enough.is_set():
        path, call = draw(chance)
        with contextlib.suppress(TimeoutError):
            reply = await client.call(port, key, call, path=path, timeout_s=CALL_TIMEOUT_S)
            if reply.status:
                report.seen.append(_seen(path, call, reply))
            if reply.status != 200:
                await asyncio.sleep(RETRY_PAUSE_S)


def draw(chance: random.Random) -> tuple[str, dict[str, Any]]:
    """A call at random: JSON or stream, quick or slow, usage shown or not, sometimes an embedding."""
    text = "word " * chance.randrange(1, 400)
    kind = chance.random()
    if kind < 0.1:
        return "/v1/embeddings", {"model": "text-embedding-3-small", "input": text}
    call: dict[str, Any] = {
        "model": "gpt-5.2" if chance.random() < 0.6 else "slow-model",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": chance.randrange(1, 40),
    }
    if kind < 0.6:
        call["stream"] = True
        if chance.random() < 0.5:
            call["stream_options"] = {"include_usage": True}
    return "/v1/chat/completions", call


def _seen(path: str, call: dict[str, Any], reply: client.Reply) -> Seen:
    shown = None
    if reply.status == 200 and reply.has_ended:
        bodies = reply.events() if reply.is_stream else [reply.json()]
        shown = next((body["usage"] for body in reversed(bodies) if body.get("usage")), None)
    nanos = oracle.charge_nanos(oracle.usage_of(path, call), RATES, RATIO)
    error = str(reply.error.get("code")) if reply.status >= 400 else ""
    return Seen(reply.request_id, reply.status, reply.has_ended, nanos, shown, error)


def check(server: Server, report: Report) -> None:
    """Every reply that was seen to its end is in the books once and at the right amount."""
    ended = report.ended
    calls_ended = sum(one.status == 200 and one.has_ended for one in report.seen)
    assert len(ended) == calls_ended, "a request id came twice"
    assert len(report.seen) < USAGE_PAGE_MAX, "more calls than one page of the usage list holds"
    assert len(ended) > CLIENTS, f"too few calls ended for the campaign to say anything: {len(ended)}"
    rows = server.usage_with(set(ended))
    wrong = {
        request_id: (oracle.charged_nanos(rows[request_id]), one.nanos)
        for request_id, one in ended.items()
        if oracle.charged_nanos(rows[request_id]) != one.nanos or rows[request_id]["end_state"] != "complete"
    }
    some = dict(list(wrong.items())[:5])
    assert not wrong, f"{len(wrong)} of {len(ended)} charged wrongly, (charged, due): {some}"
    for one in ended.values():
        if one.shown_usage is not None:
            assert oracle.charge_nanos(one.shown_usage, RATES, RATIO) == one.nanos
    refused = {one.request_id for one in report.seen if one.status >= 400}
    charged = [request_id for request_id in refused & rows.keys() if oracle.charged_nanos(rows[request_id])]
    assert not charged, f"refused calls that were charged: {charged[:5]}"
