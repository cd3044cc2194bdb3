"""Without this file the simulator itself could lie: a fake that accepts nonsense proves nothing."""

import asyncio
import re
import subprocess
import sys
import zlib

import openai
import pytest

from tests.sim import faults, replies, strict
from tests.sim.upstream import API_KEY, FakeUpstream

HELLO = [{"role": "user", "content": "Say héllo"}]
TOOL = {"type": "function", "function": {"name": "weather"}}
ANSWERED = [*HELLO, {"role": "assistant", "content": "Hello"}, *HELLO]


async def client_of(upstream: FakeUpstream, key: str = API_KEY) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=upstream.base_url, api_key=key, max_retries=0)


async def test_official_client_reads_reply_and_usage() -> None:
    async with FakeUpstream() as upstream, await client_of(upstream) as client:
        reply = await client.chat.completions.create(model="gpt-5.2", messages=HELLO, max_tokens=3)
        assert reply.choices[0].message.content == "word0 word1 word2"
        assert reply.usage is not None
        assert reply.usage.prompt_tokens == len("Say héllo".encode()) // 4 + 3
        assert reply.usage.completion_tokens == 3
        assert upstream.requests[0].json["model"] == "gpt-5.2"


async def test_official_client_reads_stream_with_usage() -> None:
    async with FakeUpstream() as upstream, await client_of(upstream) as client:
        stream = await client.chat.completions.create(
            model="gpt-4o-mini", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == replies.reply_text({})
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == 12
        await upstream.wait_for(lambda it: it.open_streams == 0)
        assert upstream.closed_early == []


async def test_tool_call_whole_and_streamed() -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    messages = [{"role": "user", "content": "please use the tool"}]
    asked = {"model": "gpt-5.2", "messages": messages, "tools": tools}
    async with FakeUpstream() as upstream, await client_of(upstream) as client:
        reply = await client.chat.completions.create(**asked)
        assert reply.choices[0].message.tool_calls[0].function.arguments == replies.TOOL_ARGUMENTS
        pieces = [chunk async for chunk in await client.chat.completions.create(**asked, stream=True)]
        calls = [call for piece in pieces for call in piece.choices[0].delta.tool_calls or []]
        assert "".join(call.function.arguments for call in calls) == replies.TOOL_ARGUMENTS


async def test_embeddings_float_and_base64_agree() -> None:
    async with FakeUpstream() as upstream, await client_of(upstream) as client:
        packed = await client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
        plain = await client.embeddings.create(
            model="text-embedding-3-small", input=["a", "b"], encoding_format="float"
        )
        assert [item.embedding for item in packed.data] == [item.embedding for item in plain.data]
        assert len(plain.data[0].embedding) == 8


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.[0].role"),
        ({"messages": None}, "messages"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"temperature": 3}, "temperature"),
        ({"parallel_tool_calls": None}, "parallel_tool_calls"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"messages": [{"role": "tool", "tool_call_id": "x", "content": "y"}]}, "messages.[0]"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"model": "o3", "max_tokens": 5}, "max_tokens"),
        ({"model": "o3", "stop": ["x"]}, "stop"),
        ({"reasoning_effort": "minimal"}, "reasoning_effort"),
        ({"model": "gpt-4.1", "reasoning_effort": "low"}, "reasoning_effort"),
        ({"response_format": {"type": "json_object"}}, "messages"),
        ({"response_format": {"type": "json_schema", "schema": {}}}, "response_format.json_schema.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {"name": "a.b"}}]}, "tools"),
        ({"model": "deepseek-chat", "tools": [TOOL], "messages": ANSWERED}, "messages"),
    ],
)
def test_schema_breaches_are_refused(change: dict, param: str) -> None:
    with pytest.raises(strict.Invalid) as refused:
        strict.check_chat({"model": "gpt-5.2", "messages": HELLO} | change)
    assert refused.value.param == param


async def test_wrong_key_and_flaky_model() -> None:
    async with FakeUpstream() as upstream:
        async with await client_of(upstream, "sk-wrong") as stranger:
            with pytest.raises(openai.AuthenticationError):
                await stranger.chat.completions.create(model="gpt-5.2", messages=HELLO)
        async with await client_of(upstream) as client:
            for _ in range(2):
                with pytest.raises(openai.InternalServerError):
                    await client.chat.completions.create(model="fault-flaky-2", messages=HELLO)
            assert (await client.chat.completions.create(model="fault-flaky-2", messages=HELLO)).usage


async def test_client_that_leaves_is_noticed() -> None:
    async with FakeUpstream() as upstream, await client_of(upstream) as client:
        stream = await client.chat.completions.create(model="fault-stall-mid", messages=HELLO, stream=True)
        await anext(aiter(stream))
        assert upstream.open_streams == 1
        await stream.close()
        await upstream.wait_closed_early()
        assert upstream.closed_early[0].json["model"] == "fault-stall-mid"


@pytest.mark.parametrize("name", ["cut-40", "garbage", "reset-accept", "reset-headers", "reset-mid"])
async def test_broken_transports_raise_in_the_official_client(name: str) -> None:
    async with FakeUpstream() as upstream, await client_of(upstream) as client:
        completions = client.chat.completions
        with pytest.raises(Exception) as broken:
            async for _ in await completions.create(model=f"fault-{name}", messages=HELLO, stream=True):
                pass
        assert not isinstance(broken.value, openai.APIStatusError | TimeoutError | asyncio.CancelledError)


def test_every_documented_fault_is_answered() -> None:
    documented = ["400", "429-after-7", "stall-first", "cutclean-9", "usage-double", "tiny-frames-5"]
    for name in documented:
        assert any(re.fullmatch(pattern, name) for pattern, _ in faults.FAULTS), name


def test_gzip_bomb_is_valid_and_small() -> None:
    bomb = faults.gzip_bomb(3)
    assert len(bomb) < 16_384
    assert zlib.decompress(bomb, 31) == b" " * (3 << 20)


@pytest.mark.process
def test_runs_alone() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.sim.upstream", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
    assert '"port"' in line
