"""Without this, a frame could be taken for one like those before it and say another text than the upstream's,
or events could depend on where a stream was torn."""

import json
import tracemalloc
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from switchgear.wire.anthropic_messages.from_upstream.reader import Reader as MessagesReader
from switchgear.wire.anthropic_messages.passing.tap import StreamTap
from switchgear.wire.dialect import Reader
from switchgear.wire.framing.repeated_frames import AlikeTexts
from switchgear.wire.neutral.events import Event, Fault
from switchgear.wire.openai_chat.from_upstream.reader import ChatReader
from switchgear.wire.openai_chat.passing.tap import StreamTap as ChatTap

TEXTS = st.sampled_from(
    [
        " a",
        "",
        '"',
        "\\",
        "\n\n",
        'x"content":"y',
        '"text":"',
        "é",
        "🙂",
        "}}\n\n",
        "<think>",
        "data: {",
        "\x00",
    ]
)


def chat_frame(
    text: str, index: int = 0, finish: str | None = None, ascii: bool = True, **more: object
) -> bytes:
    delta = {"content": text, **more}
    chunk = {"id": "c", "model": "m", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}
    return f"data: {json.dumps(chunk, ensure_ascii=ascii)}\n\n".encode()


def messages_frame(text: str, index: int = 0, ascii: bool = True) -> bytes:
    delta = {"type": "text_delta", "text": text}
    event = {"type": "content_block_delta", "index": index, "delta": delta}
    return f"event: content_block_delta\ndata: {json.dumps(event, ensure_ascii=ascii)}\n\n".encode()


CHAT_FRAMES = st.one_of(
    st.builds(chat_frame, TEXTS),
    st.builds(chat_frame, TEXTS, ascii=st.just(False)),
    st.builds(chat_frame, TEXTS, index=st.integers(0, 1)),
    st.builds(chat_frame, TEXTS, finish=st.just("stop")),
    st.builds(chat_frame, TEXTS, reasoning_content=st.sampled_from(["", "hm"])),
    st.builds(lambda text: chat_frame(text).replace(b"\n", b"\r\n"), TEXTS),
    st.sampled_from(
        [b": ping\n\n", b'data: {"error":{"message":"no"}}\n\n', b"data: [DONE]\n\n", b"data: x\n\n"]
    ),
)
MESSAGES_FRAMES = st.one_of(
    st.builds(messages_frame, TEXTS),
    st.builds(messages_frame, TEXTS, ascii=st.just(False)),
    st.builds(messages_frame, TEXTS, index=st.integers(0, 1)),
    st.builds(lambda text: messages_frame(text).replace(b"text_delta", b"thinking_delta"), TEXTS),
    st.sampled_from(
        [
            b'event: ping\ndata: {"type":"ping"}\n\n',
            b'data: {"type":"content_block_stop","index":0}\n\n',
            b'data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":"t"}}\n\n',
            b'data: {"type":"message_stop"}\n\n',
            b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"no"}}\n\n',
        ]
    ),
)


def events_of(reader: Reader, parts: list[bytes], *, short: bool) -> list[object]:
    if not short:
        reader._alike.tries_left = 0  # type: ignore[attr-defined]
    events = [event for part in parts for event in reader.feed(part)] + reader.finish()
    return [comparable(event) for event in events]


def comparable(event: Event) -> object:
    return (str(event.error), event.truncated) if isinstance(event, Fault) else event


def check(make: type[ChatReader] | type[MessagesReader], frames: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(frames)
    expected = events_of(make(), frames, short=False)
    assert events_of(make(), frames, short=True) == expected
    bounds = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    assert events_of(make(), [whole[a:b] for a, b in pairwise(bounds)], short=True) == expected


@settings(max_examples=600, deadline=None)
@given(frames=st.lists(CHAT_FRAMES, max_size=12), cuts=st.lists(st.integers(0, 2500), max_size=5))
@example(frames=[chat_frame(" a", 1), chat_frame(" a", 1), chat_frame(" a")], cuts=[224])
def test_chat_says_the_same_by_the_short_way(frames: list[bytes], cuts: list[int]) -> None:
    check(ChatReader, [chat_frame("one"), chat_frame("two"), *frames], cuts)


@settings(max_examples=600, deadline=None)
@given(frames=st.lists(MESSAGES_FRAMES, max_size=12), cuts=st.lists(st.integers(0, 2500), max_size=5))
def test_messages_say_the_same_by_the_short_way(frames: list[bytes], cuts: list[int]) -> None:
    check(MessagesReader, [messages_frame("one"), messages_frame("two"), *frames], cuts)


@pytest.mark.parametrize(
    ("reader", "write"),
    [(ChatReader(), chat_frame), (MessagesReader(), messages_frame)],
    ids=["chat", "messages"],
)
def test_the_short_way_is_taken(reader: ChatReader | MessagesReader, write: Callable[[str], bytes]) -> None:
    for text in ("one", "two"):
        reader.feed(write(text))
    assert reader._alike.known is not None
    run = write("three") * 3
    assert reader._alike.split(run) == (0, len(run), ["three"] * 3, [b'"three"'] * 3)


def test_it_gives_up_on_frames_that_are_never_alike() -> None:
    alike = AlikeTexts(b'"content"')
    for number in range(100):
        alike.learn(chat_frame("x", obfuscation=f"{number}"), "x")
    assert alike.known is None


BLOCK = b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'


@pytest.mark.parametrize("piece", ["x", "\n"])
@pytest.mark.parametrize(
    ("make", "opening", "frame"),
    [
        (ChatReader, b"", chat_frame),
        (MessagesReader, BLOCK, messages_frame),
        (lambda: ChatTap("openai_chat", show_usage=False), b"", chat_frame),
    ],
    ids=["chat", "messages", "tap"],
)
def test_a_huge_text_costs_a_few_times_its_size(
    make: Callable[[], Reader | ChatTap], opening: bytes, frame: Callable[[str], bytes], piece: str
) -> None:
    """A megabyte in one frame once took more than a hundred to look at."""
    reader, data = make(), opening + frame(piece * 1_000_000)
    tracemalloc.start()
    try:
        reader.feed(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * len(data)


def forwarded(frames: list[bytes], cuts: list[int], *, short: bool) -> tuple[object, ...]:
    """What a pass-through stream comes to, on the short ways wherever they are offered, or never."""
    tap = StreamTap()
    if not short:
        tap._alike.tries_left = 0
    whole = b"".join(frames)
    bounds = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    parts = [whole[a:b] for a, b in pairwise(bounds)]
    out = b"".join((short and tap.feed_alike(part)) or tap.feed(part) for part in parts)
    end = tap.finish()
    return out, end, tap.has_content, tap.text_bytes, tap.take_text(), tap.ended, str(tap.fault)


@settings(max_examples=600, deadline=None)
@given(frames=st.lists(MESSAGES_FRAMES, max_size=12), cuts=st.lists(st.integers(0, 2500), max_size=5))
def test_messages_pass_the_same_by_the_short_way(frames: list[bytes], cuts: list[int]) -> None:
    frames = [messages_frame("one"), messages_frame("two"), *frames]
    ends = [len(b"".join(frames[:count])) for count in range(len(frames))]
    expected = forwarded(frames, ends, short=False)
    assert forwarded(frames, ends, short=True) == expected
    assert forwarded(frames, cuts, short=True) == expected


def test_the_short_way_is_taken_for_messages_that_pass() -> None:
    tap = StreamTap()
    for text in ("one", "two"):
        tap.feed(messages_frame(text))
    assert tap.feed_alike(messages_frame("three")) == messages_frame("three")
    assert tap.take_text() == "onetwothree"
