"""One server over fake upstreams in the same process, with channels that fail and one behind them, for tests
of faults."""

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
    """The server, its key, the upstream that fails and the one that answers in its place."""

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


def _channels(base_url: str, faults: list[str]) -> list[str]:
    """Two for the same faults: what one learns of an upstream's health must not show in the other's calls."""
    shared = sorted({*faults} - {*CREDENTIAL_FAULTS})
    parts = [("", [*shared])] + [(f"-{one}", [one]) for one in faults if one in CREDENTIAL_FAULTS]
    found = []
    for ending, some in parts:
        own = ["gpt-5.2", *some] if not ending else some
        found.append(settings.channel(base_url, own, "alone" + ending, priority=10, timeouts=TIMEOUTS))
        seconds = {backed_up(fault): fault for fault in some}
        if seconds:
            name = "first" + ending
            found.append(
                settings.channel(
                    base_url, [*seconds], name, priority=10, timeouts=TIMEOUTS, model_map=seconds
                )
            )
    return found


@contextlib.asynccontextmanager
async def running(faults: list[str], *, workers: int = 1) -> AsyncIterator[Rig]:
    """Serves each fault model alone and, as ``backed_up(model)``, with a healthy channel behind it."""
    key = settings.fresh_key()
    seconds = [backed_up(fault) for fault in faults]
    async with FakeUpstream() as first, FakeUpstream() as second:
        parts = [
            settings.server(client_gone_read_s=0.2),
            settings.group(),
            settings.user(balance_usd="100000"),
            settings.key(key),
            *_channels(first.base_url, faults),
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
