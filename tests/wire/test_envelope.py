"""Without this a changed or foreign token could reach a vendor as a real signature, or ours be lost."""

import base64
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from switchgear.kernel.limits import ENVELOPE_BYTES_MAX
from switchgear.wire.neutral.envelope import Sealed, open_bytes, open_envelope, seal, seal_bytes

KEY = b"k" * 32
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SEALED = st.builds(Sealed, vendor=WORDS, family=WORDS, kind=WORDS, payload=WORDS)
SAMPLE = Sealed("anthropic", "claude", "signature", "EqQBCkYIBxgC+/9KQ==")


@given(SEALED)
def test_what_was_sealed_opens(sealed: Sealed) -> None:
    text = seal(KEY, sealed)
    assert re.fullmatch(r"relay1\.[A-Za-z0-9_.-]+", text)
    assert open_envelope(KEY, text) == sealed
    assert open_bytes(KEY, seal_bytes(KEY, sealed)) == sealed


def test_every_change_of_one_character_is_seen() -> None:
    text, coded = seal(KEY, SAMPLE), seal_bytes(KEY, SAMPLE)
    for mark in "Ab0_-.=é":
        for at in range(len(text)):
            if text[at] != mark:
                assert open_envelope(KEY, text[:at] + mark + text[at + 1 :]) is None
        for at in range(len(coded)):
            if coded[at] != mark:
                assert open_bytes(KEY, coded[:at] + mark + coded[at + 1 :]) is None


@given(SEALED, st.data())
def test_a_change_anywhere_is_seen(sealed: Sealed, data: st.DataObject) -> None:
    text = seal(KEY, sealed)
    at = data.draw(st.integers(0, len(text) - 1))
    mark = data.draw(st.characters())
    changed = text[:at] + mark + text[at + 1 :]
    assert (open_envelope(KEY, changed) is not None) == (changed == text)


def test_every_cut_and_every_addition_is_seen() -> None:
    text, coded = seal(KEY, SAMPLE), seal_bytes(KEY, SAMPLE)
    for at in range(len(text)):
        assert open_envelope(KEY, text[:at]) is None
    for at in range(len(coded)):
        assert open_bytes(KEY, coded[:at]) is None
    for more in ("=", "A", "\n", " ", "."):
        assert open_envelope(KEY, text + more) is None
        assert open_envelope(KEY, more + text) is None
        assert open_bytes(KEY, coded + more) is None


@given(st.text())
@example("relay1.")
@example("relay1..")
@example("relay1.AAAA.AAAA")
@example("relay1.\ud800.x")
def test_no_text_raises_or_opens(text: str) -> None:
    assert open_envelope(KEY, text) is None
    assert open_envelope(KEY, "relay1." + text) is None
    assert open_bytes(KEY, text) is None


@given(st.binary())
@settings(max_examples=50)
def test_no_bytes_raise_or_open(data: bytes) -> None:
    assert open_bytes(KEY, base64.b64encode(data).decode()) is None


def test_it_opens_for_its_owner_alone_and_shows_nothing_of_what_is_in_it() -> None:
    text = seal(KEY, SAMPLE, "u1")
    assert open_envelope(KEY, text, "u1") == SAMPLE
    assert open_envelope(KEY, text, "u2") is None
    assert open_envelope(KEY, text) is None
    assert open_bytes(KEY, seal_bytes(KEY, SAMPLE, "u1"), "u2") is None
    hidden = base64.urlsafe_b64decode(text.removeprefix("relay1.") + "==")
    assert not any(word.encode() in hidden for word in ("anthropic", "signature", "EqQB"))
    assert seal(KEY, SAMPLE, "u1") == text


def test_another_key_opens_nothing() -> None:
    assert open_envelope(b"q" * 32, seal(KEY, SAMPLE)) is None


@pytest.mark.parametrize("key", [b"", b"k" * 15, b"k" * 65])
def test_a_weak_key_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="key"):
        seal(key, SAMPLE)


def test_the_length_is_bounded_both_ways() -> None:
    fits = Sealed("v", "f", "k", "x" * (ENVELOPE_BYTES_MAX * 3 // 4 - 100))
    assert open_bytes(KEY, seal_bytes(KEY, fits)) == fits
    with pytest.raises(ValueError, match="longer"):
        seal(KEY, Sealed("v", "f", "k", "x" * ENVELOPE_BYTES_MAX))
    assert open_envelope(KEY, "relay1." + "A" * ENVELOPE_BYTES_MAX) is None
    assert open_bytes(KEY, "A" * (ENVELOPE_BYTES_MAX * 2)) is None
