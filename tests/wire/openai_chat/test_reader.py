"""Without this an answer of an upstream of this dialect, or of one of the many that nearly speak it, could
reach clients of others torn, doubled, with its calls mixed up, shown as complete when it was cut, or billed
wrongly."""

import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.openai_chat.answers import (
    ANSWERS,
    calls_in,
    frame,
    read,
    read_sample,
    said,
    sample,
    shown,
)
from tests.wire.openai_chat.vectors import ANSWER, head

from switchgear.wire.convert.bridge import sign
from switchgear.wire.dialects import DIALECT_OF
from switchgear.wire.neutral.events import (
    End,
    Fault,
    Finish,
    ReasoningDelta,
    Redacted,
    RefusalDelta,
    Signature,
    TextDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.openai_chat.from_upstream.reader import read_events
from switchgear.wire.openai_chat.to_client.completion import write_completion

NAMES = sorted(path.stem for path in ANSWERS.glob("*.sse"))
FAILING = {"openrouter_error", "finish_network_error", "error_object"}


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    """``<name>.events`` is what is read. Written anew under RECORD_GOLDEN=1."""
    text = shown(read_sample(name))
    if os.environ.get("RECORD_GOLDEN"):
        (ANSWERS / f"{name}.events").write_text(text)
    assert text == (ANSWERS / f"{name}.events").read_text()


def test_the_example_of_all_dialects() -> None:
    events = read_sample("example")
    for event in events:
        if isinstance(event, Signature):
            sign(event, "anthropic")
    assert events == ANSWER


@pytest.mark.parametrize("name", NAMES)
def test_every_split_point_gives_the_same_events(name: str) -> None:
    stream = sample(name)
    whole = shown(read([stream]))
    for at in range(1, len(stream)):
        assert shown(read([stream[:at], stream[at:]])) == whole
    assert shown(read([bytes([byte]) for byte in stream])) == whole
    assert shown(read([stream.replace(b"\n", b"\r\n").replace(b"data: ", b"data:")])) == whole


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FAILING])
def test_a_cut_is_truncated_or_complete_and_never_both(name: str) -> None:
    stream = sample(name)
    finish_at = stream.find(b'"finish_reason":"')
    marker_at = stream.find(b"data: [DONE]") % (len(stream) + 1)
    for at in range(len(stream)):
        events = read([stream[:at]])
        assert [event for event in events if isinstance(event, End | Fault)] == events[-1:]
        last = events[-1]
        if isinstance(last, Fault):
            assert last.truncated
        else:
            assert at > min(finish_at, marker_at)


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_random_bytes_never_raise(chunks: list[bytes]) -> None:
    events = read(chunks)
    assert isinstance(events[-1], End | Fault)
    assert isinstance(read_events(b"".join(chunks))[-1], End | Fault)


ODD = st.sampled_from(
    [None, True, 0, -1, 2**70, 1e300, 1.5, "", "x", "stop", [], [1], {}, {"a": 1}, [{"type": "text"}]]
)
INNER = (
    "content reasoning reasoning_details tool_calls function_call function custom name arguments id index "
    "text signature audio annotations images url_citation image_url extra_content "
    "google thought_signature usage"
)
odd_values = st.recursive(
    ODD,
    lambda inner: (
        st.dictionaries(st.sampled_from(INNER.split()), inner, max_size=4) | st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)
odd_deltas = st.dictionaries(st.sampled_from(INNER.split()), odd_values, max_size=5)
odd_chunks = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(
            st.fixed_dictionaries(
                {"delta": odd_deltas},
                optional=dict.fromkeys(("index", "finish_reason", "logprobs", "usage", "text"), odd_values),
            ),
            max_size=2,
        )
        | ODD,
        "usage": odd_values,
        "error": ODD,
        "id": ODD,
    },
)


