"""Without this an answer could keep to our reading of the dialect and still be one that the official SDK
can't put together, or whose errors it raises as another type."""

import json
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2 as httpx
import pytest
from tests.wire.anthropic_messages.vectors import ANSWER, head

from switchgear.kernel import errors
from switchgear.kernel.errors import ApiError
from switchgear.wire.anthropic_messages.dialect import AnthropicMessages
from switchgear.wire.anthropic_messages.to_client.whole import write_reply
from switchgear.wire.anthropic_messages.to_client.writer import Writer
from switchgear.wire.call import Call
from switchgear.wire.neutral.events import Event
from switchgear.wire.neutral.model_card import ModelCard

DIALECT = AnthropicMessages()
ASK: dict[str, Any] = {"model": "m1", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}


def client(answer: Callable[[httpx.Request], httpx.Response]) -> anthropic.Anthropic:
    transport = httpx.MockTransport(answer)
    return anthropic.Anthropic(
        api_key="x", base_url="http://relay", http_client=httpx.Client(transport=transport), max_retries=0
    )


def streamed(events: list[Event]) -> bytes:
    writer = Writer(head())
    ping = DIALECT.heartbeat(Call("anthropic_messages", "anthropic_messages", {}, "m1"), "7", 0)
    frames = [ping, writer.feed(events[:1]), ping, writer.feed(events[1:])]
    return b"".join(frames) + writer.closing()


def test_a_stream_is_put_together_again() -> None:
    body = streamed(ANSWER)
    with client(
        lambda request: httpx.Response(200, headers={"content-type": DIALECT.stream_type}, content=body)
    ).messages.stream(**ASK) as stream:
        message = stream.get_final_message()
    thinking, text, call = message.content
    assert (thinking.type, thinking.thinking, thinking.signature) == ("thinking", "Need weather.", "SIG")
    assert (text.type, text.text) == ("text", "Looking.")
    assert (call.type, call.name, call.input) == ("tool_use", "get_weather", {"city": "Rome"})
    assert message.stop_reason == "tool_use"
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (30, 100)
    assert message.usage.output_tokens == 24


def test_a_whole_reply_is_the_same_message() -> None:
    body = write_reply(ANSWER, head())
    message = client(lambda request: httpx.Response(200, content=body, headers=JSON)).messages.create(**ASK)
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
    assert message.usage.output_tokens == 24


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (errors.INVALID_VALUE, anthropic.BadRequestError),
        (errors.BAD_KEY, anthropic.AuthenticationError),
        (errors.MODEL_NOT_ALLOWED, anthropic.PermissionDeniedError),
        (errors.MODEL_UNKNOWN, anthropic.NotFoundError),
        (errors.RATE_REQUESTS, anthropic.RateLimitError),
        (errors.INTERNAL, anthropic.InternalServerError),
    ],
)
def test_errors_are_raised_as_the_sdks_own_types(row: errors.ErrorRow, kind: type[Exception]) -> None:
    status, headers, body = DIALECT.render_error(ApiError(row, "Something."), "r1")
    with pytest.raises(kind) as caught:
        client(lambda request: httpx.Response(status, headers=headers, content=body)).messages.create(**ASK)
    assert isinstance(caught.value, anthropic.APIStatusError)
    assert caught.value.request_id == "req_r1"


def test_an_error_in_the_stream_is_raised() -> None:
    body = Writer(head()).feed(ANSWER[:4]) + DIALECT.render_stream_error(
        ApiError(errors.UPSTREAM_CUT, "It broke."), "r1"
    )
    answer = httpx.Response(200, headers={"content-type": DIALECT.stream_type}, content=body)
    with (
        pytest.raises(anthropic.APIStatusError),
        client(lambda request: answer).messages.stream(**ASK) as stream,
    ):
        stream.until_done()


def test_the_model_list_is_paged_to_its_end() -> None:
    cards = [ModelCard(f"m{at}", 1_700_000_000) for at in range(7)]

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, headers=JSON, content=DIALECT.render_models(cards, dict(request.url.params))
        )

    found = [model.id for model in client(answer).models.list(limit=3)]
    assert found == [card.id for card in cards]


def test_a_count_of_tokens() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert "max_tokens" not in json.loads(request.content)
        return httpx.Response(200, headers=JSON, content=DIALECT.render_count(14))

    count = client(answer).messages.count_tokens(model="m1", messages=ASK["messages"])
    assert count.input_tokens == 14
