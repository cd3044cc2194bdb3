"""Without this a client that asks for plain completions could get a conversation's answer, or lose its log
probabilities, its finishes or its usage."""

import json

import msgspec
from tests.wire.openai_chat.vectors import USAGE, chunks_of, head

from switchgear.wire.neutral.events import (
    Choice,
    End,
    Event,
    Finish,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.openai_chat.to_client.completion import CompletionWriter, write_completion

ONE_CALL: list[Event] = [
    Start(),
    ToolStart(0, "a", "f"),
    ToolDelta(0, '{"x":1}'),
    ToolEnd(0),
    Finish("tool_calls"),
    End(),
]


def test_plain_completions_show_text_only() -> None:
    events: list[Event] = [
        Start(),
        ReasoningDelta("Hm."),
        TextDelta("A"),
        TextDelta("B"),
        UsageSeen(USAGE),
        Finish("stop"),
        End(),
    ]
    whole = json.loads(write_completion(events, head()))
    assert (whole["id"], whole["object"]) == ("cmpl-7", "text_completion")
    assert whole["choices"] == [{"text": "AB", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert whole["usage"]["total_tokens"] == 154
    writer = CompletionWriter(head(include_usage=True))
    first = writer.feed(events)
    chunks = chunks_of(first + writer.closing())
    assert first.count(b"data: ") == 2
    assert [chunk["choices"][0]["text"] for chunk in chunks[:-1]] == ["A", "B", ""]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None, None, "stop"]
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * 3
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["total_tokens"]) == ([], 154)


def test_plain_completions_have_log_probabilities_side_by_side() -> None:
    def piece(*tokens: str) -> TextDelta:
        listed = [
            {"token": t, "logprob": -1.0, "top_logprobs": [{"token": "z", "logprob": -2.0}]} for t in tokens
        ]
        return TextDelta("".join(tokens), msgspec.Raw(json.dumps(listed).encode()))

    events: list[Event] = [piece("A", "B"), piece("C"), Finish("stop"), End()]
    expected = {
        "tokens": ["A", "B", "C"],
        "token_logprobs": [-1.0] * 3,
        "top_logprobs": [{"z": -2.0}] * 3,
        "text_offset": [0, 1, 2],
    }
    assert json.loads(write_completion(events, head()))["choices"][0]["logprobs"] == expected
    writer = CompletionWriter(head())
    chunks = chunks_of(writer.feed(events) + writer.closing())
    assert [chunk["choices"][0]["logprobs"] for chunk in chunks[1:]] == [
        {key: values[2:] for key, values in expected.items()},
        None,
    ]


def test_plain_completions_know_no_calls_and_no_other_finishes() -> None:
    events: list[Event] = [*ONE_CALL[:-2], Choice(1), TextDelta("B"), Finish("length"), Choice(0)]
    found = json.loads(write_completion([*events, Finish("tool_calls")], head()))["choices"]
    assert [(c["text"], c["finish_reason"]) for c in found] == [("", "stop"), ("B", "length")]
