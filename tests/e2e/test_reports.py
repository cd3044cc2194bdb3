"""What a report of usage is worth, in every dialect, whole and streamed.

Without it one and the same answer would cost more through one client than through another, a failed answer
would be free in some of them, and an upstream that lies could empty a wallet by one call.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.e2e.told_rig import OPERATIONS, PAIRS, Rig, told_rig
from tests.sim.told import Plan, Report

KINDS = [pytest.param(True, id="streamed"), pytest.param(False, id="whole")]
LONG = "word " * 87 + "on"
"""437 characters."""
HUGE = 19_999_000

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    async with told_rig() as made:
        yield made


async def charged(
    rig: Rig, plan: Plan, dialect: str, model: str, stream: bool, **more: Any
) -> dict[str, Any]:
    return await rig.record(await rig.call(plan, dialect, model, stream, **more))


@pytest.mark.parametrize("stream", KINDS)
@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
async def test_a_complete_answer_costs_what_it_reports_however_little(
    rig: Rig, mine: str, theirs: str, stream: bool
) -> None:
    row = await charged(rig, Plan(LONG, Report(10, 1)), mine, f"m-{theirs}", stream)
    assert (row["end_state"], row["usage_source"], row["charge"]["nanos"]) == ("complete", "reported", 28_000)
    assert row["usage_doubt"]


@pytest.mark.parametrize("words", [4_000, 8_000])
@pytest.mark.parametrize("stream", KINDS)
@pytest.mark.parametrize("theirs", OPERATIONS)
async def test_the_length_of_an_answer_changes_nothing(
    rig: Rig, theirs: str, stream: bool, words: int
) -> None:
    row = await charged(rig, Plan("word " * words, Report(10, 200)), "chat", f"m-{theirs}", stream)
    assert (row["usage_source"], row["usage"]["output_text"]) == ("reported", 200)


@pytest.mark.parametrize("stream", KINDS)
@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
async def test_an_output_of_nothing_beside_a_text_is_counted(
    rig: Rig, mine: str, theirs: str, stream: bool
) -> None:
    row = await charged(rig, Plan(LONG, Report(10, 0)), mine, f"m-{theirs}", stream)
    assert row["usage_source"] == "estimated"
    assert row["usage"]["input_uncached"] == 10
    assert 80 <= row["usage"]["output_text"] <= 120


@pytest.mark.parametrize("stream", KINDS)
async def test_text_is_measured_in_bytes_whoever_reads_it(rig: Rig, stream: bool) -> None:
    """30 characters of three bytes each: within 16 bytes a token as characters, beyond as bytes."""
    plan = Plan("漢" * 30, Report(10, 1))
    rows = [await charged(rig, plan, mine, f"m-{theirs}", stream) for mine, theirs in PAIRS]
    assert all(row["usage_doubt"] for row in rows)


@pytest.mark.parametrize("stream", KINDS)
async def test_a_channel_that_doubts_is_billed_by_our_count(stream: bool) -> None:
    async with told_rig(doubt_usage=True) as doubting:
        for mine, theirs in PAIRS:
            row = await charged(doubting, Plan(LONG, Report(10, 1)), mine, f"m-{theirs}", stream)
            assert row["usage_source"] == "estimated"
            assert 80 <= row["usage"]["output_text"] <= 120
            row = await charged(doubting, Plan(LONG, Report(10, 90)), mine, f"m-{theirs}", stream)
            assert (row["usage_source"], row["usage"]["output_text"]) == ("reported", 90)


@pytest.mark.parametrize("stream", KINDS)
@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
async def test_no_report_is_charged_beyond_what_the_call_can_come_to(
    rig: Rig, mine: str, theirs: str, stream: bool
) -> None:
    row = await charged(rig, Plan("hi", Report(10, HUGE)), mine, f"m-{theirs}", stream, cap=16)
    assert (row["usage"]["input_uncached"], row["usage"]["output_text"]) == (10, 16)
    assert row["usage_doubt"]


@pytest.mark.parametrize("stream", KINDS)
@pytest.mark.parametrize("text", ["", LONG], ids=["at once", "after text"])
@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
async def test_a_failed_answer_costs_what_its_upstream_counted(
    rig: Rig, mine: str, theirs: str, text: str, stream: bool
) -> None:
    row = await charged(rig, Plan(text, Report(1000, 77), fails=True), mine, f"m-{theirs}", stream)
    assert (row["end_state"], row["usage_source"]) == ("upstream_error", "reported")
    assert row["charge"]["nanos"] == 1000 * 2000 + 77 * 8000


@pytest.mark.parametrize("stream", KINDS)
@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
async def test_a_refusal_by_status_costs_what_its_upstream_counted(
    rig: Rig, mine: str, theirs: str, stream: bool
) -> None:
    plan = Plan("", Report(1000, 77), fails=True, status=400)
    row = await charged(rig, plan, mine, f"m-{theirs}", stream)
    assert (row["end_state"], row["charge"]["nanos"]) == ("upstream_error", 1000 * 2000 + 77 * 8000)


@pytest.mark.parametrize("stream", KINDS)
@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
async def test_a_failure_that_nothing_was_counted_of_costs_nothing(
    rig: Rig, mine: str, theirs: str, stream: bool
) -> None:
    row = await charged(rig, Plan("", fails=True), mine, f"m-{theirs}", stream)
    assert (row["end_state"], row["charge"]["nanos"]) == ("upstream_error", 0)


@pytest.mark.parametrize("theirs", ["chat", "responses", "gemini"])
async def test_one_conversation_counts_the_same_in_every_dialect(rig: Rig, theirs: str) -> None:
    rows = [await charged(rig, Plan(), mine, f"m-{theirs}", True) for mine in OPERATIONS]
    assert {row["usage_source"] for row in rows} == {"estimated"}
    assert len({row["usage"]["input_uncached"] for row in rows}) == 1
