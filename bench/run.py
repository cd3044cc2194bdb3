"""``make bench``: what a request and a chunk cost the relay worker, beside nginx as plain reverse proxy.

CPU is user and system time of the worker process, divided by what the load generator counted. Rounds of nginx
and Switchgear alternate, so that a drifting machine drifts under both; a figure is the median of its rounds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

import msgspec
from bench import rig
from bench.rig import BUILD, Rig, Target
from tests.e2e import processes

ROUNDS_DEFAULT = 5
WARM_UP_S = 1.0
CONNECTIONS = 64
OPEN_STREAMS = 2000
IDLE_SETTLE_S = 2.0
REST_SETTLE_S = 5.0
REST_S = 30.0
HOLD_SETTLE_S = 3.0
FIRST_TOKEN_LOAD = 0.5
MIB = 1 << 20


class Scenario(msgspec.Struct, frozen=True):
    """One kind of load: what is counted, and the most that Switchgear may cost."""

    name: str
    model: str
    unit: str
    seconds: float
    ratio_max: float
    """Against nginx in the same run; 0: shown without a limit."""
    us_max: float
    """On a machine where nginx takes 50 µs for the first scenario."""
    size: int = 1024
    client: rig.Client = rig.CHAT
    converted: bool = False
    """The upstream speaks another dialect than the client. nginx, which passes through, answers the same load
    in the client's place; ``us_max`` is judged as it is measured, without the machine's share."""


SCENARIOS = (
    Scenario("json-1k", "bench-json", "replies", 3.0, 4.0, 200),
    Scenario("json-20k", "bench-json", "replies", 3.0, 4.0, 300, size=20 * 1024),
    Scenario("stream-burst", "bench-flood-500", "chunks", 3.0, 1.2, 16),
    Scenario("stream-20ms", "bench-paced-100", "chunks", 5.0, 2.0, 54),
    Scenario("stream-2ms", "bench-burst-500", "chunks", 3.0, 0, 0),
    *(
        Scenario(f"{pair}-{kind}", prefix + model, unit, seconds, 0, us_max, client=client, converted=True)
        for pair, client, prefix in (
            ("chat-to-messages", rig.CHAT, "messages-"),
            ("messages-to-chat", rig.MESSAGES, ""),
            ("responses-to-chat", rig.RESPONSES, ""),
        )
        for kind, model, unit, seconds, us_max in (
            ("json", "bench-json", "replies", 3.0, 350),
            ("burst", "bench-flood-500", "chunks", 3.0, 30),
            ("20ms", "bench-paced-100", "chunks", 5.0, 0),
        )
    ),
)
EXTRAS = ("rest", "memory", "first-token")
NGINX_US_REFERENCE = 50


class Round(msgspec.Struct, frozen=True):
    """One measurement of one target."""

    us: float
    per_second: float
    failed: int
    p50_us: int


def main() -> int:
    """Runs what was asked for; exit code 1 if a limit is missed."""
    given = _arguments()
    wanted = given.scenario or [*(scenario.name for scenario in SCENARIOS), *EXTRAS]
    results: dict[str, Any] = {}
    with rig.assembled(not given.nginx_only) as parts:
        targets = [parts.nginx, parts.nginx_keep_alive]
        targets += [] if given.nginx_only else [parts.switchgear]
        if not given.nginx_only and "rest" in wanted:
            results["rest"] = rest(parts)
        if not given.nginx_only and "memory" in wanted:
            results["memory"] = memory(parts)
        chosen = [scenario for scenario in SCENARIOS if scenario.name in wanted]
        results |= measure_all(parts, targets, chosen, given.rounds, given.seconds)
        if not given.nginx_only and "first-token" in wanted:
            results["first-token"] = first_token(parts, given.rounds, results)
    BUILD.joinpath("bench.json").write_text(json.dumps(results, indent=1))
    return report(results)


def measure_all(
    parts: Rig, targets: list[Target], scenarios: list[Scenario], rounds: int, seconds: float
) -> dict[str, Any]:
    """Scenario → target → median, spread and rounds. Targets alternate within a scenario."""
    results: dict[str, Any] = {}
    for scenario in scenarios:
        print(f"{scenario.name} ", end="", flush=True)
        loaded = [one for one in targets if not (scenario.converted and one is parts.nginx_keep_alive)]
        took: dict[str, list[Round]] = {target.name: [] for target in loaded}
        for target in loaded:
            one_round(parts, target, scenario, WARM_UP_S)
        for number in range(rounds):
            for target in loaded if number % 2 == 0 else reversed(loaded):
                took[target.name].append(one_round(parts, target, scenario, seconds or scenario.seconds))
                print(".", end="", flush=True)
        results[scenario.name] = {name: _summary(found) for name, found in took.items()}
        print(flush=True)
    return results


def one_round(parts: Rig, target: Target, scenario: Scenario, seconds: float) -> Round:
    """Load for some seconds, and the CPU that the target's worker used meanwhile."""
    before = processes.cpu_us(target.pid)
    found = rig.load(
        parts,
        target,
        scenario.model,
        size=scenario.size,
        client=scenario.client,
        duration_s=seconds,
        connections=CONNECTIONS,
    )
    used = processes.cpu_us(target.pid) - before
    failed = found["errors"] + found["bad_status"]
    count = found[scenario.unit]
    return Round(used / max(count, 1), count / found["seconds"], failed, found["total_us"]["p50"])