@given(st.lists(odd_chunks, max_size=4))
@settings(deadline=None)
def test_parts_of_any_type_never_raise(found: list[dict[str, Any]]) -> None:
    events = read([frame(chunk) for chunk in found])
    assert sum(isinstance(event, End | Fault) for event in events) == 1
    starts = [event.key for event in events if isinstance(event, ToolStart)]
    ends = [event.key for event in events if isinstance(event, ToolEnd)]
    if isinstance(events[-1], End):
        assert sorted(starts) == sorted(ends)
    whole = read_events(json.dumps(found[0] if found else {}).replace('"delta"', '"message"').encode())
    assert isinstance(whole[-1], End | Fault)
    for answer in (events, whole):
        if isinstance(answer[-1], End):
            for dialect in DIALECT_OF.values():
                writer = dialect.writer(head())
                assert writer.feed(answer) + writer.closing()
                assert dialect.write_reply(answer, head())
            assert write_completion(answer, head())


plain_deltas = st.fixed_dictionaries(
    {},
    optional={
        "content": st.none() | st.sampled_from(["", "a", "<think>", "</think>", "\n", "é 🙂"]),
        "reasoning_content": st.none() | st.sampled_from(["", "r"]),
        "role": st.just("assistant"),
        "tool_calls": st.none() | st.just([{"index": 0, "id": "a", "function": {"name": "f"}}]),
        "reasoning_details": st.just([{"type": "reasoning.text", "text": "d"}]),
    },
)
plain_chunks = st.builds(
    lambda delta, index, finish: {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]},
    plain_deltas,
    st.sampled_from([0, 0, 1, 2**40]),
    st.sampled_from([None, None, "", "stop"]),
)


@given(st.lists(plain_chunks, max_size=6))
def test_the_short_way_through_a_plain_frame_leads_to_the_same_events(found: list[dict[str, Any]]) -> None:
    short = read([frame(chunk) for chunk in found])
    for chunk in found:
        chunk["choices"][0]["delta"]["novel"] = None
    assert shown(short) == shown(read([frame(chunk) for chunk in found]))


def whole_reply(stream: bytes) -> bytes:
    """The reply of a stream as a host sends it whole, put together without our code."""
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    for line in stream.decode().splitlines():
        if not line.startswith("data: {"):
            continue
        chunk = json.loads(line[6:])
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices") or ():
            whole = choices.setdefault(choice["index"], {"index": choice["index"], "message": {}})
            whole["finish_reason"] = choice["finish_reason"] or whole.get("finish_reason")
            usage = choice.get("usage") or usage
            if tokens := (choice.get("logprobs") or {}).get("content"):
                whole.setdefault("logprobs", {"content": []})["content"] += tokens
            _merge(whole["message"], choice["delta"])
    reply = {"id": "chatcmpl-7", "model": "m1", "choices": list(choices.values()), "usage": usage}
    return json.dumps(reply).encode()


TEXTS = frozenset(("content", "reasoning_content", "arguments", "input", "refusal", "data", "transcript"))


def _merge(into: dict[str, Any], piece: dict[str, Any]) -> None:
    for key, value in piece.items():
        if key == "tool_calls":
            for call in value:
                calls = into.setdefault(key, {})
                _merge(calls.setdefault(call["index"], {}), call)
        elif isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        elif isinstance(value, list) and isinstance(into.get(key), list):
            into[key] += value
        elif isinstance(value, str) and key in TEXTS:
            into[key] = (into.get(key) or "") + value
        elif value is not None:
            into[key] = value


WHOLE = ("example", "parallel_calls_interleaved", "custom_call", "legacy_function", "refusal", "audio",
         "two_answers_with_logprobs", "kimi_usage_in_the_choice", "citations_and_images", "google_signatures",
         "stepfun_reasoning", "think_tags")  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_reply_says_the_same_as_its_stream(name: str) -> None:
    found = json.loads(whole_reply(sample(name)))
    for choice in found["choices"]:
        if calls := choice["message"].get("tool_calls"):
            choice["message"]["tool_calls"] = [
                {key: value for key, value in call.items() if key != "index"} for call in calls.values()
            ]
    from_reply, from_stream = read_events(json.dumps(found).encode()), read_sample(name)
    assert calls_in(from_reply) == calls_in(from_stream)
    for kind in (TextDelta, ReasoningDelta, RefusalDelta):
        assert said(from_reply, kind) == said(from_stream, kind)
    rest = (UsageSeen, Finish, Signature, Redacted)
    assert sorted(map(repr, (e for e in from_reply if isinstance(e, rest)))) == sorted(
        map(repr, (e for e in from_stream if isinstance(e, rest)))
    )
