"""One server over a fake upstream in the same process, with two channels to it, for tests of faults."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from tests.e2e import client, settings
from tests.e2e.client import Reply
from tests.e2e.harness import Server
from tests.sim.upstream import FakeUpstream

BACKED_UP = "with-second"
"""Prefix of models that a second channel of lower priority answers properly."""
TIMEOUTS = {"connect_s": 2, "first_byte_stream_s": 1, "first_byte_json_s": 1, "idle_chunk_s": 1, "total_s": 8}
CREDENTIAL_FAULTS = ("fault-401", "fault-402", "fault-403")
"""They take a whole channel out, so each has a channel of its own."""
WORDS = 3
QUESTION = [{"role": "user", "content": "Say a few words."}]
RATES = {"input_usd_per_mtok": "2", "output_usd_per_mtok": "10"}


class Rig(msgspec.Struct):
    """The server, its key, and the upstreams behind its two channels."""

    server: Server
    key: str
    first: FakeUpstream
    second: FakeUpstream

    async def chat(self, model: str, *, stream: bool = True, **more: Any) -> Reply:
        call = chat_call(model, stream=stream)
        return await client.call(self.server.port, self.key, call, **more)

    async def row(self, reply: Reply) -> dict[str, Any]:
        """The record of a call, once it is in the books."""
        rows = await asyncio.to_thread(self.server.usage_with, {reply.request_id})
        return rows[reply.request_id]


def chat_call(model: str, *, stream: bool, words: int = WORDS) -> dict[str, Any]:
    call: dict[str, Any] = {"model": model, "messages": QUESTION, "max_tokens": words}
    return call | ({"stream": True, "stream_options": {"include_usage": True}} if stream else {})


def backed_up(fault: str) -> str:
    """The model that meets ``fault`` on the first channel and a proper answer on the second."""
    return f"{BACKED_UP}-{fault}"


def _first(base_url: str, name: str, faults: list[str], *more: str) -> str:
    seconds = [backed_up(fault) for fault in faults]
    return settings.channel(
        base_url,
        [*more, *faults, *seconds],
        name,
        priority=10,
        timeouts=TIMEOUTS,
        model_map=dict(zip(seconds, faults, strict=True)),
    )


@contextlib.asynccontextmanager
async def running(faults: list[str], *, workers: int = 1) -> AsyncIterator[Rig]:
    """Serves each fault model alone and, as ``backed_up(model)``, with a healthy channel behind it."""
    key = settings.fresh_key()
    seconds = [backed_up(fault) for fault in faults]
    async with FakeUpstream() as first, FakeUpstream() as second:
        parts = [
            settings.group(),
            settings.user(balance_usd="100000"),
            settings.key(key),
            _first(first.base_url, "first", sorted({*faults} - {*CREDENTIAL_FAULTS}), "gpt-5.2"),
            *(_first(first.base_url, one, [one]) for one in faults if one in CREDENTIAL_FAULTS),
            settings.channel(
                second.base_url,
                seconds or ["unused"],
                "second",
                timeouts=TIMEOUTS,
                model_map=dict.fromkeys(seconds or ["unused"], "gpt-5.2"),
            ),
            *(settings.price(model, **RATES) for model in ["gpt-5.2", *faults, *seconds]),
        ]
        server = Server("\n".join(parts), workers=workers)
        try:
            await asyncio.to_thread(server.start)
            yield Rig(server, key, first, second)
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.assert_audit_clean)
        except BaseException:
            print(server.log_tail())
            raise
        finally:
            await asyncio.to_thread(server.close)
