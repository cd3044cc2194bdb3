"""Upstreams that answer whole where a stream was asked for, or stream where a whole reply was, over real
servers in all pairs of dialects. Without it, answers that were paid for would end in an error."""

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.e2e import client, oracle, settings
from tests.e2e.harness import Server
from tests.sim.upstream import FakeUpstream

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

DIALECTS = ["openai_chat", "openai_responses", "anthropic_messages", "gemini_generate"]
FORMS = {"json-for-stream": True, "stream-for-json": False, "json-error": True, "error-first": False}
"""What the upstream does → whether a stream is asked for."""
TEXT = "word0 word1 word2"


class Rig(msgspec.Struct):
    server: Server
    key: str

    async def ask(self, client_dialect: str, model: str, *, stream: bool) -> client.Reply:
        path, body = request(client_dialect, model, stream=stream)
        return await client.call(self.server.port, self.key, body, path=path)

    def row(self, reply: client.Reply) -> dict[str, Any]:
        return self.server.usage_with({reply.request_id})[reply.request_id]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    """Each upstream dialect and each form is a model, ``<form>.<dialect>``, and as ``backed.…`` has a second
    channel."""
    key = settings.fresh_key()
    async with FakeUpstream() as upstream:
        host = upstream.base_url.removesuffix("/v1")
        parts = [settings.group(), settings.user(), settings.key(key)]
        for dialect in DIALECTS:
            for form in (*FORMS, "usual"):
                fault = "plain" if form == "usual" else f"fault-{form}"
                for name in (f"{form}.{dialect}", f"backed.{form}.{dialect}"):
                    values = {"dialects": [dialect], "model_map": {name: fault}}
                    parts += [
                        settings.channel(host, [name], name, priority=1, **values),
                        settings.price(name),
                    ]
                    if name.startswith("backed"):
                        values["model_map"] = {name: "plain"}
                        parts.append(settings.channel(host, [name], f"{name}.2", **values))
        with Server("\n".join(parts)) as server:
            yield Rig(server, key)


def request(dialect: str, model: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    turns = [{"role": "user", "content": "x"}]
    if dialect == "openai_chat":
        body = {"model": model, "messages": turns, "max_tokens": 3, "stream": stream}
        return "/v1/chat/completions", body | ({"stream_options": {"include_usage": True}} if stream else {})
    if dialect == "openai_responses":
        return "/v1/responses", {"model": model, "input": "x", "store": False, "stream": stream}
    if dialect == "anthropic_messages":
        return "/v1/messages", {"model": model, "messages": turns, "max_tokens": 3, "stream": stream}
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    body = {
        "contents": [{"role": "user", "parts": [{"text": "x"}]}],
        "generationConfig": {"maxOutputTokens": 3},
    }
    return f"/v1beta/models/{model}:{verb}", body


def said_by(item: Any) -> str:
    """All text that the model wrote in a whole reply, or in one event of a stream."""
    if isinstance(item, list):
        return "".join(map(said_by, item))
    if not isinstance(item, dict) or item.get("type") in ("response.created", "response.in_progress"):
        return ""
    if str(item.get("type")).startswith("response."):
        return item["delta"] if item["type"] == "response.output_text.delta" else ""
    found = item.get("text") or item.get("content")
    if isinstance(found, str):
        return found
    nested = ("choices", "message", "delta", "output", "content", "candidates", "parts", "content_block")
    return "".join(said_by(item[key]) for key in nested if key in item)


def said(reply: client.Reply) -> str:
    return said_by(reply.events() if reply.is_stream else reply.json())


def has_ended(dialect: str, reply: client.Reply) -> bool:
    """Whether a stream has the end of its dialect."""
    last = {
        "openai_chat": b"[DONE]",
        "openai_responses": b"response.completed",
        "anthropic_messages": b"message_stop",
        "gemini_generate": b"finishReason",
    }
    return reply.framed and last[dialect] in reply.body


PAIRS = [(mine, theirs) for mine in DIALECTS for theirs in DIALECTS]


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
async def test_a_whole_answer_to_a_stream_request_becomes_a_stream(rig: Rig, mine: str, theirs: str) -> None:
    usual = await rig.ask(mine, f"usual.{theirs}", stream=True)
    reply = await rig.ask(mine, f"json-for-stream.{theirs}", stream=True)
    assert reply.status == 200, reply.body
    assert reply.is_stream
    assert said(reply) == said(usual)
    assert said(reply).startswith(TEXT)
    assert has_ended(mine, reply) == has_ended(mine, usual), reply.body
    assert rig.row(reply)["usage"] == rig.row(usual)["usage"]
    assert rig.row(reply)["usage_source"] == "reported"


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
async def test_a_stream_to_a_whole_request_becomes_a_whole_reply(rig: Rig, mine: str, theirs: str) -> None:
    usual = await rig.ask(mine, f"usual.{theirs}", stream=False)
    reply = await rig.ask(mine, f"stream-for-json.{theirs}", stream=False)
    assert reply.status == 200, reply.body
    assert said_by(json.loads(reply.body)) == said(usual)
    assert said(reply).startswith(TEXT)
    assert rig.row(reply)["usage"] == rig.row(usual)["usage"]
    assert rig.row(reply)["usage_source"] == "reported"


@pytest.mark.parametrize("form", ["json-error", "error-first"])
@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
async def test_an_error_in_either_form_is_a_fault_of_the_channel(
    rig: Rig, mine: str, theirs: str, form: str
) -> None:
    reply = await rig.ask(mine, f"backed.{form}.{theirs}", stream=FORMS[form])
    assert reply.status == 200, reply.body
    assert said(reply).startswith(TEXT)
    assert rig.row(reply)["channel"] == f"backed.{form}.{theirs}.2"
    alone = await rig.ask(mine, f"{form}.{theirs}", stream=FORMS[form])
    assert alone.status >= 500
    assert oracle.charged_nanos(rig.row(alone)) == 0
