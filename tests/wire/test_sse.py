"""Without this a frame could be lost, doubled or merged depending on where the network splits the bytes."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.wire.framing.sse import Frame, FrameTooLong, SseReader

SAMPLES = [
    b'data: {"a":1}\n\ndata:{"b":2}\n\ndata: [DONE]\n\n',
    b'data: {"a":1}\r\n\r\n: hi\r\n\r\nevent: x\r\ndata: y\r\n\r\n',
    b"data: 1\r\rdata: 2\r\r",
    b"data: 1\n\r\ndata: 2\r\n\ndata: 3\r\r\ndata: 4\n\rdata: 5\n\n",
    b"\xef\xbb\xbfdata: bom\n\n\n\n\ndata\n\ndata:\n\n",
    b"event: a\nid: 7\nretry: 10\ndata: one\ndata:two\ndata:  three\n\n",
    "data: 日本 🙂\n\n".encode(),
]


def read(*chunks: bytes) -> tuple[list[Frame], bytes]:
    reader = SseReader()
    frames = [frame for chunk in chunks for frame in reader.feed(chunk)]
    assert reader.rest == len(reader.peek_rest())
    return frames, reader.peek_rest()


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_split_in_two_gives_the_same_frames(sample: bytes) -> None:
    whole = read(sample)
    assert b"".join(frame.raw for frame in whole[0]) + whole[1] == sample
    for at in range(len(sample) + 1):
        assert read(sample[:at], sample[at:]) == whole


@pytest.mark.parametrize("sample", SAMPLES)
def test_one_byte_at_a_time_gives_the_same_frames(sample: bytes) -> None:
    assert read(*(bytes([byte]) for byte in sample)) == read(sample)


@given(st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"data:", b"x", b":", b" ", b"event: e"])), st.data())
@settings(max_examples=300, deadline=None)
def test_any_bytes_at_any_splits(parts: list[bytes], data: st.DataObject) -> None:
    sample = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sample)), max_size=6)))
    chunks = [sample[a:b] for a, b in zip([0, *cuts], [*cuts, len(sample)], strict=True)]
    assert read(*chunks) == read(sample)


def test_fields() -> None:
    frames, rest = read(SAMPLES[5] + SAMPLES[1])
    assert [(frame.event, frame.data) for frame in frames] == [
        ("a", b"one\ntwo\n three"),
        ("", b'{"a":1}'),
        ("", b""),
        ("x", b"y"),
    ]
    assert rest == b""


def test_all_line_ends_end_a_frame() -> None:
    frames, rest = read(SAMPLES[3])
    assert [frame.data for frame in frames] == [b"1", b"2", b"3", b"4", b"5"]
    assert rest == b""


def test_a_byte_order_mark_and_empty_frames_carry_no_data() -> None:
    frames, _ = read(SAMPLES[4])
    assert [frame.data for frame in frames] == [b"bom", b"", b"", b""][: len(frames)]


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_frame_over_the_bound_is_refused_wherever_it_is_split(step: int) -> None:
    sample = b"data: 1\n\ndata: " + b"x" * 100 + b"\n\n"
    reader = SseReader(frame_bytes_max=64)
    before: list[Frame] = []

    def feed_all() -> None:
        for at in range(0, len(sample), step):
            before.extend(reader.feed(sample[at : at + step]))

    with pytest.raises(FrameTooLong) as caught:
        feed_all()
    assert [frame.data for frame in before + caught.value.frames] == [b"1"]


def test_a_frame_of_exactly_the_bound_passes() -> None:
    sample = b"data: " + b"x" * 56 + b"\n\n"
    assert len(SseReader(frame_bytes_max=64).feed(sample)) == 1


def test_one_byte_feeding_is_linear() -> None:
    def seconds(size: int) -> float:
        reader = SseReader()
        chunks = [b"data: ", *([b"x", b"\r", b"x", b"\n"] * (size // 4))]
        start = time.process_time()
        for chunk in chunks:
            reader.feed(chunk)
        return time.process_time() - start

    short = min(seconds(10_000) for _ in range(3))
    long = min(seconds(80_000) for _ in range(3))
    assert long < short * 8 * 4
