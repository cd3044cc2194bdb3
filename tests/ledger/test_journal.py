"""The journal's framing.

Without these tests a torn or damaged tail could be charged, or take sound records down with it.
"""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.kernel.limits import RECORD_BYTES_MAX
from switchgear.ledger.journal import (
    HEADER_BYTES,
    RecordTooLarge,
    Scan,
    frame,
    scan,
    segment_name,
    segment_offset,
)

PAYLOADS = (b"a", b"second record", bytes(range(256)), b"\0" * 20)
FRAMES = tuple(frame(payload) for payload in PAYLOADS)
WHOLE = b"".join(FRAMES)
ENDS = tuple(sum(map(len, FRAMES[:count])) for count in range(len(FRAMES) + 1))


def whole_frames(offset: int) -> int:
    """How many frames end at or before the offset."""
    return sum(end <= offset for end in ENDS[1:])


def test_the_format_is_fixed() -> None:
    assert frame(b"a") == bytes.fromhex("00000001") + bytes.fromhex("e58c9792") + b"a"


def test_whole_journals_are_clean() -> None:
    assert scan(b"") == Scan((), 0, "clean")
    assert scan(WHOLE) == Scan(PAYLOADS, len(WHOLE), "clean")
    assert scan(frame(b"x" * RECORD_BYTES_MAX)).state == "clean"


def test_reading_goes_on_from_any_frame_and_stops_where_told() -> None:
    for count, end in enumerate(ENDS):
        assert scan(WHOLE, end) == Scan(PAYLOADS[count:], len(WHOLE), "clean")
        assert scan(WHOLE, 0, count) == Scan(PAYLOADS[:count], end, "clean")


def test_a_start_past_the_end_is_clean_and_empty() -> None:
    assert scan(b"abc", 10) == Scan((), 10, "clean")


@pytest.mark.parametrize("payload", [b"", b"x" * (RECORD_BYTES_MAX + 1)])
def test_a_payload_has_bounds(payload: bytes) -> None:
    with pytest.raises(RecordTooLarge):
        frame(payload)


def test_cut_at_every_offset_the_prefix_stays_exact() -> None:
    for offset in range(len(WHOLE)):
        count = whole_frames(offset)
        state = "clean" if offset in ENDS else "torn"
        assert scan(WHOLE[:offset]) == Scan(PAYLOADS[:count], ENDS[count], state)


def test_every_flipped_bit_is_seen_and_the_prefix_stays_exact() -> None:
    for offset in range(len(WHOLE)):
        count = whole_frames(offset)
        for bit in range(8):
            damaged = bytearray(WHOLE)
            damaged[offset] ^= 1 << bit
            found = scan(bytes(damaged))
            assert found.payloads == PAYLOADS[:count]
            assert found.consumed == ENDS[count]
            assert found.state != "clean"


@pytest.mark.parametrize(
    "tail",
    [
        bytes(HEADER_BYTES),
        bytes(4096),
        b"\xff" * 64,
        (RECORD_BYTES_MAX + 1).to_bytes(4, "big") + bytes(99),
        bytes(4) + zlib.crc32(bytes(4)).to_bytes(4, "big"),
    ],
    ids=["zeros", "a page of zeros", "ones", "too long", "empty but sound"],
)
def test_a_tail_that_no_writer_made_is_corrupt(tail: bytes) -> None:
    assert scan(WHOLE + tail) == Scan(PAYLOADS, len(WHOLE), "corrupt")


@settings(max_examples=200)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.binary(max_size=40), st.data())
def test_any_tail_after_any_cut_leaves_the_prefix(
    payloads: list[bytes], tail: bytes, data: st.DataObject
) -> None:
    whole = b"".join(map(frame, payloads))
    kept = data.draw(st.integers(0, len(whole)))
    found = scan(whole[:kept] + tail)
    sound = scan(whole[:kept])
    assert found.payloads[: len(sound.payloads)] == sound.payloads
    again = scan(whole[:kept] + tail, found.consumed)
    assert (again.payloads, again.consumed, again.state) == ((), found.consumed, found.state)


def test_segments_are_named_by_their_offset() -> None:
    assert segment_name(0) == "0000000000000000.seg"
    assert segment_name(8 * 1024 * 1024) == "0000000000800000.seg"
    for offset in (0, 1, 255, 2**40):
        assert segment_offset(segment_name(offset)) == offset
    assert sorted(map(segment_name, (2**33, 5, 2**20))) == [segment_name(n) for n in (5, 2**20, 2**33)]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "lock",
        "0.seg",
        "0000000000000000.tmp",
        "000000000000000G.seg",
        "00000000000000000.seg",
        "0000000000000000.seg\n",
        "000000000000000A.seg",
    ],
)
def test_other_files_are_no_segments(name: str) -> None:
    with pytest.raises(ValueError, match="segment"):
        segment_offset(name)
