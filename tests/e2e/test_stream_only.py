"""Whole calls to models that their host only streams, over real servers. Without it they would end in the
host's 400, or in a whole reply that says or costs something else than the stream it was made of."""

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.e2e import client, settings
from tests.e2e.harness import Server
from tests.sim.upstream import FakeUpstream

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

UPSTREAMS = {
    "m-chat": ("openai_chat", "gpt-4o"),
    "m-responses": ("openai_responses", "gpt-5.2"),
    "m-messages": ("anthropic_messages", "claude-sonnet-4-5"),
    "m-gemini": ("gemini_generate", "gemini-3-flash"),
}


class Rig(msgspec.Struct):
    server: Server
    upstream: FakeUpstream
    key: str

    async def post(self, path: str, body: Any) -> client.Reply:
        return await client.call(self.server.port, self.key, body, path=path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    """Each model is served twice by the same upstream: as ``m-…``, and as ``s-…`` by streams only."""
    key = settings.fresh_key()
    async with FakeUpstream(api_key=settings.UPSTREAM_KEY) as upstream:
        host = upstream.base_url.removesuffix("/v1")
        parts = [settings.group(), settings.user(), settings.key(key)]
        for model, (dialect, known_as) in UPSTREAMS.items():
            for name, values in ((model, {}), ("s" + model[1:], {"only_streams": True})):
                parts.append(
                    settings.channel(
                        host, [name], name=name, dialects=[dialect], model_map={name: known_as}, **values
                    )
                )
                parts.append(settings.price(name))
        whole = {"s-whole": "fault-json-for-stream"}
        parts.append(settings.channel(host, ["s-whole"], name="whole", model_map=whole, only_streams=True))
        parts.append(settings.price("s-whole"))
        of_vendor = settings.channel(upstream.base_url, ["qwq-plus"], name="of vendor")
        parts.append(of_vendor.replace('"compatible"', '"dashscope"'))
        parts.append(settings.price("qwq-plus"))
        with Server("\n".join(parts)) as server:
            yield Rig(server, upstream, key)


WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
ASK = "[think][tool] Weather?"


def request(path: str, model: str) -> tuple[str, dict[str, Any]]:
    tool = {"name": "get_weather", "parameters": WEATHER}
    turns = [{"role": "user", "content": ASK}]
    if path == "chat":
        tools = [{"type": "function", "function": tool}]
        return "/v1/chat/completions", {"model": model, "messages": turns, "tools": tools}
    if path == "messages":
        tools = [{"name": "get_weather", "input_schema": WEATHER}]
        return "/v1/messages", {"model": model, "max_tokens": 2000, "messages": turns, "tools": tools}
    if path == "responses":
        body = {"model": model, "input": ASK, "store": False, "tools": [{"type": "function", **tool}]}
        return "/v1/responses", body
    contents = [{"role": "user", "parts": [{"text": ASK}]}]
    return f"/v1beta/models/{model}:generateContent", {
        "contents": contents,
        "tools": [{"functionDeclarations": [tool]}],
    }


def calls_of(reply: dict[str, Any]) -> list[tuple[str, Any]]:
    """Name and arguments of the tools that a whole reply calls, in any dialect."""
    if "choices" in reply:
        calls = [call["function"] for call in reply["choices"][0]["message"]["tool_calls"]]
        return [(call["name"], json.loads(call["arguments"])) for call in calls]
    if "output" in reply:
        items = [item for item in reply["output"] if item["type"] == "function_call"]
        return [(item["name"], json.loads(item["arguments"])) for item in items]
    if "candidates" in reply:
        parts = [
            part["functionCall"]
            for part in reply["candidates"][0]["content"]["parts"]
            if "functionCall" in part
        ]
        return [(part["name"], part["args"]) for part in parts]
    return [(block["name"], block["input"]) for block in reply["content"] if block["type"] == "tool_use"]


def counts_of(reply: dict[str, Any]) -> dict[str, int]:
    usage = reply.get("usage") or reply["usageMetadata"]
    return {name: count for name, count in usage.items() if isinstance(count, int)}


@pytest.mark.parametrize("upstream", ["chat", "responses", "messages", "gemini"])
@pytest.mark.parametrize("path", ["chat", "responses", "messages", "gemini"])
async def test_a_whole_reply_is_made_of_the_stream(rig: Rig, path: str, upstream: str) -> None:
    usual = await rig.post(*request(path, f"m-{upstream}"))
    reply = await rig.post(*request(path, f"s-{upstream}"))
    assert reply.status == 200, reply.body
    asked = rig.upstream.requests[-1]
    assert asked.json.get("stream") is True or "streamGenerateContent" in asked.path
    assert calls_of(reply.json()) == calls_of(usual.json()) != []
    assert counts_of(reply.json()) == counts_of(usual.json())


async def test_a_stream_that_breaks_is_no_whole_reply(rig: Rig) -> None:
    body = {"model": "s-chat", "messages": [{"role": "user", "content": "[cut] x"}]}
    reply = await rig.post("/v1/chat/completions", body)
    assert reply.status == 502


async def test_what_a_host_of_the_same_dialect_alone_knows_reaches_it(rig: Rig) -> None:
    """The body passes as it came, but for the wish for a stream."""
    turns = [{"role": "user", "content": "x"}]
    body = {"model": "s-chat", "messages": turns, "enable_search": True, "stream": False}
    reply = await rig.post("/v1/chat/completions", body)
    found = reply.json()
    assert (found["object"], found["model"]) == ("chat.completion", "s-chat")
    assert found["choices"][0]["message"]["content"].startswith("word0 word1")
    asked = rig.upstream.requests[-1].json
    assert (asked["enable_search"], asked["stream"]) == (True, True)
    assert asked["stream_options"] == {"include_usage": True}


async def test_several_answers_are_gathered_each_by_itself(rig: Rig) -> None:
    """By as many calls to an upstream that gives one at a time."""
    turns = [{"role": "user", "content": "x"}]
    for model in ("s-chat", "s-messages"):
        reply = await rig.post("/v1/chat/completions", {"model": model, "messages": turns, "n": 2})
        choices = reply.json()["choices"]
        assert [choice["index"] for choice in choices] == [0, 1]
        assert all(choice["message"]["content"].startswith("word0") for choice in choices)


async def test_a_stream_is_passed_on_as_ever(rig: Rig) -> None:
    body = {"model": "s-chat", "messages": [{"role": "user", "content": "x"}], "stream": True}
    reply = await rig.post("/v1/chat/completions", body)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.body.endswith(b"data: [DONE]\n\n")


async def test_a_host_that_answers_whole_all_the_same_is_understood(rig: Rig) -> None:
    body = {"model": "s-whole", "messages": [{"role": "user", "content": "x"}]}
    reply = await rig.post("/v1/chat/completions", body)
    assert reply.status == 200, reply.body
    assert reply.json()["choices"][0]["message"]["content"]


async def test_models_are_known_to_be_streamed_only(rig: Rig) -> None:
    body = {"model": "qwq-plus", "messages": [{"role": "user", "content": "x"}]}
    reply = await rig.post("/v1/chat/completions", body)
    assert reply.status == 200, reply.body
    assert rig.upstream.requests[-1].json["stream"] is True
