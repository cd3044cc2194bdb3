"""Clients that leave before their answers say what they cost.

Without it a client could read an answer to its last word, leave before the usage frame, and pay for nothing
of a model's long reasoning; or one that stops an answer would pay for all that it did not want.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.e2e import client
from tests.e2e.told_rig import PAIRS, READ_S, Rig, told_rig
from tests.sim.told import Plan, Report

TRUE = Report(10, 5, 995)
SILENT_S = 0.6
HIDDEN_TOKENS_PER_S = 20

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    async with told_rig() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def patient() -> AsyncIterator[Rig]:
    async with told_rig({"client_gone_read_s": 60.0}) as made:
        yield made


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
async def test_who_leaves_at_the_last_word_pays_what_the_upstream_reports(
    rig: Rig, mine: str, theirs: str
) -> None:
    plan = Plan(report=TRUE, goes_on=asyncio.Event())
    reply = await rig.call(plan, mine, f"r-{theirs}", True, leave_after=b"END")
    await rig.noticed()
    plan.goes_on.set()
    row = await rig.record(reply)
    assert (row["end_state"], row["usage_source"]) == ("client_gone", "reported")
    assert row["usage"].get("output_text", 0) + row["usage"].get("reasoning", 0) == 1000
    assert row["charge"]["nanos"] == 10 * 2000 + 1000 * 8000
    assert not plan.cut.is_set()


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
async def test_who_stops_an_answer_pays_for_what_came_and_the_upstream_is_cancelled(
    rig: Rig, mine: str, theirs: str
) -> None:
    plan = Plan(ends=False)
    reply = await rig.call(plan, mine, f"m-{theirs}", True, leave_after=b"END")
    async with asyncio.timeout(READ_S + 2):
        await plan.cut.wait()
    row = await rig.record(reply)
    assert (row["end_state"], row["usage_source"]) == ("client_gone", "estimated")
    assert 1 <= row["usage"]["output_text"] <= 6
    assert "hidden_tokens" not in row


@pytest.mark.parametrize("theirs", ["chat", "responses", "messages", "gemini"])
async def test_a_whole_reply_is_read_on_and_charged_as_reported(rig: Rig, theirs: str) -> None:
    before = len(await asyncio.to_thread(rig.server.usage))
    plan = Plan(report=TRUE, goes_on=asyncio.Event())
    call = asyncio.create_task(rig.call(plan, theirs, f"r-{theirs}", False))
    await plan.started.wait()
    call.cancel()
    await asyncio.wait((call,))
    await rig.noticed()
    plan.goes_on.set()
    row = await rig.newest(before + 1)
    assert (row["end_state"], row["usage_source"]) == ("client_gone", "reported")
    assert row["charge"]["nanos"] == 10 * 2000 + 1000 * 8000
    assert row.get("delivered_bytes", 0) == 0


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("theirs", ["chat", "responses", "gemini"])
async def test_nothing_delivered_and_nothing_reported_costs_nothing(
    rig: Rig, theirs: str, stream: bool
) -> None:
    before = len(await asyncio.to_thread(rig.server.usage))
    plan = Plan(text="", ends=False)
    call = asyncio.create_task(rig.call(plan, theirs, f"m-{theirs}", stream))
    await plan.started.wait()
    call.cancel()
    await asyncio.wait((call,))
    async with asyncio.timeout(READ_S + 2):
        await plan.cut.wait()
    row = await rig.newest(before + 1)
    assert (row["end_state"], row["charge"]["nanos"]) == ("client_gone", 0)


async def test_a_client_whose_time_is_up_while_its_text_is_counted_is_recorded() -> None:
    """The first count of a server waits for its vocabulary, longer than the answer is read on."""
    async with told_rig({"client_gone_read_s": 0.1}) as rig:
        reply = await rig.call(Plan(), "messages", "m-responses", True, leave_after=b"word")
        row = await rig.record(reply)
        assert row["charge"]["nanos"] > 0


async def test_who_leaves_before_any_content_pays_what_the_start_reported(rig: Rig) -> None:
    before = len(await asyncio.to_thread(rig.server.usage))
    plan = Plan(text="", report=TRUE, ends=False)
    call = asyncio.create_task(rig.call(plan, "messages", "m-messages", True))
    await plan.started.wait()
    call.cancel()
    await asyncio.wait((call,))
    row = await rig.newest(before + 1)
    assert (row["end_state"], row["usage_source"]) == ("client_gone", "reported")
    assert row["charge"]["nanos"] == 10 * 2000


@pytest.mark.parametrize("theirs", ["chat", "messages"])
async def test_silent_reasoning_is_paid_for_by_the_time_it_took(rig: Rig, theirs: str) -> None:
    """Of a model that has been seen to reason, or was asked to."""
    plan = Plan(silent_s=SILENT_S, ends=False)
    rig.upstream.plan = plan
    body = {"model": f"r-{theirs}", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    body |= {"max_tokens": 4000, "reasoning_effort": "high"}
    reply = await client.call(rig.server.port, rig.key, body, leave_after=b"END", resets=True)
    row = await rig.record(reply)
    assert (row["end_state"], row["usage_source"]) == ("client_gone", "estimated")
    assert row["hidden_tokens"] == row["usage"]["reasoning"] >= SILENT_S * HIDDEN_TOKENS_PER_S - 1
    assert row["hidden_tokens"] <= 4000


@pytest.mark.parametrize("theirs", ["chat", "messages", "gemini"])
@pytest.mark.parametrize("mine", ["chat", "messages", "gemini"])
async def test_nothing_is_waited_for_once_finish_and_usage_came(mine: str, theirs: str, patient: Rig) -> None:
    plan = Plan(report=TRUE, goes_on=asyncio.Event(), is_marked=False)
    reply = await patient.call(plan, mine, f"m-{theirs}", True, leave_after=b"END")
    await patient.noticed()
    plan.goes_on.set()
    row = await patient.record(reply)
    assert (row["end_state"], row["usage_source"]) == ("client_gone", "reported")
    assert row["charge"]["nanos"] == 10 * 2000 + 1000 * 8000


async def test_a_channel_may_read_on_for_longer_than_the_server_says() -> None:
    async with told_rig({"client_gone_read_s": 0.0}, client_gone_read_s=10.0) as longer:
        plan = Plan(report=TRUE, goes_on=asyncio.Event())
        reply = await longer.call(plan, "chat", "m-chat", True, leave_after=b"END")
        await longer.noticed()
        plan.goes_on.set()
        assert (await longer.record(reply))["usage_source"] == "reported"


async def test_a_channel_that_lets_answers_finish_still_does() -> None:
    async with told_rig({"client_gone_read_s": 0.0}, finish_on_client_gone=True) as finishing:
        plan = Plan(report=TRUE, goes_on=asyncio.Event())
        reply = await finishing.call(plan, "chat", "m-chat", True, leave_after=b"END")
        await finishing.noticed()
        plan.goes_on.set()
        assert (await finishing.record(reply))["usage_source"] == "reported"


async def test_a_stop_while_an_answer_is_read_on_books_it_once() -> None:
    async with told_rig({"client_gone_read_s": 60.0, "drain_s": 0.2}) as stopping:
        plan = Plan(ends=False)
        reply = await stopping.call(plan, "chat", "m-chat", True, leave_after=b"END")
        await asyncio.to_thread(stopping.server.restart)
        row = await stopping.record(reply)
        assert (row["end_state"], row["usage_source"]) == ("client_gone", "estimated")
        assert row["charge"]["nanos"] > 0
