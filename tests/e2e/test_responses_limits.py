"""Where nothing can be kept, or nothing is to be. Without this an answer would hang on a controller that is
away, or content would stay on a disk where the operator wants none."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from tests.e2e import settings
from tests.e2e.harness import Server
from tests.sim.upstream import FakeUpstream

from switchgear.kernel.home import Home
from switchgear.kernel.limits import RESPONSE_STORED_BYTES_MAX
from switchgear.store.db import open_database
from switchgear.store.tables import responses

pytestmark = pytest.mark.process

CONVERTED, NATIVE = "gpt-4o-mini", "gpt-5.2"
STALLED = "fault-stall-headers"
"""Its upstream never answers."""


@contextlib.asynccontextmanager
async def served(**server_values: Any) -> AsyncIterator[tuple[Server, openai.AsyncOpenAI]]:
    key = settings.fresh_key()
    async with FakeUpstream() as upstream:
        parts = [
            settings.server(**server_values),
            settings.group(),
            settings.user(),
            settings.key(key),
            settings.channel(upstream.base_url, [CONVERTED, STALLED], "chat", dialects=["openai_chat"]),
            settings.channel(upstream.base_url, [NATIVE], "native", dialects=["openai_responses"]),
            settings.price(CONVERTED),
            settings.price(STALLED),
            settings.price(NATIVE),
        ]
        server = Server("\n".join(parts), workers=1)
        try:
            await asyncio.to_thread(server.start)
            async with openai.AsyncOpenAI(base_url=server.base_url, api_key=key, max_retries=0) as client:
                yield server, client
            await asyncio.to_thread(server.assert_audit_clean)
        finally:
            await asyncio.to_thread(server.stop)
            server.close()


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_an_answer_goes_out_unkept_while_the_controller_is_away() -> None:
    async with served() as (server, client):
        before = await client.responses.create(model=CONVERTED, input="Before.")
        (controller,) = server.pids("controller")
        with stopped(controller):
            async with asyncio.timeout(5):
                made = await client.responses.create(model=CONVERTED, input="Meanwhile.")
            assert made.output_text
            with pytest.raises(openai.InternalServerError) as refused:
                await client.responses.create(
                    model=CONVERTED, input="More.", previous_response_id=before.id, timeout=20
                )
            assert refused.value.code == "temporarily_unavailable"
            with pytest.raises(openai.InternalServerError):
                await client.responses.create(model=CONVERTED, input="Alone.", background=True, timeout=20)
        found = await client.responses.retrieve(before.id)
        assert found.output_text == before.output_text


async def test_without_retention_nothing_lies_on_the_disk() -> None:
    async with served(responses_retention_days=0) as (server, client):
        for model in (CONVERTED, NATIVE):
            made = await client.responses.create(model=model, input="Leave no trace.")
            with pytest.raises(openai.NotFoundError):
                await client.responses.retrieve(made.id)
        with pytest.raises(openai.BadRequestError):
            await client.responses.create(model=CONVERTED, input="x", background=True)
        raw = await client.responses.with_raw_response.create(model=NATIVE, input="x", background=True)
        id = raw.headers["x-request-id"]
        record = (await asyncio.to_thread(server.usage_with, {id}))[id]
        assert record["usage_source"] == "reported"
        with contextlib.closing(open_database(Home(server.data).database)) as database:
            rows = database.read(lambda connection: list(connection.execute(responses.select())))
        assert all(row.input_items == b"[]" and row.response == b"" for row in rows)
        assert not any(row.due for row in rows)


async def test_a_response_over_the_bound_is_answered_and_not_kept() -> None:
    async with served() as (_, client):
        large = "word " * (RESPONSE_STORED_BYTES_MAX // 5)
        made = await client.responses.create(model=CONVERTED, input=large)
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(made.id)


async def test_a_restart_ends_what_is_ours_and_goes_on_with_what_is_the_upstreams() -> None:
    async with served(drain_s=0.2) as (server, client):
        own = await client.responses.create(model=STALLED, input="Work.", background=True)
        raw = await client.responses.with_raw_response.create(model=NATIVE, input="Think.", background=True)
        await asyncio.to_thread(server.restart)
        found = await client.responses.retrieve(own.id)
        assert found.status == "failed"
        assert found.error is not None
        assert found.error.code == "server_error"
        id = raw.headers["x-request-id"]
        record = (await asyncio.to_thread(server.usage_with, {id}))[id]
        assert (record["end_state"], record["usage_source"]) == ("complete", "reported")