def rest(parts: Rig) -> dict[str, Any]:
    """What the whole server, supervisor, controller and one worker, takes while nothing is asked of it."""
    time.sleep(REST_SETTLE_S)
    tree = parts.switchgear.tree
    before, began_s = sum(map(processes.cpu_us, tree)), time.monotonic()
    time.sleep(REST_S)
    used = sum(map(processes.cpu_us, tree)) - before
    return {
        "core_percent": round(used / (time.monotonic() - began_s) / 10_000, 2),
        "mib": round(sum(map(processes.pss_bytes, tree)) / MIB, 1),
    }


def memory(parts: Rig) -> dict[str, Any]:
    """Resident memory of the worker: idle before any load, then what each of many open streams adds."""
    time.sleep(IDLE_SETTLE_S)
    idle = processes.rss_bytes(parts.switchgear.pid)
    rig.load(parts, parts.switchgear, "bench-json", duration_s=WARM_UP_S, connections=CONNECTIONS)
    warm = processes.rss_bytes(parts.switchgear.pid)
    command = rig.load_command(parts, parts.switchgear, "bench-hold", connections=OPEN_STREAMS, duration_s=30)
    command.append("--hold")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holding:
        assert holding.stdout is not None
        assert holding.stdin is not None
        first = holding.stdout.readline()
        time.sleep(HOLD_SETTLE_S)
        held = processes.rss_bytes(parts.switchgear.pid)
        holding.stdin.close()
        holding.stdout.read()
    if not first.startswith("holding"):
        raise RuntimeError(f"{OPEN_STREAMS} streams could not be held open: {first}")
    return {
        "idle_mib": round(idle / MIB, 1),
        "warm_mib": round(warm / MIB, 1),
        "held_mib": round(held / MIB, 1),
        "streams": OPEN_STREAMS,
        "kib_per_stream": round((held - warm) / OPEN_STREAMS / 1024, 1),
    }


def first_token(parts: Rig, rounds: int, results: dict[str, Any]) -> dict[str, Any]:
    """Time to the first body byte of a stream, straight to the mock and through us, passed through and
    converted, each at half of what fits of it."""
    ways = [
        ("direct", parts.mock, rig.CHAT, "bench-paced-10"),
        ("passed", parts.switchgear, rig.CHAT, "bench-paced-10"),
        ("chat-to-messages", parts.switchgear, rig.CHAT, "messages-bench-paced-10"),
        ("messages-to-chat", parts.switchgear, rig.MESSAGES, "bench-paced-10"),
        ("responses-to-chat", parts.switchgear, rig.RESPONSES, "bench-paced-10"),
    ]
    rates = {name: _half_load(results, name) for name, *_ in ways}
    times: dict[str, list[int]] = {name: [] for name, *_ in ways}
    print("first-token ", end="", flush=True)
    for _ in range(rounds):
        for name, target, client, model in ways:
            found = rig.load(
                parts, target, model, client=client, duration_s=3, connections=512, rate=rates[name]
            )
            times[name].append(found["first_byte_us"]["p50"])
            print(".", end="", flush=True)
    print(flush=True)
    p50_us = {name: statistics.median(found) for name, found in times.items()}
    added_ms = {name: (us - p50_us["direct"]) / 1000 for name, us in p50_us.items() if name != "direct"}
    shown = {name: round(rate) for name, rate in rates.items()}
    return {"rates": shown, "p50_us": p50_us, "added_ms": added_ms}


def _half_load(results: dict[str, Any], way: str) -> float:
    """Streams of ten chunks a second that take half of the worker's core on this way."""

    def cost(scenario: str, otherwise: float) -> float:
        return float(results.get(scenario, {}).get("switchgear", {}).get("us", otherwise))

    call, chunk = cost("json-1k", 200), cost("stream-20ms", 54)
    return FIRST_TOKEN_LOAD * 1e6 / (cost(f"{way}-json", call) + 10 * cost(f"{way}-20ms", chunk))


