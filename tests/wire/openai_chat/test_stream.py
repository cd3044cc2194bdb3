"""Without this a stream could lose or repeat bytes, show a cut as an end, leak the end marker before the
record is written, or bill a wrong usage, depending on where the network splits it."""

import json
import os
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.kernel.limits import CHOICES_MAX, KIB
from switchgear.kernel.usage import Usage
from switchgear.wire.call import Operation
from switchgear.wire.openai_chat.passing.tap import END_MARKER, StreamTap

STREAMS = Path(__file__).parent / "golden" / "streams"
NAMES = sorted(path.stem for path in STREAMS.glob("*.sse"))


def operation_of(name: str) -> Operation:
    return "openai_completions" if name.startswith("completions") else "openai_chat"


def chunk(
    delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **extra: Any
) -> bytes:
    found = {
        "id": "c1",
        "choices": [{"index": index, "delta": delta or {}, "finish_reason": finish}],
        **extra,
    }
    return b"data: " + json.dumps(found).encode() + b"\n\n"


def run(name: str, chunks: list[bytes], show_usage: bool = True) -> dict[str, Any]:
    """Everything that can be seen of a run, plus the state."""
    tap = StreamTap(operation_of(name), show_usage)
    out = b"".join([tap.feed(part) for part in chunks])
    end = tap.finish()
    return {
        "out": out,
        "closing": tap.closing().removesuffix(END_MARKER),
        "end": end,
        "ended": tap.ended,
        "finished": tap.finished,
        "has_content": tap.has_content,
        "usage": tap.usage,
        "text_bytes": tap.text_bytes,
        "text": tap.take_text(),
        "fault": None if tap.fault is None else str(tap.fault),
    }


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    """``<name>.client`` is what a client gets that asked for usage, ``<name>.state`` what is known then.
    Written anew under RECORD_GOLDEN=1."""
    state = run(name, [(STREAMS / f"{name}.sse").read_bytes()])
    shown = state.pop("out") + state.pop("closing") + (END_MARKER if state["end"] == "complete" else b"")
    usage = state["usage"]
    state["usage"] = None if usage is None else dict(usage.counts())
    text = json.dumps(state, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("RECORD_GOLDEN"):
        (STREAMS / f"{name}.client").write_bytes(shown)
        (STREAMS / f"{name}.state").write_text(text)
    assert shown == (STREAMS / f"{name}.client").read_bytes()
    assert text == (STREAMS / f"{name}.state").read_text()
    assert state["end"] == "complete"


@pytest.mark.parametrize("show_usage", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_every_split_point_gives_the_same_bytes_and_state(name: str, show_usage: bool) -> None:
    sample = (STREAMS / f"{name}.sse").read_bytes()
    whole = run(name, [sample], show_usage)
    for at in range(1, len(sample)):
        assert run(name, [sample[:at], sample[at:]], show_usage) == whole
    assert run(name, [bytes([byte]) for byte in sample], show_usage) == whole


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_is_never_complete(name: str) -> None:
    """Complete only when the end marker came, or every choice had finished and no frame was torn."""
    sample = (STREAMS / f"{name}.sse").read_bytes()
    finished_at = len(sample)
    for at in range(len(sample)):
        tap = StreamTap(operation_of(name), True)
        tap.feed(sample[:at])
        torn = bool(tap._reader.peek_rest().strip())
        if tap.finished:
            finished_at = min(finished_at, at)
        allowed = at >= finished_at and (not torn or sample[:at].rstrip().endswith(b"[DONE]"))
        assert (tap.finish() == "complete") == allowed, sample[:at][-40:]
    assert finished_at > len(sample) // 3


@pytest.mark.parametrize("name", NAMES)
def test_the_end_marker_is_never_forwarded(name: str) -> None:
    assert b"[DONE]" not in run(name, [(STREAMS / f"{name}.sse").read_bytes()])["out"]


def test_whole_frames_are_forwarded_as_the_very_object() -> None:
    tap = StreamTap("openai_chat", True)
    one = chunk({"content": "a"})
    several = chunk({"content": "b"}) + b": comment\n\n" + chunk({"content": "c"})
    crlf = chunk({"content": "d"}).replace(b"\n", b"\r\n")
    for part in (one, several, crlf):
        assert tap.feed(part) is part
    assert tap.take_text() == "abcd"


def test_a_frame_is_not_taken_alone_when_the_one_before_it_is_open() -> None:
    tap = StreamTap("openai_chat", True)
    frame = chunk({"content": "a"})
    assert tap.feed(b": open\n") == b""
    assert tap.feed(frame) == b": open\n" + frame
    assert tap.finish() == "cut"


def test_a_lone_carriage_return_ends_a_line_in_the_quick_way_too() -> None:
    sample = b'data: {\r"choices":[{"index":0,"delta":{}}]}\n\n'
    assert run("x", [sample]) == run("x", [sample[:9], sample[9:]])
    assert run("x", [sample])["fault"] is not None


def test_unknown_fields_and_spelling_survive_an_edit() -> None:
    tap = StreamTap("openai_chat", False)
    out = tap.feed(
        b'data: {"new":1.50,"choices":[{"index":0,"delta":{"content":"x"},"odd":1e2}],'
        b'"usage":{"prompt_tokens":1}}\n\n'
    )
    assert out == b'data: {"new":1.50,"choices":[{"index":0,"delta":{"content":"x"},"odd":1e2}]}\n\n'


def test_an_edited_frame_of_several_lines_stays_one_frame() -> None:
    tap = StreamTap("openai_chat", False)
    out = tap.feed(b'data: {"choices":[{"index":0,\ndata: "delta":{}}],"usage":{"prompt_tokens":1}}\n\n')
    assert out == b'data: {"choices":[{"index":0,\ndata: "delta":{}}]}\n\n'


def test_usage_is_shown_only_when_asked_for() -> None:
    for name in NAMES:
        state = run(name, [(STREAMS / f"{name}.sse").read_bytes()], show_usage=False)
        assert state["closing"] == b""
        assert b'"prompt_tokens"' not in state["out"]
        shown = run(name, [(STREAMS / f"{name}.sse").read_bytes()], show_usage=True)
        assert bool(shown["closing"]) == (shown["usage"] is not None)
        assert state["usage"] == shown["usage"]


def test_usage_never_shrinks() -> None:
    tap = StreamTap("openai_chat", True)
    tap.feed(chunk({"content": "a"}, usage={"prompt_tokens": 9, "completion_tokens": 9}))
    tap.feed(
        chunk(
            {},
            "stop",
            usage={"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5}},
        )
    )
    assert tap.usage == Usage(input_uncached=4, cache_read=5, output_text=9)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"error":{"message":"m","type":"server_error","code":null}}', "transient"),
        (b'{"error":{"message":"m","code":"insufficient_quota"}}', "funds"),
        (b'{"error":"overloaded"}', "transient"),
        (b'{"choices":[{"index":0,"delta":{}}],"error":{"code":429,"message":"m"}}', "limited"),
        (b'{"object":"error","message":"m","code":400}', "client"),
        (b'{"code":"DataInspectionFailed","message":"m"}', "content"),
        (b'{"choices":null,"base_resp":{"status_code":1002,"status_msg":"m"}}', "limited"),
        (b'[{"error":{"message":"m","code":429}}]', "limited"),
        (b"garbage", "transient"),
        (b'{"choices":[{"delta"', "transient"),
        (b'{"choices":[{"index":0,"delta":{"content":"\xff"}}]}', "transient"),
        (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "transient"),
    ],
)
def test_an_error_in_the_stream_is_a_fault_and_not_forwarded(data: bytes, kind: str) -> None:
    tap = StreamTap("openai_chat", True)
    first = chunk({"content": "a"})
    assert tap.feed(first + b"data: " + data + b"\n\n" + chunk({"content": "b"}, "stop")) == first
    assert tap.fault is not None
    assert tap.fault.kind == kind
    assert tap.feed(first) == b""
    assert tap.finish() == "cut"


