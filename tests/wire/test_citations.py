"""Without this links would be drawn over the wrong words of any answer that is not plain ASCII."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.wire.gemini_generate.citations import to_bytes, to_code_points

TEXT = "aé日🙂z"  # 1, 2, 3, 4 and 1 bytes


def test_offsets_of_letters_of_every_length() -> None:
    letters = [(at, at + 1) for at in range(5)]
    in_bytes = [(0, 1), (1, 3), (3, 6), (6, 10), (10, 11)]
    assert to_bytes(TEXT, letters) == in_bytes
    assert to_code_points(TEXT, in_bytes) == letters


@given(st.text(), st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8))
def test_a_range_holds_the_same_words_in_both(text: str, spans: list[tuple[int, int]]) -> None:
    spans = [(min(span, default=0), max(span)) for span in spans if max(span) <= len(text)]
    converted = to_bytes(text, spans)
    data = text.encode()
    for (start, end), (first, last) in zip(spans, converted, strict=True):
        assert data[first:last].decode() == text[start:end]
    assert to_code_points(text, converted) == spans


@given(st.text("aé🙂"), st.lists(st.tuples(st.integers(-9, 99), st.integers(-9, 99)), max_size=8))
def test_any_byte_range_gives_whole_letters_that_cover_it(text: str, spans: list[tuple[int, int]]) -> None:
    size = len(text.encode())
    for (first, last), (start, end) in zip(spans, to_code_points(text, spans), strict=True):
        assert 0 <= start <= end <= len(text)
        [(low, high)] = to_bytes(text, [(start, end)])
        assert low <= min(max(first, 0), size)
        assert high >= min(last, size)


@pytest.mark.parametrize("text", ["plain", TEXT, ""])
def test_offsets_outside_are_moved_to_the_ends(text: str) -> None:
    assert to_bytes(text, [(-5, 10_000)]) == [(0, len(text.encode()))]
    assert to_code_points(text, [(-5, 10_000)]) == [(0, len(text))]
    assert to_bytes(text, [(3, 1)]) == to_bytes(text, [(3, 3)])


def test_a_lone_surrogate_does_no_harm() -> None:
    assert to_bytes("\ud800a", [(1, 2)]) == [(3, 4)]
    assert to_code_points("\ud800a", [(3, 4)]) == [(1, 2)]
