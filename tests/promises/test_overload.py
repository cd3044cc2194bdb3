"""P12: without it an overload could be queued instead of refused, and take down what would fit.

Open loop: callers come at a rate, whether or not earlier ones were answered. The bound of calls in flight is
lowered, so that a small machine can reach it.
"""

import asyncio
import time
from pathlib import Path

import pytest
from tests.e2e import client, settings
from tests.e2e.client import Reply
from tests.e2e.harness import ROOT, Server

IN_FLIGHT = 16
REPLY_S = 0.5
WORDS = 25
"""Of 20 ms each: the fake upstream's slow model."""
OFFERED_PER_S = 4 * IN_FLIGHT / REPLY_S
SECONDS = 4.0
GOODPUT_MIN = 0.6
"""Of what the bound lets through; 0.9 is met where the machine does nothing else."""
REFUSAL_P50_S, LIVEZ_S = 1.5, 3.0
"""Seen by a client that shares its core with the server; a quiet machine shows 50 ms."""
CALL = {"model": "slow", "max_tokens": WORDS, "messages": [{"role": "user", "content": "Hello."}]}
LOWERED = f"import switchgear.kernel.limits as limits\nlimits.IN_FLIGHT_MAX = {IN_FLIGHT}\n"


async def timed(port: int, key: str, path: str = "/v1/chat/completions") -> tuple[Reply, float]:
    began = time.monotonic()
    method = "POST" if path.startswith("/v1") else "GET"
    body = CALL if method == "POST" else None
    reply = await client.call(port, key, body, path=path, method=method)
    return reply, time.monotonic() - began


async def overload(port: int, key: str) -> tuple[list[tuple[Reply, float]], list[tuple[Reply, float]]]:
    calls: list[asyncio.Task[tuple[Reply, float]]] = []
    looks: list[asyncio.Task[tuple[Reply, float]]] = []
    began = time.monotonic()
    while (at := time.monotonic() - began) < SECONDS:
        while len(calls) < at * OFFERED_PER_S:
            calls.append(asyncio.create_task(timed(port, key)))
        if len(looks) < at * 4:
            looks.append(asyncio.create_task(timed(port, key, "/livez")))
        await asyncio.sleep(0.01)  # the arrivals of one tick come together
    return await asyncio.gather(*calls), await asyncio.gather(*looks)


@pytest.mark.process
def test_overload_is_refused_fast_and_what_fits_is_served(upstream_url: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(LOWERED)
    path = f"{tmp_path}:{ROOT / 'src'}:{ROOT}"
    key = settings.fresh_key()
    text = settings.usual(upstream_url, ["slow"], key, model_map={"slow": "fault-slow"})
    with Server(text, workers=1, env={"PYTHONPATH": path}) as server:
        calls, looks = asyncio.run(overload(server.port, key))
        served = [reply for reply, _ in calls if reply.status == 200]
        refused = [(reply, took) for reply, took in calls if reply.status != 200]
        times = sorted(took for _, took in refused)
        fits = IN_FLIGHT / REPLY_S * SECONDS
        p50, p99 = (times[int(len(times) * part)] for part in (0.5, 0.99))
        slowest = max(took for _, took in looks)
        print(f"{len(served)} of {fits:.0f} served; {len(refused)} refused in {p50:.3f} s, p99 {p99:.3f} s")
        print(f"/livez at most {slowest:.3f} s")
        assert {(reply.status, reply.error["code"]) for reply, _ in refused} == {(503, "overloaded")}
        assert all(reply.headers["retry-after"] for reply, _ in refused)
        assert len(served) >= GOODPUT_MIN * fits
        assert p50 <= REFUSAL_P50_S
        assert {reply.status for reply, _ in looks} == {200}
        assert slowest <= LIVEZ_S
        server.usage_with({reply.request_id for reply in served})
        server.stop()
        server.assert_audit_clean()
