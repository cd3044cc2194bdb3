"""Calls in the background, at the upstream and of our own making. Without this an answer would be lost with
its client or its worker, or an upstream's work would never be charged."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from tests.e2e import settings
from tests.e2e.harness import Server
from tests.sim.upstream import FakeUpstream

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

CONVERTED, NATIVE = "gpt-4o-mini", "gpt-5.2"
STALLED = "fault-stall-headers"
"""Its upstream never answers."""
WAIT_S = 30.0
OVER = ("completed", "incomplete", "failed", "cancelled")


class Rig:
    def __init__(self, server: Server, upstream: FakeUpstream, key: str) -> None:
        self.server, self.upstream = server, upstream
        self.client = openai.AsyncOpenAI(base_url=server.base_url, api_key=key, max_retries=2)

    async def begin(self, model: str, text: str, **more: Any) -> tuple[Any, str]:
        """The first answer and the id of the request."""
        raw = await self.client.responses.with_raw_response.create(
            model=model, input=text, background=True, **more
        )
        return raw.parse(), raw.headers["x-request-id"]

    async def over(self, id: str) -> Any:
        """The response once it is over."""
        deadline = time.monotonic() + WAIT_S
        while (found := await self.client.responses.retrieve(id)).status not in OVER:
            assert time.monotonic() < deadline, f"still {found.status}"
            await asyncio.sleep(0.1)  # an interval of polling
        return found

    async def record(self, request_id: str) -> dict[str, Any]:
        found = await asyncio.to_thread(self.server.usage_with, {request_id}, WAIT_S)
        return found[request_id]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    key = settings.fresh_key()
    async with FakeUpstream() as upstream:
        parts = [
            settings.group(),
            settings.user(),
            settings.key(key),
            settings.channel(upstream.base_url, [CONVERTED, STALLED], "chat", dialects=["openai_chat"]),
            settings.channel(upstream.base_url, [NATIVE], "native", dialects=["openai_responses"]),
            settings.price(CONVERTED),
            settings.price(STALLED),
            settings.price(NATIVE),
        ]
        server = Server("\n".join(parts), workers=2)
        try:
            await asyncio.to_thread(server.start)
            rig = Rig(server, upstream, key)
            yield rig
            await asyncio.to_thread(server.assert_audit_clean)
            await rig.client.close()
        except BaseException:
            print(server.log_tail())
            raise
        finally:
            await asyncio.to_thread(server.stop)
            server.close()


async def test_a_call_of_our_own_goes_on_without_its_client(rig: Rig) -> None:
    made, request_id = await rig.begin(CONVERTED, "[slow-first] Work on it.")
    assert (made.status, made.background, made.output) == ("queued", True, [])
    found = await rig.over(made.id)
    assert found.status == "completed"
    assert found.output_text.startswith("word0 word1")
    record = await rig.record(request_id)
    assert record["usage_source"] == "reported"
    assert record["usage"]["output_text"] == found.usage.output_tokens
    following = await rig.client.responses.create(
        model=CONVERTED, input="[echo] More.", previous_response_id=made.id
    )
    assert following.output_text == "You said: More."


async def test_a_cancelled_call_stops_its_upstream(rig: Rig) -> None:
    made, request_id = await rig.begin(STALLED, "Never mind.")
    before = len(rig.upstream.closed_early)
    cancelled = await rig.client.responses.cancel(made.id)
    assert cancelled.status == "cancelled"
    record = await rig.record(request_id)
    assert record["end_state"] == "client_gone"
    assert len(rig.upstream.closed_early) == before + 1
    assert (await rig.client.responses.retrieve(made.id)).status == "cancelled"


async def test_a_call_that_fails_is_told_as_failed(rig: Rig) -> None:
    made, request_id = await rig.begin(CONVERTED, "[error-400]")
    found = await rig.over(made.id)
    assert found.status == "failed"
    assert found.error.code
    assert (await rig.record(request_id))["charge_nanos"] == 0


async def test_a_stream_that_lost_its_client_is_read_again(rig: Rig) -> None:
    stream = await rig.client.responses.create(
        model=CONVERTED, input="[long] Go on.", background=True, stream=True
    )
    id = ""
    async for event in stream:
        if event.type == "response.created":
            id = event.response.id
        if event.type == "response.output_text.delta":
            break
    await stream.close()
    found = await rig.over(id)
    assert found.status == "completed"
    assert found.output_text.endswith("word199")
    rest = [event async for event in await rig.client.responses.retrieve(id, stream=True, starting_after=2)]
    assert rest[0].sequence_number == 3
    assert rest[-1].type == "response.completed"


async def test_a_stream_of_a_running_call_waits_for_its_events(rig: Rig) -> None:
    made, _ = await rig.begin(CONVERTED, "[slow-first] Work on it.")
    async with asyncio.timeout(WAIT_S):
        events = [event async for event in await rig.client.responses.retrieve(made.id, stream=True)]
    assert events[-1].type == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))


async def test_a_call_that_is_not_stored_can_not_run_alone(rig: Rig) -> None:
    for model in (CONVERTED, NATIVE):
        with pytest.raises(openai.BadRequestError) as refused:
            await rig.begin(model, "x", store=False)
        assert refused.value.param == "background"


async def test_a_call_at_the_upstream_is_charged_once_it_is_over(rig: Rig) -> None:
    made, request_id = await rig.begin(NATIVE, "Think long.")
    assert made.status == "queued"
    found = await rig.over(made.id)
    assert found.output_text.startswith("word0")
    record = await rig.record(request_id)
    assert record["end_state"] == "complete"
    assert record["usage_source"] == "reported"
    assert record["usage"]["output_text"] == found.usage.output_tokens
    assert record["charge_nanos"] > 0
    assert record["channel"] == "native"


async def test_a_call_cancelled_at_the_upstream_is_settled(rig: Rig) -> None:
    made, request_id = await rig.begin(NATIVE, "Never mind.")
    assert (await rig.client.responses.cancel(made.id)).status == "cancelled"
    assert (await rig.record(request_id))["end_state"] == "client_gone"


async def test_a_native_stream_that_lost_its_client_is_charged_as_a_whole(rig: Rig) -> None:
    raw = await rig.client.responses.with_raw_response.create(
        model=NATIVE, input="[long] Go on.", background=True, stream=True
    )
    request_id = raw.headers["x-request-id"]
    stream = raw.parse()
    async for event in stream:
        if event.type == "response.output_text.delta":
            break
    await stream.close()
    record = await rig.record(request_id)
    assert (record["usage_source"], record["usage"]["output_text"]) == ("reported", 200)


async def test_a_native_stream_that_was_cut_is_charged_as_a_whole(rig: Rig) -> None:
    raw = await rig.client.responses.with_raw_response.create(
        model=NATIVE, input="[cut] [long] Go on.", background=True, stream=True
    )
    request_id = raw.headers["x-request-id"]
    last = [event async for event in raw.parse()][-1]
    assert last.type == "response.failed"
    record = await rig.record(request_id)
    assert (record["usage_source"], record["usage"]["output_text"]) == ("reported", 200)


async def test_a_rolling_restart_loses_no_call(rig: Rig) -> None:
    native = [await rig.begin(NATIVE, "Think long.") for _ in range(2)]
    own = [await rig.begin(CONVERTED, "[slow-first] Work on it.") for _ in range(4)]
    (supervisor,) = rig.server.pids("supervisor")
    before = set(rig.server.pids("worker"))
    os.kill(supervisor, signal.SIGHUP)
    for made, request_id in own + native:
        assert (await rig.over(made.id)).status == "completed"
        assert (await rig.record(request_id))["usage_source"] == "reported"
    deadline = time.monotonic() + WAIT_S
    while before & set(rig.server.pids("worker")):
        assert time.monotonic() < deadline, "the old workers stay"
        await asyncio.sleep(0.1)  # an interval of polling


async def test_a_killed_worker_loses_no_bill_and_fails_what_was_its_own(rig: Rig) -> None:
    native = [await rig.begin(NATIVE, "Think long.") for _ in range(4)]
    own = [await rig.begin(STALLED, "Work on it.") for _ in range(4)]
    for number in (0, 1):
        await asyncio.to_thread(rig.server.kill9, "worker", number)
    for made, _ in own:
        found = await rig.over(made.id)
        assert (found.status, found.error.code) == ("failed", "server_error")
    for made, request_id in native:
        assert (await rig.over(made.id)).status == "completed"
        record = await rig.record(request_id)
        assert (record["end_state"], record["usage_source"]) == ("complete", "reported")
