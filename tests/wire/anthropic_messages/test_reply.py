"""Without this a whole reply that passes through could be billed wrongly, or an error taken for an answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.anthropic_messages.vectors import ANSWER, head

from switchgear.kernel.usage import Usage
from switchgear.wire.anthropic_messages.passing.reply import read_reply
from switchgear.wire.anthropic_messages.to_client.whole import write_reply
from switchgear.wire.anthropic_messages.usage import read_usage, usage_object

ANSWERED = write_reply(ANSWER, head())


def test_the_body_passes_untouched_and_its_usage_is_read() -> None:
    reply = read_reply("anthropic_messages", ANSWERED)
    assert reply.body is ANSWERED
    assert reply.usage == Usage(input_uncached=30, cache_read=100, output_text=24)
    assert reply.error is None
    assert not reply.empty
    assert reply.text() == 'Need weather.Looking.get_weather{"city":"Rome"}'


@pytest.mark.parametrize(
    ("found", "empty"),
    [
        ({"content": [], "stop_reason": None}, True),
        ({"stop_reason": "end_turn"}, True),
        ({"content": [], "stop_reason": "refusal"}, False),
        ({"content": [], "stop_reason": "max_tokens"}, False),
    ],
)
def test_an_answer_of_nothing(found: dict[str, Any], empty: bool) -> None:
    reply = read_reply("anthropic_messages", json.dumps({"type": "message", **found}).encode())
    assert reply.empty == empty
    assert reply.error is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}',
        b'{"error":"m"}',
        b"<html>",
        b"[]",
        b'"x"',
        b"",
    ],
)
def test_an_error_is_no_answer(body: bytes) -> None:
    assert read_reply("anthropic_messages", body).error is not None


def test_a_count_of_tokens_is_no_usage() -> None:
    reply = read_reply("anthropic_count_tokens", b'{"input_tokens":14}')
    assert (reply.error, reply.usage, reply.empty) == (None, None, False)
    assert read_reply("anthropic_count_tokens", b'{"error":{"message":"m"}}').error is not None


@given(st.binary(max_size=80))
def test_random_bytes_never_raise(body: bytes) -> None:
    for operation in ("anthropic_messages", "anthropic_count_tokens"):
        read_reply(operation, body).text()  # type: ignore[arg-type]


@given(st.tuples(*[st.integers(0, 10_000)] * 6))
def test_usage_survives_the_way_out_and_in(counts: tuple[int, int, int, int, int, int]) -> None:
    uncached, read, short, long, text, reasoning = counts
    usage = Usage(uncached, read, short, long, output_text=text, reasoning=reasoning)
    again = read_usage(json.dumps(usage_object(usage)).encode())
    assert again == (usage if usage.tokens_total else None)


@pytest.mark.parametrize(
    "found",
    [
        {"input_tokens": -5, "output_tokens": 3},
        {"input_tokens": None, "output_tokens": 3},
        {"input_tokens": True, "output_tokens": 3.0},
        {"output_tokens": 3, "cache_creation": 7, "server_tool_use": []},
    ],
)
def test_absurd_counts_are_cut(found: dict[str, Any]) -> None:
    assert read_usage(json.dumps(found).encode()) == Usage(output_text=3)
