"""Without this a tool's result would not find its call in the next turn, or one bad id would spoil a chat."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from switchgear.wire.neutral.tool_ids import (
    GEMINI_NAME,
    MESSAGES_NAME,
    PLAIN_NAME,
    ToolNames,
    clean_id,
    short_name,
)

NAMES = st.one_of(st.text(max_size=20), st.text("ab:._-", max_size=100), st.from_regex(r"[a-c.]{60,70}"))


@pytest.mark.parametrize("good", ["call_abc", "toolu_01-x", "x", "a" * 64, "fc_1"])
def test_a_good_id_stays(good: str) -> None:
    assert clean_id(good) == good


def test_ids_of_kimi_are_cleaned() -> None:
    first, second = clean_id("functions.Bash:0"), clean_id("functions.Bash:1")
    assert re.fullmatch(r"functions_Bash_0_[0-9a-f]{8}", first)
    assert first != second


def test_ids_that_differ_only_in_foreign_letters_or_beyond_the_cut_stay_apart() -> None:
    assert clean_id("a:b") != clean_id("a.b") != clean_id("a b")
    assert clean_id("x" * 100) != clean_id("x" * 101)
    assert clean_id("") == clean_id("") != clean_id(":")
    assert clean_id("call_1\n") != "call_1\n"


@given(st.text(max_size=200), st.sampled_from([40, 64, 128]))
@example("\ud800", 64)
@example("日本", 64)
def test_every_id_becomes_valid_and_stays_so(original: str, chars_max: int) -> None:
    cleaned = clean_id(original, chars_max)
    assert re.fullmatch(rf"[A-Za-z0-9_-]{{1,{chars_max}}}", cleaned)
    assert clean_id(cleaned, chars_max) == cleaned == clean_id(original, chars_max)


@given(st.lists(NAMES, unique=True, max_size=30))
def test_different_ids_stay_different(originals: list[str]) -> None:
    assert len({clean_id(original) for original in originals}) == len(originals)


@pytest.mark.parametrize("allowed", [PLAIN_NAME, MESSAGES_NAME, GEMINI_NAME])
@given(names=st.lists(NAMES, unique=True, max_size=20), late=NAMES)
def test_names_fit_the_target_and_come_back(allowed: re.Pattern[str], names: list[str], late: str) -> None:
    tools = ToolNames(names, allowed)
    for name in [*names, late]:
        short = tools.shorten(name)
        assert allowed.fullmatch(short)
        assert tools.restore(short) == name
        assert (short == name) == bool(allowed.fullmatch(name))
    assert len({tools.shorten(name) for name in names}) == len(names)


def test_a_name_with_a_digit_first_gets_a_letter_where_the_target_wants_one() -> None:
    assert short_name("3d", PLAIN_NAME) == "3d"
    assert re.fullmatch(r"t_3d_[0-9a-f]{8}", short_name("3d", GEMINI_NAME))


def test_a_name_that_looks_like_anothers_short_one_keeps_itself() -> None:
    long = "srv.tool"
    taken = short_name(long, PLAIN_NAME)
    tools = ToolNames([long, taken], PLAIN_NAME)
    assert tools.shorten(taken) == taken
    assert tools.shorten(long) != taken
    assert tools.restore(tools.shorten(long)) == long


def test_a_name_that_the_model_made_up_stays() -> None:
    assert ToolNames(["a"], PLAIN_NAME).restore("b") == "b"
