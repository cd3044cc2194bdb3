"""Hours of mixed load in small: without it a leak of memory, descriptors or threads would show late.

``SOAK_MINUTES`` (10, more than 5) of calls of every kind with churn: keys made and removed, configurations
applied, clients that leave, upstreams that fail. Prints what each process holds and fits a line through its
memory.
"""

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from statistics import linear_regression
from typing import Any

import msgspec
import pytest
from tests.e2e import client, processes, settings
from tests.e2e.harness import Server

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
CLIENTS = 12
PAUSE_S = 0.1
"""Mean pause of a client between calls; half of what two shared cores carry."""
LOOK_INTERVAL_S = 5.0
CHURN_INTERVAL_S = 4.0
CHURNED_KEYS = 8
WARM_UP_S = 300.0
"""Until every process has met all that the load brings: its heap has grown in steps, the interpreter's table
of names has doubled once more. That takes as long in a short run as in a long one. While the warm-up was a
part of the run, four minutes showed +32 MiB/h of the controller that showed +5 in fifteen."""
COOL_DOWN_S = 5.0
SLOPE_MIB_PER_H_MAX = 30.0
"""In a run of ten minutes a single step of the allocator by 1 MiB reads as 6 to 10 MiB an hour."""
FDS_GROWTH_MAX = 40
THREADS_GROWTH_MAX = 8
MIB = 1024 * 1024
FAULTS = [
    "fault-500",
    "fault-429-after-1",
    "fault-cut-0300",
    "fault-html",
    "fault-reset-mid",
    "fault-error-frame",
]
SOUND = ["gpt-5.2", "gpt-4o", "text-embedding-3-small"]


class Sample(msgspec.Struct, frozen=True):
    at_s: float
    rss_mib: float
    fds: int
    threads: int


def config(upstream_url: str, key: str, churned: list[str]) -> str:
    parts = [settings.group(), settings.user(balance_usd="100000"), settings.key(key)]
    parts += [settings.key(secret, f"churned-{secret[-8:]}", quota_usd="5") for secret in churned]
    parts += [settings.channel(upstream_url, SOUND)]
    parts += [settings.channel(upstream_url, [model], model) for model in FAULTS]
    return "\n".join(parts + [settings.price(model) for model in SOUND + FAULTS])


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.timeout(0)
def test_memory_descriptors_and_threads_stay(upstream_url: str) -> None:
    assert MINUTES * 60 > WARM_UP_S, "nothing of so short a run comes after the warm-up"
    key = settings.fresh_key()
    with Server(config(upstream_url, key, []), workers=2) as server:
        statuses, held = asyncio.run(soak(server, upstream_url, key))
        print(f"\n{sum(statuses.values())} calls in {MINUTES:g} min, by status: {dict(statuses)}")
        faults = [fault for name, samples in held.items() for fault in judge(name, samples)]
        server.stop()
        server.assert_audit_clean()
    assert statuses[200] > sum(statuses.values()) / 3, "too little was answered to say anything"
    assert not faults, faults


async def soak(server: Server, upstream_url: str, key: str) -> tuple[Counter[int], dict[str, list[Sample]]]:
    statuses: Counter[int] = Counter()
    held: dict[str, list[Sample]] = {}
    keys = [key]
    chances = [random.Random(number) for number in range(CLIENTS)]
    tasks = [asyncio.create_task(caller(server.port, keys, chance, statuses)) for chance in chances]
    tasks.append(asyncio.create_task(churn(server, upstream_url, keys)))
    began_s = time.monotonic()
    while time.monotonic() - began_s < MINUTES * 60:
        done, _ = await asyncio.wait(tasks, timeout=LOOK_INTERVAL_S, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        look(server, time.monotonic() - began_s, held)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(COOL_DOWN_S)
    look(server, time.monotonic() - began_s, held)
    return statuses, held


async def caller(port: int, keys: list[str], chance: random.Random, statuses: Counter[int]) -> None:
    while True:
        path, call = draw(chance)
        leave = b"data:" if chance.random() < 0.1 else None
        with contextlib.suppress(TimeoutError):
            reply = await client.call(port, chance.choice(keys), call, path=path, leave_after=leave)
            statuses[reply.status] += 1
        await asyncio.sleep(chance.uniform(0, 2 * PAUSE_S))


def draw(chance: random.Random) -> tuple[str, dict[str, Any]]:
    text = "word " * chance.randrange(1, 300)
    kind = chance.random()
    if kind < 0.1:
        return "/v1/embeddings", {"model": "text-embedding-3-small", "input": text}
    model = chance.choice(FAULTS) if kind > 0.85 else chance.choice(SOUND[:2])
    call: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": chance.randrange(1, 200),
    }
    return "/v1/chat/completions", call | ({"stream": True} if chance.random() < 0.6 else {})


async def churn(server: Server, upstream_url: str, keys: list[str]) -> None:
    """A key comes, an old one goes; those who still use it are refused, which is part of the load."""
    while True:
        await asyncio.sleep(CHURN_INTERVAL_S)
        keys.append(settings.fresh_key())
        await asyncio.to_thread(server.apply, config(upstream_url, keys[0], keys[1:][-CHURNED_KEYS:]))
        del keys[1 : -CHURNED_KEYS - 1]


def look(server: Server, at_s: float, held: dict[str, list[Sample]]) -> None:
    for role in ("supervisor", "controller", "worker"):
        for pid in server.pids(role):
            sample = Sample(
                at_s,
                processes.rss_bytes(pid) / MIB,
                len(os.listdir(f"/proc/{pid}/fd")),
                len(os.listdir(f"/proc/{pid}/task")),
            )
            held.setdefault(f"{role} {pid}", []).append(sample)


def judge(name: str, samples: list[Sample]) -> list[str]:
    """Prints one process's figures; what is wrong with them."""
    warm = [sample for sample in samples if sample.at_s >= WARM_UP_S]
    if len(warm) < 2 or samples[0].at_s > WARM_UP_S / 10:
        return [f"{name} was restarted: it was not there for the warm-up and after it"]
    slope = linear_regression([one.at_s for one in warm], [one.rss_mib for one in warm]).slope * 3600
    first, last = warm[0], warm[-1]
    print(
        f"{name}: RSS {samples[0].rss_mib:.1f} → {first.rss_mib:.1f} → {last.rss_mib:.1f} MiB, "
        f"slope {slope:+.1f} MiB/h; descriptors {samples[0].fds} → {first.fds} → {last.fds}; "
        f"threads {samples[0].threads} → {first.threads} → {last.threads}"
    )
    found = []
    if slope > SLOPE_MIB_PER_H_MAX:
        found.append(f"{name} grows by {slope:.1f} MiB/h")
    if last.fds - first.fds > FDS_GROWTH_MAX:
        found.append(f"{name} keeps descriptors: {first.fds} → {last.fds}")
    if last.threads - first.threads > THREADS_GROWTH_MAX:
        found.append(f"{name} keeps threads: {first.threads} → {last.threads}")
    return found