def test_an_answer_that_says_it_failed_is_read_to_its_usage_and_not_forwarded() -> None:
    tap = StreamTap("openai_chat", True)
    first, more = chunk({"content": "a"}), chunk({"content": "b"})
    assert tap.feed(first) == first
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n'
    assert tap.feed(chunk({}, "network_error") + more) == b""
    assert tap.feed(more) == b""
    assert tap.feed(usage) == b""
    assert (tap.fault, tap.usage) == (None, Usage(input_uncached=3, output_text=2))
    assert tap.finish() == "cut"
    assert tap.fault is not None
    assert tap.fault.code == "network_error"


def test_an_error_before_content_leaves_the_way_free_for_another_candidate() -> None:
    tap = StreamTap("openai_chat", True)
    assert tap.feed(b': hi\n\ndata: {"error":{"message":"busy"}}\n\n') == b": hi\n\n"
    assert not tap.has_content


@pytest.mark.parametrize("lines", [b"data: [DONE]\n", b"data: 1\ndata: [DONE]\n"])
def test_an_end_marker_in_an_event_with_a_name_is_held_back_too(lines: bytes) -> None:
    """Passed on, it would show the end of a reply whose record is not written yet."""
    tap = StreamTap("openai_chat", show_usage=False)
    assert tap.feed(b"event: done\n" + lines + b"\n") == b""
    assert tap.ended


