"""Frames that are alike in all but their text, read on a short way. Without it: text that is lost or counted
twice, a broken frame that goes through, or a client that gets other bytes than on the long way."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.kernel.limits import ALIKE_TEXT_BYTES_MAX, ALIKE_TRIES_MAX, TEXT_PIECES_MAX
from switchgear.wire.openai_chat.passing.tap import StreamTap

USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
NO_USAGE = b',"usage":null'


def frame(text: str, key: str = "content", finish: str | None = None, **extra: Any) -> bytes:
    delta = {key: text} if key != "text" else {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    if key == "text":
        choice["text"] = text
    found = {"id": "c1", "choices": [choice], "usage": None, **extra}
    return b"data: " + json.dumps(found, separators=(",", ":")).encode() + b"\n\n"


HEAD, TAIL = frame("@").split(b'"@"')
# Between a head and a tail: strings, and what only looks like one.
MIDDLES = st.one_of(
    st.text(max_size=12).map(lambda text: json.dumps(text, ensure_ascii=len(text) % 2 == 0).encode()),
    st.sampled_from(
        [b'"a', b'b","c"', b'"a","b"', b"", b" ", b"null", b"1", b'["a"]', b'"\\ud83d"', b'"\xff"', b'"\x01"']
    ),
    st.sampled_from(
        [b'"a"} ', b'"a" ', b' "a"', b'"x","role":"assistant"', b'"' + b"y" * 70 + b'"', b'"a\n\nb"']
    ),
)
OTHERS = st.sampled_from(
    [
        b": comment\n\n",
        b"data: [DONE]\n\n",
        frame("x", finish="stop"),
        frame("r", "reasoning_content"),
        frame("x", usage=USAGE),
        frame("x", id="c2"),
        b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n',
        b'data: {"error":{"message":"m","type":"server_error"}}\n\n',
        frame("x").replace(b"\n", b"\r\n"),
    ]
)
FRAMES = st.lists(
    st.one_of(MIDDLES.map(lambda m: HEAD + m + TAIL), MIDDLES.map(lambda m: HEAD + m + TAIL), OTHERS),
    max_size=12,
)


def run(parts: list[bytes], show_usage: bool, short: bool) -> dict[str, Any]:
    """What a stream comes to, on the short way wherever it is offered, or never."""
    tap = StreamTap("openai_chat", show_usage)
    if not short:
        tap._alike.tries_left = 0
    out = b""
    for part in parts:
        out += (short and tap.feed_alike(part)) or tap.feed(part)
    end = tap.finish()
    return {
        "out": out,
        "end": end,
        "closing": tap.closing(),
        "usage": tap.usage,
        "has_content": tap.has_content,
        "text_bytes": tap.text_bytes,
        "text": tap.take_text(),
        "fault": None if tap.fault is None else str(tap.fault),
    }


@settings(max_examples=500, deadline=None)
@given(frames=FRAMES, show_usage=st.booleans(), cuts=st.lists(st.integers(0, 2000), max_size=6))
def test_the_short_way_comes_to_what_the_long_way_does(
    frames: list[bytes], show_usage: bool, cuts: list[int]
) -> None:
    frames = [frame("one"), frame("two"), *frames]
    whole = b"".join(frames)
    expected = run(frames, show_usage, short=False)
    assert run(frames, show_usage, short=True) == expected
    bounds = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    assert run([whole[a:b] for a, b in pairwise(bounds)], show_usage, short=True) == expected


@pytest.mark.parametrize("key", ["content", "reasoning_content", "reasoning", "text"])
@pytest.mark.parametrize("show_usage", [True, False])
def test_the_short_way_is_taken_for_every_place_of_text(key: str, show_usage: bool) -> None:
    tap = StreamTap("openai_chat", show_usage)
    tap.feed(frame("a", key))
    for text in (" b", '"quoted" \\', "línea\n", "你好", "😀"):
        sent = frame(text, key)
        out = tap.feed_alike(sent)
        assert out == (sent if show_usage else sent.replace(NO_USAGE, b""))
        assert (out is sent) == show_usage
    assert tap.take_text() == 'a b"quoted" \\línea\n你好😀'


@pytest.mark.parametrize(
    "other",
    [
        frame("x", finish="stop"),
        frame("x", id="c2"),
        frame("x", "reasoning"),
        frame("x") * 2,
        frame("x")[:-1],
        frame("x") + b"\n",
        HEAD + b'"a","b"' + TAIL,
        HEAD + b'"a' + TAIL,
        frame("x" * ALIKE_TEXT_BYTES_MAX),
        b"data: [DONE]\n\n",
    ],
)
def test_what_is_not_alike_is_left_to_the_long_way(other: bytes) -> None:
    tap = StreamTap("openai_chat", True)
    assert tap.feed_alike(frame("a")) == b"", "nothing is known yet"
    tap.feed(frame("a"))
    assert tap.feed_alike(other) == b""
    assert tap.take_text() == "a"


@pytest.mark.parametrize(
    "last", [b"data: [DONE]\n\n", b'data: {"error":{"message":"m"}}\n\n', frame("x")[:20]]
)
def test_nothing_is_alike_behind_an_end_a_fault_or_a_torn_frame(last: bytes) -> None:
    tap = StreamTap("openai_chat", True)
    tap.feed(frame("a"))
    assert tap.feed_alike(frame("b"))
    tap.feed(last)
    assert tap.feed_alike(frame("c")) == b""
    assert tap.take_text() == "ab"


def test_text_that_gathers_is_seen_to_now_and_then() -> None:
    tap = StreamTap("openai_chat", True)
    tap.feed(frame("a"))
    taken = 0
    while tap.feed_alike(frame("b")):
        taken += 1
        assert taken <= TEXT_PIECES_MAX
    tap.feed(frame("c"))
    assert tap.text_bytes == taken + 2
    assert tap.feed_alike(frame("d"))


def test_a_stream_without_alike_frames_is_not_searched_for_ever() -> None:
    tap = StreamTap("openai_chat", True)
    for number in range(ALIKE_TRIES_MAX + 2):
        tap.feed(frame("a", id=f"c{number}"))
    tap.feed(frame("a"))
    assert tap.feed_alike(frame("a")) == b""
    assert tap.text_bytes == ALIKE_TRIES_MAX + 3


def test_a_text_that_stands_in_two_places_is_not_guessed_at() -> None:
    tap = StreamTap("openai_chat", True)
    twice = frame("a", extension={"content": "a"})
    tap.feed(twice)
    assert tap.feed_alike(twice) == b""


def test_a_run_that_only_adds_up_is_no_run() -> None:
    """Two broken frames whose pieces would make as many strings as there are frames."""
    tap = StreamTap("openai_chat", True)
    tap.feed(frame("a"))
    out = tap.feed(HEAD + b'"x' + TAIL + HEAD + b'y","z"' + TAIL)
    assert (out, str(tap.fault), tap.take_text()) == (b"", str(tap.fault), "a")
    assert tap.fault is not None


def test_texts_stay_in_order_when_a_run_is_followed_by_something_else() -> None:
    tap = StreamTap("openai_chat", True)
    tap.feed(frame("a"))
    tap.feed(frame("b") * 2 + frame("c", finish="stop"))
    assert tap.take_text() == "abbc"
