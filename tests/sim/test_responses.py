"""What the simulated Responses API refuses and what it remembers. Without this file a relay could send it
what the real one answers with 400, or lean on state that the real one would not have."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from tests.sim import responses, responses_items, responses_strict, script, seal, strict
from tests.sim.speakers import Ask, Clients, ResponsesSpeaker
from tests.sim.upstream import FakeUpstream

FUNCTION = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
SEALED = {"type": "reasoning", "summary": [], "encrypted_content": seal.seal("responses", "x")}
CALL = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "sunny"}
FORM = {"type": "json_schema", "name": "x", "schema": {"type": "object"}}


def said(text: str, role: str = "user", kind: str = "input_text") -> dict:
    return {"role": role, "content": [{"type": kind, "text": text}]}


REFUSED = {
    "messages": ({"messages": []}, "has moved to 'input'"),
    "max_tokens": ({"max_tokens": 20}, "has moved to 'max_output_tokens'"),
    "format of chat": ({"response_format": {}}, "has moved to 'text.format'"),
    "n": ({"n": 1}, "Unknown parameter: 'n'"),
    "stop": ({"stop": ["x"]}, "Unknown parameter: 'stop'"),
    "seed": ({"seed": 1}, "Unknown parameter: 'seed'"),
    "include_usage": (
        {"stream": True, "stream_options": {"include_usage": True}},
        "stream_options.include_usage",
    ),
    "options without stream": ({"stream_options": {}}, "only allowed when 'stream'"),
    "low cap": ({"max_output_tokens": 15}, "Expected a value >= 16, but got 15"),
    "function of chat": ({"tools": [{"type": "function", "function": {"name": "x"}}]}, "tools[0].name"),
    "tool name": ({"tools": [FUNCTION | {"name": "a.b"}]}, "does not match pattern"),
    "loose strict schema": ({"tools": [FUNCTION | {"strict": True}]}, "additionalProperties"),
    "choice of chat": (
        {"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {}}},
        "tool_choice.name",
    ),
    "choice of nothing": (
        {"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "x"}},
        "not found",
    ),
    "required without tools": ({"tool_choice": "required"}, "must be specified with 'tools'"),
    "nested format": (
        {"text": {"format": {"type": "json_schema", "json_schema": {}}}},
        "text.format.json_schema",
    ),
    "nameless format": ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
    "open strict format": ({"text": {"format": FORM | {"strict": True}}}, "additionalProperties"),
    "json unsaid": ({"text": {"format": {"type": "json_object"}}}, "must contain the word 'json'"),
    "include": ({"include": ["usage"]}, "Invalid value: 'usage'"),
    "background unstored": ({"background": True, "store": False}, "must be stored"),
    "two pasts": ({"conversation": "c", "previous_response_id": "r"}, "Mutually exclusive"),
    "effort unknown": ({"reasoning": {"effort": "minimal"}}, "not supported with the 'gpt-5.2' model"),
    "effort of gpt-4.1": ({"model": "gpt-4.1", "reasoning": {"effort": "low"}}, "Unsupported parameter"),
    "effort of o3": ({"model": "o3", "reasoning": {"effort": "none"}}, "Unsupported value: 'none'"),
    "temperature of o3": ({"model": "o3", "temperature": 0.5}, "Unsupported parameter: 'temperature'"),
    "temperature while reasoning": (
        {"reasoning": {"effort": "low"}, "top_p": 0.5},
        "Unsupported parameter: 'top_p'",
    ),
}
ITEMS_REFUSED = {
    "item type": ([{"type": "tool_result"}], "Invalid value: 'tool_result'"),
    "item field": ([said("a") | {"name": "bob"}], "Unknown parameter: 'input[0].name'"),
    "role": ([said("a", role="tool")], "Invalid value: 'tool'"),
    "part of chat": ([said("a", kind="text")], "Invalid value: 'text'"),
    "input part of assistant": ([said("a", role="assistant")], "'output_text', 'refusal'"),
    "image of chat": (
        [{"role": "user", "content": [{"type": "input_image", "image_url": {"url": "http://x"}}]}],
        "expected an image URL",
    ),
    "arguments as object": ([CALL | {"arguments": {}}, RESULT], "expected a string"),
    "no output": ([CALL], "No tool output found for function call c1"),
    "no call": ([RESULT], "No tool call found for function call output with call_id c1"),
    "foreign item id": ([CALL | {"id": "call_1"}, RESULT], "begins with 'fc'"),
    "reasoning alone": ([said("a"), SEALED], "required following item"),
    "reasoning before a question": ([SEALED, said("a")], "required following item"),
    "foreign seal": ([SEALED | {"encrypted_content": "AAAA"}, CALL, RESULT], "could not be verified"),
    "reasoning of nobody": ([{"type": "reasoning", "summary": []}, CALL, RESULT], "encrypted_content"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_breaches_are_refused(change: dict, message: str) -> None:
    with pytest.raises(strict.Invalid) as refused:
        responses_strict.check({"model": "gpt-5.2", "input": "Hi"} | change)
    assert message in refused.value.message


def check_items(items: list[dict]) -> None:
    found = responses_items.read_input({"input": items}, lambda _: None)
    responses_items.check_history(found, lambda _: None)


@pytest.mark.parametrize(("items", "message"), ITEMS_REFUSED.values(), ids=ITEMS_REFUSED)
def test_wrong_items_are_refused(items: list[dict], message: str) -> None:
    with pytest.raises(strict.Invalid) as refused:
        check_items(items)
    assert message in refused.value.message


def test_legal_requests_pass() -> None:
    call: dict[str, Any] = {
        "model": "gpt-5.2",
        "input": [said("a"), SEALED, CALL, RESULT],
        "tools": [FUNCTION],
    }
    responses_strict.check(call | {"temperature": 0.5, "text": {"format": FORM}, "tool_choice": "required"})
    responses_strict.check(
        call | {"reasoning": {"effort": "xhigh", "summary": "auto"}, "max_output_tokens": 16}
    )
    check_items(call["input"])


@pytest.mark.parametrize(
    "words", ["[think]", "[tools]", "[search]", "[refuse]", "[length]", "[block]", "[long]"]
)
def test_stream_keeps_the_grammar(words: str) -> None:
    call = {"model": "gpt-5.2", "input": words, "tools": [FUNCTION, {"type": "web_search"}]}
    call |= {"reasoning": {"summary": "auto"}}
    items = responses_items.read_input(call, lambda _: None)
    answer = script.answer(responses.facts_of(call, items))
    events = responses.events(call, answer, "1")
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    opened: dict[int, str] = {}
    deltas: dict[int, str] = {}
    for event in events[2:-1]:
        index = event["output_index"]
        match event["type"].removeprefix("response."):
            case "output_item.added":
                assert index == len(opened)
                opened[index] = event["item"]["id"]
            case "output_item.done":
                assert event["item"] == events[-1]["response"]["output"][index]
                assert opened[index] == event["item"]["id"]
            case name:
                assert event["item_id"] == opened[index]
                if name.endswith(".delta"):
                    deltas[index] = deltas.get(index, "") + event["delta"]
                for key in ("text", "refusal", "arguments"):
                    if name.endswith(".done") and key in event:
                        assert event[key] == deltas[index]
    assert len(opened) == len(events[-1]["response"]["output"])


@pytest_asyncio.fixture
async def clients() -> AsyncIterator[Clients]:
    async with FakeUpstream() as upstream:
        found = Clients(upstream.base_url)
        yield found
        await found.close()


async def test_previous_response_carries_the_history(clients: Clients) -> None:
    speaker = ResponsesSpeaker(clients, stored=True)
    ask = Ask(tools=True, think=True)
    assert (await speaker.say("[think] [tool]", ask)).finish == "calls"
    assert (await speaker.give(["sunny"], ask)).text == "The tool said: sunny"
    assert (await speaker.say("[echo] more", ask)).text == "You said: more"


async def test_unstored_responses_are_unknown_later(clients: Clients) -> None:
    api = clients.openai.responses
    reply = await api.create(model="gpt-5.2", input="[think] Hi", store=False)
    with pytest.raises(openai.NotFoundError):
        await api.retrieve(reply.id)
    with pytest.raises(openai.BadRequestError, match="not found"):
        await api.create(model="gpt-5.2", input="Hi", previous_response_id=reply.id)
    output = [item.to_dict() for item in reply.output]
    with pytest.raises(openai.NotFoundError, match="Items are not persisted"):
        await api.create(model="gpt-5.2", input=[said("Hi"), *output, said("go on")], store=False)
    with pytest.raises(openai.NotFoundError, match="Items are not persisted"):
        await api.create(model="gpt-5.2", input=[{"type": "item_reference", "id": output[-1]["id"]}])


async def test_stored_items_belong_together(clients: Clients) -> None:
    api = clients.openai.responses
    tools: Any = [FUNCTION]
    reply = await api.create(model="gpt-5.2", input="[think] [tool]", tools=tools)
    thought, call = (item.to_dict() for item in reply.output)
    result = RESULT | {"call_id": call["call_id"]}
    with pytest.raises(openai.BadRequestError, match="without its required 'reasoning' item"):
        await api.create(model="gpt-5.2", input=[said("[think] [tool]"), call, result], tools=tools)
    again = await api.create(model="gpt-5.2", input=[said("[tool]"), thought, call, result], tools=tools)
    assert again.output_text == "The tool said: sunny"


async def test_stored_response_is_read_listed_and_deleted(clients: Clients) -> None:
    api = clients.openai.responses
    reply = await api.create(model="gpt-5.2", input=[said("one"), said("two")])
    assert (await api.retrieve(reply.id)).output_text == reply.output_text
    page = await api.input_items.list(reply.id, limit=1)
    assert [item.content[0].text for item in page.data] == ["two"]
    assert page.has_more
    rest = [item.content[0].text async for item in page]
    assert rest == ["two", "one"]
    with pytest.raises(openai.BadRequestError, match="synchronous"):
        await api.cancel(reply.id)
    await api.delete(reply.id)
    with pytest.raises(openai.NotFoundError):
        await api.retrieve(reply.id)


async def test_background_response_is_polled_and_cancelled(clients: Clients) -> None:
    api = clients.openai.responses
    reply = await api.create(model="gpt-5.2", input="Hi", background=True)
    assert (reply.status, reply.output) == ("queued", [])
    states = [await api.retrieve(reply.id) for _ in range(2)]
    assert [state.status for state in states] == ["in_progress", "completed"]
    assert states[-1].usage.output_tokens == 12
    other = await api.create(model="gpt-5.2", input="Hi", background=True)
    assert (await api.cancel(other.id)).status == "cancelled"
    assert (await api.retrieve(other.id)).status == "cancelled"


async def test_background_stream_is_taken_up_again(clients: Clients) -> None:
    api = clients.openai.responses
    stream = await api.create(model="gpt-5.2", input="Hi", background=True, stream=True)
    events = [event async for event in stream]
    assert [event.type for event in events[:3]] == [
        "response.created",
        "response.queued",
        "response.in_progress",
    ]
    resumed = await api.retrieve(events[0].response.id, stream=True, starting_after=4)
    assert [event async for event in resumed] == events[5:]


async def test_history_is_compacted(clients: Clients) -> None:
    api = clients.openai.responses
    compacted = await api.compact(model="gpt-5.2", input="A long story")
    items: Any = [*(item.to_dict() for item in compacted.output), said("[echo] go on")]
    assert (await api.create(model="gpt-5.2", input=items)).output_text == "You said: go on"
