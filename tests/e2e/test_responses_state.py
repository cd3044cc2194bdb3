"""State of the Responses dialect through the official SDK, over upstreams of all four dialects. Without this
a conversation would lose its history at some upstream, go to an account that doesn't know it, or be shown to
another tenant."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from tests.e2e import settings
from tests.e2e.harness import Server
from tests.sim.upstream import FakeUpstream

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

MODELS = {
    "openai_chat": "gpt-4o-mini",
    "openai_responses": "gpt-5.2",
    "anthropic_messages": "claude-sonnet-4-5",
    "gemini_generate": "gemini-2.5-flash",
}
CONVERTED = [model for dialect, model in MODELS.items() if dialect != "openai_responses"]
NATIVE = MODELS["openai_responses"]
SHARED = "gpt-5.2-pro"
"""Served by two upstreams that know nothing of each other."""
STATELESS = "deepseek-chat"
"""Behind Responses that keep nothing."""


class Rig:
    """A server of two workers, two upstreams, and clients of two users."""

    def __init__(self, server: Server, one: FakeUpstream, two: FakeUpstream, keys: dict[str, str]) -> None:
        self.server, self.one, self.two = server, one, two
        self.clients = {name: client(server, key) for name, key in keys.items()}
        self.acme, self.rival = self.clients["acme"], self.clients["rival"]

    def asked(self, of: FakeUpstream | None = None) -> str:
        """The body of the last request that an upstream got."""
        return (of or self.one).requests[-1].body.decode()


def client(server: Server, key: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=server.base_url, api_key=key, max_retries=0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    keys = {name: settings.fresh_key() for name in ("acme", "acme-2", "rival")}
    async with FakeUpstream() as one, FakeUpstream() as two:
        parts = [
            settings.group(),
            settings.user("acme"),
            settings.user("rival"),
            settings.key(keys["acme"], "a1"),
            settings.key(keys["acme-2"], "a2"),
            settings.key(keys["rival"], "r1", owner="rival"),
            *(
                settings.channel(one.base_url, [model], f"c-{dialect}", dialects=[dialect])
                for dialect, model in MODELS.items()
            ),
            settings.channel(one.base_url, [SHARED], "shared-1", dialects=["openai_responses"]),
            settings.channel(two.base_url, [SHARED], "shared-2", dialects=["openai_responses"]),
            settings.table(
                "channels",
                name="stateless",
                vendor="deepseek",
                base_url=one.base_url,
                keys=[settings.UPSTREAM_KEY],
                models=[STATELESS],
                dialects=["openai_responses"],
            ),
            *(settings.price(model) for model in [*MODELS.values(), SHARED, STATELESS]),
        ]
        server = Server("\n".join(parts), workers=2)
        try:
            await asyncio.to_thread(server.start)
            rig = Rig(server, one, two, keys)
            yield rig
            for each in rig.clients.values():
                await each.close()
        except BaseException:
            print(server.log_tail())
            raise
        finally:
            await asyncio.to_thread(server.stop)
            server.close()


@pytest.mark.parametrize("model", [*MODELS.values(), STATELESS])
async def test_a_conversation_goes_on_from_its_last_response(rig: Rig, model: str) -> None:
    first = await rig.acme.responses.create(model=model, input="My name is Ada.")
    second = await rig.acme.responses.create(model=model, input="And I count.", previous_response_id=first.id)
    third = await rig.acme.responses.create(
        model=model, input="[echo] Who am I?", previous_response_id=second.id
    )
    if model != STATELESS:  # its upstream says what it was sent
        assert second.previous_response_id == first.id
    assert third.output_text == "You said: Who am I?"
    if model == NATIVE:
        assert json.loads(rig.asked())["previous_response_id"] == second.id
    else:
        asked = rig.asked()
        where = [asked.index(text) for text in ("My name is Ada.", "And I count.", "Who am I?")]
        assert where == sorted(where)
        assert asked.count("word0 word1") == 2, "the answers stand between"


@pytest.mark.parametrize("model", MODELS.values())
async def test_a_streamed_response_is_kept_before_its_end_is_seen(rig: Rig, model: str) -> None:
    id = ""
    async with await rig.acme.responses.create(model=model, input="Stream this.", stream=True) as stream:
        async for event in stream:
            if event.type == "response.completed":
                id = event.response.id
                whole = event.response
    found = await asyncio.gather(*(rig.acme.responses.retrieve(id) for _ in range(8)))
    assert {one.id for one in found} == {id}
    assert found[0].output_text == whole.output_text
    assert found[0].usage == whole.usage


@pytest.mark.parametrize("model", MODELS.values())
async def test_tools_go_on_from_a_kept_call(rig: Rig, model: str) -> None:
    tools: Any = [
        {
            "type": "function",
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
            "strict": False,
        }
    ]
    first = await rig.acme.responses.create(model=model, input="[tool] [think] Weather?", tools=tools)
    call = next(item for item in first.output if item.type == "function_call")
    second = await rig.acme.responses.create(
        model=model,
        tools=tools,
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}],
    )
    assert second.output_text == "The tool said: sunny"


async def test_a_conversation_changes_its_model(rig: Rig) -> None:
    id = None
    for number, model in enumerate([*CONVERTED, NATIVE]):
        asked = {"model": model, "input": f"Turn {number}."}
        answer = await rig.acme.responses.create(**asked, previous_response_id=id or openai.omit)
        id = answer.id
    assert all(f"Turn {number}." in rig.asked() for number in range(4))


@pytest.mark.parametrize("model", [*MODELS.values(), STATELESS])
async def test_a_response_is_shown_listed_and_deleted(rig: Rig, model: str) -> None:
    made = await rig.acme.responses.create(model=model, input="One question.", metadata={"a": "b"})
    second_key = rig.clients["acme-2"]
    found = await second_key.responses.retrieve(made.id)
    assert found.to_dict() == made.to_dict()
    page = await rig.acme.responses.input_items.list(made.id, limit=5, order="asc")
    assert [item.type for item in page.data] == ["message"]
    assert "One question." in str(page.data[0])
    await rig.acme.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError, match="not found"):
        await rig.acme.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError) as refused:
        await rig.acme.responses.create(model=model, input="x", previous_response_id=made.id)
    assert refused.value.code == "previous_response_not_found"
    assert refused.value.param == "previous_response_id"


@pytest.mark.parametrize("model", [NATIVE, CONVERTED[0]])
async def test_another_tenant_sees_nothing_of_it(rig: Rig, model: str) -> None:
    made = await rig.acme.responses.create(model=model, input="Secret plans.")
    before = len(rig.one.requests)
    for look in (
        rig.rival.responses.retrieve(made.id),
        rig.rival.responses.delete(made.id),
        rig.rival.responses.cancel(made.id),
        rig.rival.responses.input_items.list(made.id),
    ):
        with pytest.raises(openai.NotFoundError):
            await look
    with pytest.raises(openai.BadRequestError) as refused:
        await rig.rival.responses.create(model=model, input="x", previous_response_id=made.id)
    assert refused.value.code == "previous_response_not_found"
    assert len(rig.one.requests) == before, "no upstream was asked"
    assert (await rig.acme.responses.retrieve(made.id)).id == made.id


async def test_a_native_response_stays_with_the_upstream_that_made_it(rig: Rig) -> None:
    for _ in range(6):
        before = len(rig.one.requests)
        made = await rig.acme.responses.create(model=SHARED, input="Hello.")
        owner = rig.one if len(rig.one.requests) > before else rig.two
        other = rig.two if owner is rig.one else rig.one
        before = len(other.requests)
        following = await rig.acme.responses.create(model=SHARED, input="On.", previous_response_id=made.id)
        assert json.loads(rig.asked(owner))["previous_response_id"] == made.id
        assert (await rig.acme.responses.retrieve(following.id)).id == following.id
        await rig.acme.responses.delete(following.id)
        assert following.id not in owner.stored.responses
        assert len(other.requests) == before


async def test_what_is_not_to_be_stored_is_not(rig: Rig) -> None:
    made = await rig.acme.responses.create(model=CONVERTED[0], input="Forget this.", store=False)
    with pytest.raises(openai.NotFoundError):
        await rig.acme.responses.retrieve(made.id)


async def test_a_kept_response_is_replayed_from_any_event_on(rig: Rig) -> None:
    made = await rig.acme.responses.create(model=CONVERTED[0], input="Replay this.")
    whole = [event async for event in await rig.acme.responses.retrieve(made.id, stream=True)]
    assert [event.sequence_number for event in whole] == list(range(len(whole)))
    assert whole[0].type == "response.created"
    assert whole[-1].type == "response.completed"
    rest = [
        event async for event in await rig.acme.responses.retrieve(made.id, stream=True, starting_after=3)
    ]
    assert [event.to_dict() for event in rest] == [event.to_dict() for event in whole[4:]]


async def test_a_native_response_is_replayed_by_its_upstream(rig: Rig) -> None:
    made = await rig.acme.responses.create(model=NATIVE, input="Replay this.")
    rest = [
        event async for event in await rig.acme.responses.retrieve(made.id, stream=True, starting_after=3)
    ]
    assert rest[0].sequence_number == 4
    assert "starting_after=3" in rig.one.requests[-1].path


async def test_an_item_is_referred_to_by_its_id(rig: Rig) -> None:
    made = await rig.acme.responses.create(model=CONVERTED[0], input="Remember.")
    reference: Any = [
        {"type": "item_reference", "id": made.output[0].id},
        {"role": "user", "content": "[echo] What was it?"},
    ]
    answer = await rig.acme.responses.create(model=CONVERTED[1], input=reference)
    assert answer.output_text == "You said: What was it?"
    assert "word0 word1" in rig.asked()
    with pytest.raises(openai.PermissionDeniedError, match="was not made"):
        await rig.rival.responses.create(model=CONVERTED[1], input=reference)


async def test_things_in_the_upstreams_account_are_named_by_their_user_alone(rig: Rig) -> None:
    """Whole and streamed; nobody else's call reaches the upstream with them."""
    whole = await rig.acme.responses.create(model=NATIVE, input="Remember.")
    stream = await rig.acme.responses.create(model=NATIVE, input="Remember.", stream=True)
    events = [event async for event in stream]
    for made in (whole, events[-1].response):  # type: ignore[union-attr]
        reference: Any = [
            {"type": "item_reference", "id": made.output[0].id},
            {"role": "user", "content": "What was it?"},
        ]
        answer = await rig.acme.responses.create(model=NATIVE, input=reference)
        assert answer.status == "completed"
        assert "item_reference" in str(rig.one.requests[-1].json)
        count = len(rig.one.requests)
        for more in ({"input": reference}, {"input": "x", "conversation": "conv_1"}):
            with pytest.raises(openai.PermissionDeniedError, match="was not made") as refused:
                await rig.rival.responses.create(model=NATIVE, **more)
            assert refused.value.code == "object_not_found"
        assert len(rig.one.requests) == count


async def test_input_tokens_are_counted_with_the_history(rig: Rig) -> None:
    for model in (NATIVE, CONVERTED[0]):
        made = await rig.acme.responses.create(model=model, input="Some words to be counted. " * 20)
        short = await rig.acme.responses.input_tokens.count(model=model, input="Hi")
        long = await rig.acme.responses.input_tokens.count(
            model=model, input="Hi", previous_response_id=made.id
        )
        assert long.input_tokens > short.input_tokens + 50


async def test_compaction_is_passed_on_and_billed_or_refused(rig: Rig) -> None:
    raw = await rig.acme.responses.with_raw_response.compact(model=NATIVE, input="A long talk.")
    assert raw.parse().output[0].type == "compaction"
    id = raw.headers["x-request-id"]
    record = (await asyncio.to_thread(rig.server.usage_with, {id}))[id]
    assert record["charge_nanos"] > 0
    with pytest.raises(openai.BadRequestError, match="not available for the model"):
        await rig.acme.responses.compact(model=CONVERTED[0], input="A long talk.")


async def test_conversations_are_refused_where_they_mean_nothing(rig: Rig) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await rig.acme.responses.create(model=CONVERTED[0], input="x", conversation="conv_1")
    assert refused.value.param == "conversation"
