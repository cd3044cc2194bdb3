"""Without this clients of this dialect could get a stream that their SDK refuses, a call without its
arguments, a count of zero, or reasoning that they can't send back."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.wire.anthropic_messages.vectors import (
    ANSWER,
    USAGE,
    content_of,
    head,
    message_of,
    stream_of,
)

from switchgear.kernel.errors import UPSTREAM_CUT, ApiError
from switchgear.wire.anthropic_messages.to_client.whole import write_reply
from switchgear.wire.anthropic_messages.to_client.writer import Writer
from switchgear.wire.framing.splice import NULL
from switchgear.wire.neutral.events import (
    Choice,
    Cite,
    End,
    Event,
    Finish,
    Hosted,
    ImageOut,
    ReasoningDelta,
    Redacted,
    RefusalDelta,
    Signature,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.neutral.request import Citation, HostedTool, Opaque, Request, Text, Thinking, Turn

STREAMS = Path(__file__).parent / "golden" / "streams"
EXAMPLE = (STREAMS / "example.sse").read_bytes()
TURNS = (Turn("user", (Text("hi"),)),)
THINKING = head(Request(TURNS, thinking=Thinking(effort="high")))


def test_the_example_of_all_dialects() -> None:
    """The same answer as the recorded stream, event for event; ``<name>.client`` is written anew under
    RECORD_GOLDEN=1."""
    found = stream_of(ANSWER)
    if os.environ.get("RECORD_GOLDEN"):
        (STREAMS / "example.client").write_bytes(found)
    assert found == (STREAMS / "example.client").read_bytes()
    written = [json.loads(line[6:]) for line in found.decode().splitlines() if line.startswith("data: ")]
    sent = [json.loads(line[6:]) for line in EXAMPLE.decode().splitlines() if line.startswith("data: ")]
    assert len(written) == len(sent)
    for ours, theirs in zip(written[1:-2], sent[1:-2], strict=True):
        assert ours == theirs
    assert {**written[-2]["usage"], **sent[-2]["usage"]} == written[-2]["usage"]


def test_message_start_has_an_estimate_of_the_input_and_the_end_the_true_count() -> None:
    first, *rest = stream_of(ANSWER).split(b"\n\n")
    usage = json.loads(first.split(b"data: ")[1])["message"]["usage"]
    assert usage["input_tokens"] == 130
    end = next(json.loads(raw.split(b"data: ")[1]) for raw in rest if b"message_delta" in raw)
    assert (end["usage"]["input_tokens"], end["usage"]["cache_read_input_tokens"]) == (30, 100)
    assert end["usage"]["output_tokens"] == 24


def test_usage_that_comes_after_the_finish_is_told() -> None:
    events: list[Event] = [Start(), TextDelta("x"), Finish("stop"), UsageSeen(USAGE), End()]
    assert message_of(events)["usage"]["output_tokens"] == 24


def test_nothing_is_held_back_before_the_finish() -> None:
    writer = Writer(head())
    assert b"message_start" in writer.feed([Start()])
    assert b'"text":"a"' in writer.feed([TextDelta("a")])
    assert b'"text":"b"' in writer.feed([TextDelta("b")])
    ended = writer.feed([Finish("stop"), End()])
    assert b"message_delta" not in ended
    assert b"message_stop" not in ended
    assert writer.closing().count(b"event: ") == 2


def test_a_stream_without_any_content_is_legal() -> None:
    assert content_of([Start(), Finish("stop"), End()]) == []
    assert message_of([Start(), Finish("content_filter", message="No."), End()])["stop_reason"] == "refusal"


def test_empty_deltas_open_no_block_and_close_none() -> None:
    events: list[Event] = [
        TextDelta(""),
        ReasoningDelta(""),
        ToolStart(0, "c", "f"),
        ToolDelta(0, ""),
        ToolDelta(0, '{"a":'),
        TextDelta(""),
        ToolDelta(0, "1}"),
        ToolEnd(0),
        Finish("tool_calls"),
    ]
    assert content_of(events) == [{"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}]


def test_arguments_that_come_interleaved_stay_with_their_calls() -> None:
    events: list[Event] = [
        ToolStart(0, "c0", "f"),
        ToolStart(1, "c1", "g"),
        ToolDelta(1, '{"b"'),
        ToolDelta(0, '{"a":1}'),
        TextDelta("after"),
        ToolDelta(1, ":2}"),
        ToolStart(2, "c2", "h"),
        ToolEnd(0),
        ToolEnd(1),
        ToolEnd(2),
        Finish("tool_calls"),
    ]
    content = content_of(events)
    assert [block.get("input", block.get("text")) for block in content] == [{"a": 1}, {"b": 2}, "after", {}]


def test_calls_that_are_never_ended_are_complete_at_the_finish() -> None:
    events: list[Event] = [
        ToolStart(0, "c0", "f"),
        ToolStart(1, "c1", "g"),
        ToolDelta(1, '{"b":2}'),
        ToolDelta(0, '{"a":1}'),
        Finish("tool_calls"),
    ]
    assert [block["input"] for block in content_of(events)] == [{"a": 1}, {"b": 2}]


def test_text_after_a_call_is_a_block_of_its_own() -> None:
    events: list[Event] = [
        TextDelta("a"),
        ToolStart(0, "c", "f"),
        ToolEnd(0),
        TextDelta("b"),
        Finish("stop"),
    ]
    assert [block["type"] for block in content_of(events)] == ["text", "tool_use", "text"]
    assert message_of(events)["stop_reason"] == "tool_use"


def test_ids_that_the_dialect_forbids_are_changed_the_same_way_each_time() -> None:
    events: list[Event] = [ToolStart(0, "functions.Bash:0", "Bash"), ToolEnd(0), Finish("tool_calls")]
    first, second = content_of(events)[0]["id"], content_of(events)[0]["id"]
    assert first == second
    assert all(letter.isalnum() or letter in "_-" for letter in first)
    without: list[Event] = [ToolStart(0, "", "a"), ToolEnd(0), ToolStart(1, "", "b"), ToolEnd(1)]
    ids = [block["id"] for block in content_of([*without, Finish("tool_calls")])]
    assert len(set(ids)) == 2


def test_arguments_that_are_no_object_never_lose_the_call() -> None:
    events: list[Event] = [ToolStart(0, "c", "f"), ToolDelta(0, "{broken"), ToolEnd(0), Finish("tool_calls")]
    (block,) = json.loads(write_reply(events, head()))["content"]
    assert block["input"] == {"_raw": "{broken"}


def test_signatures_of_others_are_sealed_and_anthropics_own_are_not() -> None:
    def signature(origin: str) -> Any:
        events: list[Event] = [
            ReasoningDelta("Hm"),
            Signature(Opaque(origin, "signature", "SIG")),
            TextDelta("x"),
            Finish("stop"),
        ]
        return content_of(events)[0]["signature"]

    assert signature("anthropic") == "SIG"
    assert signature("google") == "relay1.google.signature.SIG"


def test_reasoning_that_nobody_signed_has_a_signature_all_the_same() -> None:
    """Clients drop thinking without one, and the next turn then lacks it."""
    block, _ = content_of([ReasoningDelta("Hm"), TextDelta("x"), Finish("stop")])
    assert block["thinking"] == "Hm"
    assert block["signature"].startswith("relay1.")


def test_a_signature_without_reasoning_is_kept_in_a_block_of_its_own() -> None:
    token = Opaque("google", "signature", "SIG")
    for events in (
        [Signature(token), ToolStart(0, "c", "f"), ToolEnd(0), Finish("tool_calls")],
        [ToolStart(0, "c", "f", opaque=token), ToolEnd(0), Finish("tool_calls")],
    ):
        thinking, call = content_of(events, THINKING)  # type: ignore[arg-type]
        assert thinking == {
            "type": "thinking",
            "thinking": "",
            "signature": "relay1.google.signature.SIG",
        }
        assert call["type"] == "tool_use"


def test_encrypted_reasoning_is_a_redacted_block_before_the_call() -> None:
    events: list[Event] = [
        Redacted(Opaque("openai:main", "encrypted", "ENC")),
        ToolStart(0, "c", "f"),
        ToolEnd(0),
        Finish("tool_calls"),
    ]
    assert content_of(events, THINKING)[0] == {
        "type": "redacted_thinking",
        "data": "relay1.openai:main.encrypted.ENC",
    }


def test_a_client_that_did_not_ask_for_thinking_gets_no_blocks_without_a_text() -> None:
    """Such clients show them, or take the first block for the text. See ``wire.thoughts`` for the tokens."""
    token = Opaque("google", "signature", "SIG")
    for events in (
        [ToolStart(0, "c", "f", opaque=token), ToolEnd(0), Finish("tool_calls")],
        [Redacted(token), ToolStart(0, "c", "f"), ToolEnd(0), Finish("tool_calls")],
        [Signature(token), TextDelta("x"), Finish("stop")],
    ):
        (block,) = content_of(events)  # type: ignore[arg-type]
        assert block["type"] in ("tool_use", "text")


def test_the_signature_of_a_text_stands_behind_it_unless_it_would_be_the_last_block() -> None:
    token = Opaque("google", "signature", "SIG")
    signed: list[Event] = [TextDelta("a"), Signature(token, "text"), TextDelta("b")]
    call: list[Event] = [ToolStart(0, "c", "f", opaque=token), ToolEnd(0), Finish("tool_calls")]
    text, *bare, used = content_of([*signed, *call], THINKING)
    assert (text["text"], used["type"]) == ("ab", "tool_use")
    own = "relay1.google.signature.SIG"
    assert [block["signature"] for block in bare] == ["relay1.google.text_signature.SIG", own]
    # Clients take the last block for the answer, and those that asked for no thinking know no such block.
    assert [block["type"] for block in content_of([*signed, Finish("stop")], THINKING)] == ["text"]
    assert [block["type"] for block in content_of([*signed, *call])] == ["text", "tool_use"]


def test_a_client_that_switched_thinking_off_sees_none() -> None:
    off = head(Request(TURNS, thinking=Thinking(effort="none")))
    events: list[Event] = [ReasoningDelta("Hm"), Signature(Opaque("x", "signature", "s")), TextDelta("x")]
    assert [block["type"] for block in content_of([*events, Finish("stop")], off)] == ["text"]


def test_thinking_that_is_to_be_omitted_keeps_its_signature() -> None:
    omitted = head(Request(TURNS, thinking=Thinking(effort="high", show=False)))
    events: list[Event] = [ReasoningDelta("Hm"), Signature(Opaque("anthropic", "signature", "SIG"))]
    (block,) = content_of([*events, Finish("stop")], omitted)
    assert block == {"type": "thinking", "thinking": "", "signature": "SIG"}


def test_a_search_is_shown_to_clients_that_declared_one() -> None:
    tool = HostedTool("web_search", "anthropic_messages", NULL, type="web_search_20250305")
    source = Citation("https://example.org/a", "A", 0, 4, "18 C")
    events: list[Event] = [
        Hosted("openai_responses", "web_search", NULL, ("rome",), (source,), id="ws_1"),
        TextDelta("18 C"),
        Cite(source),
        Finish("stop"),
    ]
    assert [block["type"] for block in content_of(events)] == ["text"]
    use, result, text = content_of(events, head(Request(TURNS, tools=(tool,))))
    assert use["input"] == {"query": "rome"}
    assert result["tool_use_id"] == use["id"]
    assert result["content"][0]["url"] == "https://example.org/a"
    assert text["citations"][0]["cited_text"] == "18 C"


def test_refusals_and_pictures_are_text() -> None:
    events: list[Event] = [RefusalDelta("No. "), ImageOut("QUJD", "image/png"), Finish("stop")]
    assert content_of(events)[0]["text"] == "No. ![image](data:image/png;base64,QUJD)"


def test_only_the_first_answer_is_told() -> None:
    events: list[Event] = [
        TextDelta("a"),
        Choice(1),
        TextDelta("b"),
        Finish("length"),
        Choice(0),
        Finish("stop"),
    ]
    found = message_of(events)
    assert (found["content"][0]["text"], found["stop_reason"]) == ("a", "end_turn")


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("stop", "end_turn"),
        ("stop_sequence", "stop_sequence"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "refusal"),
        ("pause", "pause_turn"),
    ],
)
def test_stop_reasons(reason: Any, word: str) -> None:
    assert message_of([TextDelta("x"), Finish(reason, "END")])["stop_reason"] == word


def test_length_with_a_partial_call_stays_length() -> None:
    events: list[Event] = [ToolStart(0, "c", "f"), ToolDelta(0, "{}"), ToolEnd(0), Finish("length")]
    assert message_of(events)["stop_reason"] == "max_tokens"


def test_an_error_is_an_event_of_its_own_kind() -> None:
    found = Writer(head()).error_frame(ApiError(UPSTREAM_CUT, "It broke."), "r1")
    assert found.startswith(b"event: error\ndata: ")
    event = json.loads(found.split(b"data: ")[1])
    assert event == {
        "type": "error",
        "error": {"type": "api_error", "message": "It broke."},
        "request_id": "req_r1",
    }
