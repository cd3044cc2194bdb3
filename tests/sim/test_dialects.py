"""The simulated upstream through the vendors' own SDKs. Without this file a simulator could speak a form that
no real client reads, or mean something else in one dialect than in another, and tests across dialects would
prove nothing."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio
from google.genai import errors as genai_errors

from tests.sim import script, stage
from tests.sim.speakers import (
    SPEAKERS,
    Ask,
    Clients,
    Heard,
    hold_conversations,
)
from tests.sim.upstream import FakeUpstream

ROOT = Path(__file__).parents[2]
PREVIOUS = ROOT / ".venv-sdk-previous" / "bin" / "python"
FORMS = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
WEATHER = ("weather", {"city": "city 1", "days": 1, "unit": "celsius"})
CLOCK = ("clock", {"zone": "zone 2"})


pytestmark = pytest.mark.asyncio(loop_scope="module")


class Rig:
    """One upstream and the clients of all SDKs for it."""

    def __init__(self, upstream: FakeUpstream, clients: Clients) -> None:
        self.upstream, self.clients = upstream, clients

    async def ask_all(self, text: str, ask: Ask) -> dict[str, Heard]:
        return {name: await speaker(self.clients).say(text, ask) for name, speaker in SPEAKERS.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    async with FakeUpstream() as upstream:
        clients = Clients(upstream.base_url)
        yield Rig(upstream, clients)
        await clients.close()


def agreed(heard: dict[str, Heard]) -> Heard:
    """The one meaning of all four; fails if they differ."""
    first = heard["chat"]
    for name, other in heard.items():
        assert other == first, name
    return first


@FORMS
@pytest.mark.parametrize(
    ("text", "ask", "expected"),
    [
        ("Say something", {}, {"text": " ".join(script.words(None)), "finish": "stop"}),
        ("Say something", {"cap": 20}, {"text": " ".join(script.words(20)), "finish": "stop"}),
        ("Call [tool]", {"tools": True}, {"calls": [WEATHER], "finish": "calls"}),
        ("Call [tools]", {"tools": True}, {"calls": [WEATHER, CLOCK], "finish": "calls"}),
        ('[tool:clock {"zone":"UTC"}]', {"tools": True}, {"calls": [("clock", {"zone": "UTC"})]}),
        ("[think] Why", {"think": True}, {"reasoning": script.REASONING, "finish": "stop"}),
        (
            "[think] [tool]",
            {"think": True, "tools": True},
            {"reasoning": script.REASONING, "calls": [WEATHER]},
        ),
        ("[redacted]", {"think": True}, {"reasoning": "", "finish": "stop"}),
        ("Who?", {"schema": True}, {"text": '{"name":"name 1","ages":[1]}', "finish": "stop"}),
        ("[image]", {"image": True}, {"text": "I saw 1 attachment: image/png."}),
        ("[length]", {}, {"finish": "length"}),
        ("[refuse]", {}, {"finish": "refusal"}),
        ("[block]", {}, {"finish": "block", "text": ""}),
        ("[echo] héllo", {}, {"text": "You said: héllo"}),
        ("[long]", {}, {"text": " ".join(f"word{index}" for index in range(200))}),
        ("[search]", {"search": True}, {"finish": "stop"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_all_dialects_mean_the_same(
    rig: Rig, text: str, ask: dict, expected: dict, stream: bool
) -> None:
    heard = await rig.ask_all(text, Ask(stream=stream, **ask))
    if expected.get("finish") == "refusal":
        # Gemini has no words for a refusal.
        assert heard["gemini"].text == ""
        heard["gemini"].text, heard["gemini"].pieces = heard["chat"].text, heard["chat"].pieces
    if stream:
        # A citation cuts the text into more pieces in one dialect than in another; else they are the words.
        counted = {name: item.pieces for name, item in heard.items() if not item.citations}
        assert set(counted.values()) <= {len(script.deltas(heard["chat"].text))}
    for item in heard.values():
        item.pieces = 0
    found = agreed(heard)
    for name, value in expected.items():
        assert getattr(found, name) == value, name
    if "[search]" in text:
        assert found.citations == [("Paris is the capital of France", "https://example.com/france")]


@FORMS
async def test_cached_tokens_are_told_in_each_dialect(rig: Rig, stream: bool) -> None:
    heard = await rig.ask_all("[cache]", Ask(stream=stream))
    assert agreed(heard).usage == (4, 128, 0, 12, 0)
    heard = await rig.ask_all("[cache-write]", Ask(stream=stream))
    assert heard.pop("gemini").usage == (6 + 32, 128, 0, 12, 0)  # no word for writes: they are ordinary input
    assert agreed(heard).usage == (6, 128, 32, 12, 0)


@FORMS
@pytest.mark.parametrize("name", SPEAKERS)
async def test_tool_loop_with_reasoning_goes_round(rig: Rig, name: str, stream: bool) -> None:
    ask = Ask(tools=True, think=True, stream=stream)
    speaker = SPEAKERS[name](rig.clients)
    first = await speaker.say("[think] [again] [tool]", ask)
    assert (first.calls, first.reasoning) == ([WEATHER], script.REASONING)
    second = await speaker.give(["sunny"], ask)
    again = ("weather", {"city": "city 2", "days": 2, "unit": "celsius"})
    assert (second.calls, second.reasoning) == ([again], script.REASONING_AFTER_RESULTS)
    last = await speaker.give(["rainy"], ask)
    assert (last.text, last.finish) == ("The tool said: sunny; rainy", "stop")
    assert (await speaker.say("[tools]", ask)).calls == [WEATHER, CLOCK]
    assert (await speaker.give(["one", "two"], ask)).text == "The tool said: one; two"


@pytest.mark.parametrize("name", SPEAKERS)
async def test_history_is_counted_alike(rig: Rig, name: str) -> None:
    speaker = SPEAKERS[name](rig.clients)
    await speaker.say("[tools] please", Ask(tools=True))
    heard = await speaker.give(["first result", "second result"], Ask(tools=True))
    assert heard.usage[0] == len("[tools] please" + "first result" + "second result") // 4 + 3 * 4


@FORMS
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
async def test_each_error_is_the_type_of_its_sdk(rig: Rig, status: int, stream: bool) -> None:
    found = {}
    for name, speaker in SPEAKERS.items():
        with pytest.raises(Exception) as raised:
            await speaker(rig.clients).say(f"[error-{status}]", Ask(stream=stream))
        found[name] = raised.value
    other = 503 if status == 529 else status
    assert isinstance(found["chat"], openai.APIStatusError)
    assert isinstance(found["responses"], openai.APIStatusError)
    assert isinstance(found["messages"], anthropic.APIStatusError)
    assert isinstance(found["gemini"], genai_errors.APIError)
    assert [found[name].status_code for name in ("chat", "responses", "messages")] == [other, other, status]
    assert found["gemini"].code == other
    if status == 429:
        assert found["chat"].response.headers["retry-after"] == "1"
        assert "RetryInfo" in str(found["gemini"].details)


@pytest.mark.parametrize("name", ["chat", "messages", "gemini"])
async def test_error_in_the_middle_raises(rig: Rig, name: str) -> None:
    with pytest.raises((openai.APIError, anthropic.APIError, genai_errors.APIError)):
        await SPEAKERS[name](rig.clients).say("[error-midstream]", Ask(stream=True))


async def test_error_in_the_middle_of_responses_is_a_failed_response(rig: Rig) -> None:
    stream = await rig.clients.openai.responses.create(
        model="gpt-5.2", input="[error-midstream]", stream=True
    )
    events = [event.to_dict() async for event in stream]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["error"]["code"] == "server_error"


@FORMS
@pytest.mark.parametrize("name", SPEAKERS)
async def test_cut_never_ends_well(rig: Rig, name: str, stream: bool) -> None:
    with pytest.raises(Exception) as raised:
        await SPEAKERS[name](rig.clients).say("[cut]", Ask(stream=stream))
    assert not isinstance(raised.value, TimeoutError | AssertionError)


@FORMS
async def test_slow_first_waits_until_it_is_released(
    rig: Rig, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "SLOW_FIRST_S", 100)
    rig.upstream.released.clear()
    seen = len(rig.upstream.requests)
    waiting = [
        asyncio.ensure_future(speaker(rig.clients).say("[slow-first]", Ask(stream=stream)))
        for speaker in SPEAKERS.values()
    ]
    await rig.upstream.wait_for(lambda it: len(it.requests) == seen + len(waiting))
    assert not any(task.done() for task in waiting)
    rig.upstream.released.set()
    assert {heard.finish for heard in await asyncio.gather(*waiting)} == {"stop"}


async def test_wrong_key_is_refused() -> None:
    async with FakeUpstream() as upstream:
        clients = Clients(upstream.base_url, key="sk-wrong")
        found = []
        for speaker in SPEAKERS.values():
            with pytest.raises(Exception) as raised:
                await speaker(clients).say("Hello", Ask())
            found.append(raised.value)
        await clients.close()
    chat, responses, messages, gemini = found
    assert isinstance(chat, openai.AuthenticationError)
    assert isinstance(responses, openai.AuthenticationError)
    assert isinstance(messages, anthropic.AuthenticationError)
    assert isinstance(gemini, genai_errors.ClientError)
    assert "API_KEY_INVALID" in str(gemini.details)


async def test_models_are_listed_in_the_dialect_of_the_caller(rig: Rig) -> None:
    chat = [item.id async for item in rig.clients.openai.models.list()]
    claude = [item.id async for item in rig.clients.anthropic.models.list()]
    pager = await rig.clients.gemini.aio.models.list()
    gemini = [item.name async for item in pager]
    assert "gpt-5.2" in chat
    assert "claude-opus-4-7" in claude
    assert "models/gemini-2.5-flash" in gemini


async def test_tokens_are_counted_before_a_call(rig: Rig) -> None:
    text = "Count this, please"
    expected = (await SPEAKERS["chat"](rig.clients).say(text, Ask())).usage[0]
    counted = await rig.clients.anthropic.messages.count_tokens(
        model="claude-opus-4-7", messages=[{"role": "user", "content": text}]
    )
    assert counted.input_tokens == expected
    total = await rig.clients.gemini.aio.models.count_tokens(model="gemini-2.5-flash", contents=text)
    assert total.total_tokens == expected
    found = await rig.clients.openai.responses.input_tokens.count(model="gpt-5.2", input=text)
    assert found.input_tokens == expected


async def test_gemini_embeddings_are_those_of_the_openai_door(rig: Rig) -> None:
    embedded = await rig.clients.gemini.aio.models.embed_content(
        model="gemini-embedding-001", contents=["a", "b"]
    )
    plain = await rig.clients.openai.embeddings.create(model="x", input=["a", "b"], encoding_format="float")
    assert [item.values for item in embedded.embeddings] == [item.embedding for item in plain.data]


@FORMS
async def test_free_text_tools_are_called_with_text(rig: Rig, stream: bool) -> None:
    made = {"name": "patch", "description": "Applies a patch."}
    chat = rig.clients.openai.chat.completions
    call = {"model": "gpt-5.2", "messages": [{"role": "user", "content": "[tool]"}], "stream": stream}
    reply: Any = await chat.create(**call, tools=[{"type": "custom", "custom": made}])
    if stream:
        calls = [it for chunk in [_ async for _ in reply] for it in chunk.choices[0].delta.tool_calls or ()]
        assert "".join(it.to_dict()["custom"]["input"] for it in calls) == "input 1"
    else:
        assert reply.choices[0].message.tool_calls[0].custom.input == "input 1"
    tool: Any = {"type": "custom"} | made
    call = {"model": "gpt-5.2", "input": "[tool]", "stream": stream}
    reply = await rig.clients.openai.responses.create(**call, tools=[tool])
    if stream:
        reply = [event async for event in reply][-1].response
    assert (reply.output[0].type, reply.output[0].input) == ("custom_tool_call", "input 1")


@FORMS
async def test_log_probabilities_are_the_same_in_three_dialects(rig: Rig, stream: bool) -> None:
    """The fourth has none."""
    text = "[echo] a b"
    turn: Any = {"role": "user", "content": text}
    chat: Any = await rig.clients.openai.chat.completions.create(
        model="gpt-4.1", messages=[turn], logprobs=True, top_logprobs=2, stream=stream
    )
    chunks = [chunk async for chunk in chat] if stream else [chat]
    spoken = [token for chunk in chunks if (known := chunk.choices[0].logprobs) for token in known.content]
    expected = [(token, [(token, -0.5), (f"{token}~1", -1.5)]) for token in ("You", " said:", " a", " b")]
    assert [(it.token, [(top.token, top.logprob) for top in it.top_logprobs]) for it in spoken] == expected
    reply: Any = await rig.clients.openai.responses.create(
        model="gpt-4.1", input=text, top_logprobs=2, include=["message.output_text.logprobs"], stream=stream
    )
    if stream:
        events = [event async for event in reply]
        spoken = [it for event in events if event.type.endswith("text.delta") for it in event.logprobs]
    else:
        spoken = reply.output[0].content[0].logprobs
    assert [(it.token, [(top.token, top.logprob) for top in it.top_logprobs]) for it in spoken] == expected
    models = rig.clients.gemini.aio.models
    ask: Any = {
        "model": "gemini-2.5-flash",
        "contents": text,
        "config": {"response_logprobs": True, "logprobs": 2},
    }
    if stream:
        candidates = [chunk.candidates[0] async for chunk in await models.generate_content_stream(**ask)]
    else:
        candidates = (await models.generate_content(**ask)).candidates
    results = [candidate.logprobs_result for candidate in candidates if candidate.logprobs_result]
    tops = [top.candidates for result in results for top in result.top_candidates]
    found = [[(it.token, it.log_probability) for it in top] for top in tops]
    assert found == [others for _, others in expected]


async def test_previous_majors_of_the_sdks_hear_the_same(rig: Rig) -> None:
    if not PREVIOUS.exists():
        pytest.skip("the SDKs' major versions before these are not installed: make .venv-sdk-previous/.done")
    process = await asyncio.create_subprocess_exec(
        str(PREVIOUS),
        "-W",
        "error",
        "-m",
        "tests.sim.speakers",
        rig.upstream.base_url,
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    output, _ = await process.communicate()
    told = json.loads(output)
    assert [version.split(".")[0] for version in told["versions"]] == ["2", "1", "2"]
    current = await hold_conversations(rig.clients)
    assert told["heard"] == json.loads(json.dumps(current))