def test_an_error_event_is_a_fault_and_other_events_pass() -> None:
    tap = StreamTap("openai_chat", True)
    ping = b"event: ping\ndata: whatever\n\n"
    assert tap.feed(ping) is ping
    assert not tap.has_content
    assert tap.feed(b'event: error\ndata: {"message":"m","code":"1302"}\n\n') == b""
    assert tap.fault is not None
    assert tap.fault.kind == "limited"


@pytest.mark.parametrize(
    "body",
    [
        b"<html>\n\n<body>502</body></html>\n\n",
        b"<html><body>busy</body></html>",
        b'{"error":{"message":"no","code":"rate_limit_exceeded"}}',
        b'{\n\n"error":{"message":"no"}}',
        b"Service unavailable\n",
        b"",
        b"\x00\xff\n\n",
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_what_is_no_stream_is_never_forwarded(body: bytes, step: int) -> None:
    tap = StreamTap("openai_chat", True)
    out = b"".join(tap.feed(body[at : at + step]) for at in range(0, len(body), step))
    assert (out, tap.finish(), tap.has_content) == (b"", "cut", False)


def test_a_json_error_in_place_of_a_stream_keeps_its_kind() -> None:
    tap = StreamTap("openai_chat", True)
    tap.feed(b'{"error":{"message":"no","code":"rate_limit_exceeded"}}')
    assert tap.finish() == "cut"
    assert tap.fault is not None
    assert tap.fault.kind == "limited"


def test_all_choices_must_finish() -> None:
    tap = StreamTap("openai_chat", True)
    tap.feed(chunk({"content": "a"}) + chunk({"content": "b"}, index=1) + chunk({}, "stop"))
    assert not tap.finished
    tap.feed(chunk({}, "", index=1))
    assert not tap.finished
    tap.feed(chunk({}, "length", index=1) + chunk({}, None))
    assert tap.finished
    assert tap.finish() == "complete"


def test_choices_are_bounded() -> None:
    tap = StreamTap("openai_chat", True)
    for index in range(CHOICES_MAX + 1):
        tap.feed(chunk({"content": "a"}, index=index))
    assert tap.fault is not None


def test_frames_after_the_end_marker_are_ignored() -> None:
    tap = StreamTap("openai_chat", True)
    assert tap.feed(END_MARKER + chunk({"content": "late"})) == b""
    assert tap.feed(chunk({"content": "late"})) == b""
    assert (tap.take_text(), tap.finish()) == ("", "complete")


@pytest.mark.parametrize("tail", [b"data: [DONE]", b"data:[DONE]\n", b"data: [DONE]\r", b"data: [DONE]\n\r"])
def test_an_end_marker_without_its_blank_line_still_ends(tail: bytes) -> None:
    tap = StreamTap("openai_chat", True)
    tap.feed(chunk({"content": "a"}) + tail)
    assert tap.finish() == "complete"


def test_a_frame_over_the_bound_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("openai_chat.passing.tap", "framing.repeated_frames"):
        monkeypatch.setattr(f"switchgear.wire.{module}.FRAME_BYTES_MAX", 200)
    good, long = chunk({"content": "a"}), chunk({"content": "x" * 200})
    for parts in ([good + long], [good, long], [good, long[:50], long[50:]]):
        tap = StreamTap("openai_chat", True)
        assert b"".join(tap.feed(part) for part in parts) == good
        assert tap.fault is not None


def test_text_of_single_letters_takes_no_more_than_twice_its_bytes() -> None:
    frames = 16 * KIB
    letter = b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n'
    tap = StreamTap("openai_chat", show_usage=True)
    tap.feed(letter)
    tracemalloc.start()
    try:
        for _ in range(frames - 1):
            tap.feed(letter)
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert tap.text_bytes == frames
    assert held_bytes < 2 * frames + 8 * KIB, held_bytes
    assert tap.take_text() == "x" * frames


def test_text_is_gathered_from_every_place() -> None:
    tap = StreamTap("openai_chat", True)
    tap.feed(chunk({"content": "é", "reasoning_content": "r", "refusal": "f"}))
    tap.feed(
        chunk({"tool_calls": [{"function": {"name": "n", "arguments": "{}"}}, {"custom": {"input": "i"}}]})
    )
    tap.feed(chunk({"reasoning": "s", "audio": {"transcript": "t"}, "function_call": {"arguments": "g"}}))
    tap.feed(chunk({"content": None, "tool_calls": [{"function": {"arguments": {"a": 1}}}]}))
    assert tap.text_bytes == len("érfn{}isgt".encode()) + len('{"a":1}')
    assert tap.take_text() == 'érfn{}isgt{"a":1}'
    assert (tap.text_bytes, tap.take_text()) == (0, "")


@given(st.binary(max_size=80), st.lists(st.integers(0, 80), max_size=5))
@settings(max_examples=200)
def test_random_bytes_never_raise_and_split_alike(body: bytes, cuts: list[int]) -> None:
    body = b"data: " + body + b"\n\n"
    bounds = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    parts = [body[a:b] for a, b in pairwise(bounds)]
    assert run("x", parts) == run("x", [body])


def test_many_tiny_frames_cost_linear_time() -> None:
    def seconds(count: int) -> float:
        tap = StreamTap("openai_chat", True)
        body = b": k\n\n" * count
        start = time.process_time()
        assert tap.feed(body[:-1]) == body[:-5]
        return time.process_time() - start

    short = min(seconds(10_000) for _ in range(3))
    assert seconds(100_000) < short * 10 * 4


@pytest.mark.parametrize(
    "delta",
    [{}, {"role": "assistant"}, {"role": "assistant", "content": "", "refusal": None, "tool_calls": []}],
)
def test_the_opening_of_an_answer_leaves_the_way_free_for_another_candidate(delta: dict[str, Any]) -> None:
    """Busy upstreams often say ``assistant`` at once and fail a moment later."""
    tap = StreamTap("openai_chat", True)
    assert tap.feed(chunk(delta)) == chunk(delta)
    assert not tap.has_content


@pytest.mark.parametrize(
    "said",
    [
        chunk({"content": "a"}),
        chunk({"role": "assistant", "audio": {"id": "a", "data": "QQ=="}}),
        chunk({"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": ""}}]}),
        chunk({"reasoning_details": [{"data": "x"}]}),
        chunk({}, "stop"),
        b'data: {"choices":[{"index":0,"text":"a"}]}\n\n',
    ],
)
def test_whatever_says_something_binds_to_the_candidate(said: bytes) -> None:
    tap = StreamTap("openai_chat", True)
    tap.feed(chunk({"role": "assistant", "content": ""}))
    tap.feed(said)
    assert tap.has_content


def test_no_usage_is_spoken_of_to_a_client_that_did_not_ask() -> None:
    text = 'he said ,"usage":null'
    sent = b'data: {"id":"c1","choices":[{"index":0,"delta":%b}],"usage":null,"obfuscation":"x"}\n\n' % (
        json.dumps({"content": text}).encode()
    )
    assert StreamTap("openai_chat", True).feed(sent) is sent
    out = StreamTap("openai_chat", False).feed(sent)
    found = json.loads(out.removeprefix(b"data: "))
    assert "usage" not in found
    assert found["choices"][0]["delta"]["content"] == text
    assert found["obfuscation"] == "x"
