"""Streams that break off in the middle, for each client's dialect over upstreams of each.

Without it a client could read an answer almost to its end and leave, or be cut off there, and pay for nothing
of it: some upstreams tell the output of a stream only in its last event.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.e2e import client, settings
from tests.e2e.client import Reply
from tests.e2e.harness import Server
from tests.sim.upstream import FakeUpstream

UPSTREAMS = {
    "chat": ("openai_chat", "gpt-5.2"),
    "responses": ("openai_responses", "gpt-5.2"),
    "messages": ("anthropic_messages", "claude-sonnet-4-5"),
    "gemini": ("gemini_generate", "gemini-2.5-flash"),
}
"""What its host speaks, and the model that answers the scripts there; ``slow-…`` is the same at 20 ms a
frame."""
WORDS_CUT = 100
"""That come of ``[long] [cut]``: half of the answer."""
LEAVE_AFTER = "word40"
TOKENS_PER_WORD_MAX = 3

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


class Rig(msgspec.Struct):
    server: Server
    upstream: FakeUpstream
    key: str

    async def stream(self, path: str, body: Any, leave_after: bytes | None = None) -> Reply:
        return await client.call(self.server.port, self.key, body, path=path, leave_after=leave_after)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    key = settings.fresh_key()
    async with FakeUpstream() as upstream:
        parts = [settings.server(client_gone_read_s=0.2)]
        parts += [settings.group(), settings.user(), settings.key(key)]
        for name, (dialect, known_as) in UPSTREAMS.items():
            models = {f"m-{name}": known_as, f"slow-{name}": "fault-slow"}
            parts.append(
                settings.channel(upstream.base_url, [*models], name, dialects=[dialect], model_map=models)
            )
            parts += [settings.price(model) for model in models]
        with Server("\n".join(parts), workers=1) as server:
            yield Rig(server, upstream, key)
            server.assert_audit_clean()


def call(dialect: str, model: str, text: str, words: int) -> tuple[str, dict[str, Any]]:
    """The path and body of a streamed call."""
    turns = [{"role": "user", "content": text}]
    match dialect:
        case "chat":
            return "/v1/chat/completions", {
                "model": model,
                "messages": turns,
                "max_tokens": words,
                "stream": True,
            }
        case "responses":
            return "/v1/responses", {
                "model": model,
                "input": text,
                "max_output_tokens": words,
                "stream": True,
            }
        case "messages":
            return "/v1/messages", {"model": model, "messages": turns, "max_tokens": words, "stream": True}
        case _:
            path = f"/v1beta/models/{model}:streamGenerateContent?alt=sse"
            contents = [{"role": "user", "parts": [{"text": text}]}]
            return path, {"contents": contents, "generationConfig": {"maxOutputTokens": words}}


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("dialect", UPSTREAMS)
async def test_a_stream_that_was_cut_costs_what_came_of_it(rig: Rig, dialect: str, upstream: str) -> None:
    reply = await rig.stream(*call(dialect, f"m-{upstream}", "[long] [cut] hi", 4096))
    assert f"word{WORDS_CUT - 1}" in reply.body.decode()
    row = rig.server.usage_with({reply.request_id})[reply.request_id]
    assert (row["end_state"], row["usage_source"]) == ("upstream_cut", "estimated")
    assert WORDS_CUT <= row["usage"]["output_text"] <= WORDS_CUT * TOKENS_PER_WORD_MAX
    assert row["usage"]["input_uncached"] > 0


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("dialect", UPSTREAMS)
async def test_a_client_that_leaves_pays_for_what_it_got_and_stops_the_upstream(
    rig: Rig, dialect: str, upstream: str
) -> None:
    before = len(rig.upstream.closed_early)
    path, body = call(dialect, f"slow-{upstream}", "hi", 2000)
    reply = await rig.stream(path, body, leave_after=LEAVE_AFTER.encode())
    await rig.upstream.wait_closed_early(before + 1, timeout_s=1.0)
    row = rig.server.usage_with({reply.request_id})[reply.request_id]
    assert row["end_state"] == "client_gone"
    seen = int(LEAVE_AFTER.removeprefix("word"))
    assert seen <= row["usage"]["output_text"] <= 2 * seen * TOKENS_PER_WORD_MAX
