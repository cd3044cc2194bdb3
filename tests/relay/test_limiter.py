"""Without this, two workers could each grant a key its whole limit, or a killed one's calls count for ever."""

import multiprocessing
from pathlib import Path

from switchgear.link.snapshot import Principal
from switchgear.relay.limiter import MINUTE_NS, RateTable

NOW_NS = 50 * MINUTE_NS


def principal(*, rpm: int = 0, tpm: int = 0, concurrency: int = 0, slot: int = 3) -> Principal:
    return Principal(
        "k",
        "ci",
        "sk-…abcd",
        "u",
        "acme",
        "default",
        "wallet:u",
        rpm=rpm,
        tpm=tpm,
        concurrency=concurrency,
        slot=slot,
    )


def test_requests_per_minute_are_exact_and_come_back_evenly(tmp_path: Path) -> None:
    table = RateTable(tmp_path / "rates", 0)
    who = principal(rpm=7)
    states = [table.admit(who, 0, NOW_NS) for _ in range(8)]
    assert [state.permit is not None for state in states] == [True] * 7 + [False]
    assert [state.requests.remaining for state in states if state.requests] == [6, 5, 4, 3, 2, 1, 0, 0]
    refused = states[-1].refused
    assert refused is not None
    assert (refused.kind, refused.limit) == ("requests", 7)
    assert table.admit(who, 0, NOW_NS + refused.retry_ns - 1_000).permit is None
    assert table.admit(who, 0, NOW_NS + refused.retry_ns).permit is not None


def test_two_workers_share_one_limit(tmp_path: Path) -> None:
    first, second = RateTable(tmp_path / "rates", 0), RateTable(tmp_path / "rates", 1)
    who = principal(rpm=10, slot=5000)
    let_in = [table.admit(who, 0, NOW_NS).permit is not None for table in (first, second) * 10]
    assert let_in.count(True) == 10


def test_tokens_are_taken_by_estimate_and_corrected_by_use(tmp_path: Path) -> None:
    table = RateTable(tmp_path / "rates", 0)
    who = principal(tpm=1000)
    state = table.admit(who, 900, NOW_NS)
    assert state.permit is not None
    assert table.admit(who, 200, NOW_NS).refused is not None
    table.finish(state.permit, 100, NOW_NS)
    assert table.admit(who, 200, NOW_NS).permit is not None


def test_an_estimate_over_the_whole_limit_passes_when_nothing_else_was_used(tmp_path: Path) -> None:
    table = RateTable(tmp_path / "rates", 0)
    assert table.admit(principal(tpm=1000), 50_000, NOW_NS).permit is not None


def test_running_calls_are_counted_over_workers_and_freed(tmp_path: Path) -> None:
    first, second = RateTable(tmp_path / "rates", 0), RateTable(tmp_path / "rates", 1)
    who = principal(concurrency=2)
    one, two = first.admit(who, 0, NOW_NS), second.admit(who, 0, NOW_NS)
    refused = second.admit(who, 0, NOW_NS).refused
    assert refused is not None
    assert refused.kind == "calls"
    assert one.permit is not None
    assert two.permit is not None
    first.finish(one.permit, 0, NOW_NS)
    assert second.admit(who, 0, NOW_NS).permit is not None


def test_a_killed_workers_calls_are_forgotten_by_its_successor(tmp_path: Path) -> None:
    who = principal(concurrency=1)
    RateTable(tmp_path / "rates", 4).admit(who, 0, NOW_NS)
    other = RateTable(tmp_path / "rates", 1)
    assert other.admit(who, 0, NOW_NS).refused is not None
    RateTable(tmp_path / "rates", 4)
    assert other.admit(who, 0, NOW_NS).permit is not None


def test_a_row_from_before_a_restart_of_the_machine_does_not_refuse_for_ages(tmp_path: Path) -> None:
    table = RateTable(tmp_path / "rates", 0)
    who = principal(rpm=1)
    table.admit(who, 0, 10_000 * MINUTE_NS)
    assert table.admit(who, 0, 5 * MINUTE_NS).permit is not None
    assert table.admit(who, 0, 5 * MINUTE_NS).refused is not None


def _take(
    path: str, index: int, start: "multiprocessing.synchronize.Event", let_in: "multiprocessing.Queue[int]"
) -> None:
    table = RateTable(Path(path), index)
    start.wait(10)
    who = principal(rpm=500)
    let_in.put(sum(table.admit(who, 0, NOW_NS).permit is not None for _ in range(1000)))


def test_processes_racing_for_one_row_lose_no_count(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, let_in = context.Event(), context.Queue()
    racers = [
        context.Process(target=_take, args=(str(tmp_path / "rates"), i, start, let_in)) for i in range(3)
    ]
    for racer in racers:
        racer.start()
    start.set()
    total = sum(let_in.get(timeout=30) for _ in racers)
    for racer in racers:
        racer.join(10)
    assert total == 500