def _summary(rounds: list[Round]) -> dict[str, Any]:
    costs = [one.us for one in rounds]
    return {
        "us": round(statistics.median(costs), 2),
        "us_low": round(min(costs), 2),
        "us_high": round(max(costs), 2),
        "per_second": round(statistics.median(one.per_second for one in rounds)),
        "p50_us": round(statistics.median(one.p50_us for one in rounds)),
        "failed": sum(one.failed for one in rounds),
        "rounds": [round(cost, 2) for cost in costs],
    }


def report(results: dict[str, Any]) -> int:
    """Prints the table; 1 if a limit is missed or a call failed."""
    missed = _report_costs(results)
    if found := results.get("rest"):
        missed += _line("at rest, whole server", found["core_percent"], "% of a core", 0.5)
        missed += _line("memory at rest, whole server", found["mib"], "MiB", 100)
    if found := results.get("memory"):
        missed += _line("memory, idle worker", found["idle_mib"], "MiB", 80)
        what = f"memory, each of {found['streams']} open streams"
        missed += _line(what, found["kib_per_stream"], "KiB", 40)
    if found := results.get("first-token"):
        for name, added_ms in found["added_ms"].items():
            what = f"added to first token, {name}, p50 at {found['rates'][name]}/s"
            missed += _line(what, round(added_ms, 2), "ms", 2)
    print(f"\nAll figures: {BUILD / 'bench.json'}")
    return 1 if missed else 0


def _report_costs(results: dict[str, Any]) -> int:
    missed = 0
    head = f"{'µs of worker CPU':<24} {'nginx, plain':>20} {'nginx, keep-alive':>20} {'switchgear':>22}"
    print(f"\n{head}  ratio (limit) to plain; to keep-alive; at plain nginx = 50 µs")
    reference = results.get("json-1k", {}).get("nginx", {}).get("us", 0)
    for scenario in SCENARIOS:
        if not (found := results.get(scenario.name)):
            continue
        cells = [_cell(found.get(name)) for name in ("nginx", "nginx-keep-alive", "switchgear")]
        line = f"{scenario.name:<24} {cells[0]:>20} {cells[1]:>20} {cells[2]:>22}"
        if ours := found.get("switchgear"):
            failed = found["nginx"]["failed"] + ours["failed"]
            scaled = ours["us"] * NGINX_US_REFERENCE / reference if reference else 0
            told, bad = _judged(scenario, found, scaled)
            missed += bad or failed > 0
            line += told + (f"  {failed} failed" if failed else "") + ("  MISSED" if bad or failed else "")
        print(line)
    return missed


def _judged(scenario: Scenario, found: dict[str, Any], scaled_us: float) -> tuple[str, bool]:
    """The rest of a line, and whether its limit is missed."""
    us = found["switchgear"]["us"]
    ratio = us / found["nginx"]["us"]
    if scenario.converted:
        limit = f" (limit {scenario.us_max:g} as measured)" if scenario.us_max else ""
        return f"  {ratio:.2f}×; {scaled_us:.1f} µs{limit}", 0 < scenario.us_max < us
    kept = us / found["nginx-keep-alive"]["us"]
    limits = (f" ({scenario.ratio_max:g}×)", f" ({scenario.us_max:g})") if scenario.ratio_max else ("", "")
    bad = 0 < scenario.ratio_max < ratio
    return f"  {ratio:.2f}×{limits[0]}; {kept:.2f}×; {scaled_us:.1f} µs{limits[1]}", bad


def _cell(found: dict[str, Any] | None) -> str:
    return f"{found['us']:.1f} ({found['us_low']:.1f}–{found['us_high']:.1f})" if found else "-"


def _line(what: str, value: float, unit: str, limit: float) -> int:
    bad = value > limit
    print(f"{what:<58} {value} {unit} (limit {limit:g}){'  MISSED' if bad else ''}")
    return int(bad)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmark of the relay beside nginx.")
    parser.add_argument("--rounds", type=int, default=ROUNDS_DEFAULT)
    parser.add_argument("--seconds", type=float, default=0, help="of a round, else each scenario's own")
    names = [*(scenario.name for scenario in SCENARIOS), *EXTRAS]
    parser.add_argument("--scenario", action="append", choices=names, help="only this one; may be repeated")
    parser.add_argument("--nginx-only", action="store_true", help="leave Switchgear out, to see the machine")
    return parser.parse_args()


if __name__ == "__main__":
    if sys.platform != "linux":
        sys.exit("The benchmark reads /proc and pins processes: Linux only.")
    sys.exit(main())
