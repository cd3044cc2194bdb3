"""A server whose four channels speak one dialect each to an upstream that says what a test tells it to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from tests.e2e import client, settings
from tests.e2e.client import Reply
from tests.e2e.harness import Server
from tests.sim.told import Plan, ToldUpstream

OPERATIONS = {
    "chat": "openai_chat",
    "responses": "openai_responses",
    "messages": "anthropic_messages",
    "gemini": "gemini_generate",
}
PRICES = {"input_usd_per_mtok": "2", "output_usd_per_mtok": "8"}
READ_S = 0.5
KINDS = ("m", "r")
"""Of models, for tests that must not know what others have taught of theirs."""
PAIRS = [(mine, theirs) for mine in OPERATIONS for theirs in OPERATIONS]


class Rig(msgspec.Struct):
    server: Server
    upstream: ToldUpstream
    key: str

    async def call(self, plan: Plan, dialect: str, model: str, stream: bool, **more: Any) -> Reply:
        """One call, answered by ``plan``; ``more`` as ``client.call`` takes it, and ``cap``."""
        self.upstream.plan = plan
        path, body = request(dialect, model, stream, more.pop("cap", 2000))
        return await client.call(self.server.port, self.key, body, path=path, resets=True, **more)

    async def noticed(self) -> None:
        """Returns when the worker has seen that a client has left: it serves one thing after another."""
        await client.call(self.server.port, self.key, None, path="/livez", method="GET")

    async def record(self, reply: Reply) -> dict[str, Any]:
        rows = await asyncio.to_thread(self.server.usage_with, {reply.request_id})
        return rows[reply.request_id]

    async def newest(self, count: int) -> dict[str, Any]:
        """The last record, once there are so many."""
        async with asyncio.timeout(10):
            while len(rows := await asyncio.to_thread(self.server.usage)) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # another process writes them
        return max(rows, key=lambda row: row["request_id"])


@contextlib.asynccontextmanager
async def told_rig(
    server_settings: dict[str, Any] | None = None, **channel_settings: Any
) -> AsyncIterator[Rig]:
    key = settings.fresh_key()
    wanted = {"client_gone_read_s": READ_S} | (server_settings or {})
    async with ToldUpstream() as upstream:
        parts = [settings.server(**wanted), settings.group(), settings.user(), settings.key(key)]
        for name, dialect in OPERATIONS.items():
            models = [f"{kind}-{name}" for kind in KINDS]
            parts.append(
                settings.channel(f"{upstream.url}/v1", models, name, dialects=[dialect], **channel_settings)
            )
            parts += [settings.price(model, **PRICES) for model in models]
        server = Server("\n".join(parts), workers=1)
        try:
            await asyncio.to_thread(server.start)
            yield Rig(server, upstream, key)
            server.assert_audit_clean()
            await asyncio.to_thread(server.stop)
        finally:
            await asyncio.to_thread(server.close)


def request(dialect: str, model: str, stream: bool, cap: int) -> tuple[str, dict[str, Any]]:
    """The path and body of a call of one word."""
    turns = [{"role": "user", "content": "hi"}]
    match dialect:
        case "chat":
            return "/v1/chat/completions", {
                "model": model,
                "messages": turns,
                "max_tokens": cap,
                "stream": stream,
            }
        case "responses":
            body = {"model": model, "input": "hi", "max_output_tokens": cap, "stream": stream, "store": False}
            return "/v1/responses", body
        case "messages":
            return "/v1/messages", {"model": model, "messages": turns, "max_tokens": cap, "stream": stream}
        case _:
            verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
            contents = [{"role": "user", "parts": [{"text": "hi"}]}]
            return f"/v1beta/models/{model}:{verb}", {
                "contents": contents,
                "generationConfig": {"maxOutputTokens": cap},
            }
