"""Without this, marks that GLM's models write for its own clients would be shown in the answer of others, or
text around them would be lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.pairs.relay import Target, channel_of

from switchgear.wire.convert.box_tags import BoxTags
from switchgear.wire.neutral.events import Choice, Event, Finish, TextDelta

BEGIN, END = "<|begin_of_box|>", "<|end_of_box|>"


def said(pieces: list[str]) -> str:
    tags = BoxTags()
    out: list[Event] = []
    for piece in pieces:
        out += tags.take([TextDelta(piece)])
    out += tags.take([Finish("stop")])
    assert isinstance(out.pop(), Finish)
    texts = [event.text for event in out if isinstance(event, TextDelta)]
    assert all(texts)
    return "".join(texts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"It is {BEGIN}42{END}.", "It is 42."),
        (f"{BEGIN}{END}", ""),
        ("a <|begin_of", "a <|begin_of"),
        ("a < b <| c", "a < b <| c"),
        (f"<{BEGIN}<|{END}日本", "<<|日本"),
        ("<|endoftext|>", "<|endoftext|>"),
        (f"<{BEGIN}|begin_of_box|>", "<|begin_of_box|>"),
    ],
)
def test_marks_are_taken_out_wherever_the_text_is_split(text: str, expected: str) -> None:
    for at in range(len(text) + 1):
        assert said([text[:at], text[at:]]) == expected
    assert said(list(text)) == expected


@given(st.lists(st.sampled_from(["a", "<", "|", "begin_of_box", "end_of_box", ">", BEGIN, END]), max_size=12))
def test_pieces_never_matter(pieces: list[str]) -> None:
    assert said(pieces) == said(["".join(pieces)]) == said(list("".join(pieces)))


def test_what_is_held_comes_before_whatever_follows_it() -> None:
    tags = BoxTags()
    assert tags.take([TextDelta("a<|"), Choice(1)]) == [TextDelta("a"), TextDelta("<|"), Choice(1)]


def test_models_are_known_to_write_marks() -> None:
    facts = channel_of(Target("openai_chat", "zhipu", "glm-4.6v")).facts
    assert facts["glm-4.6v"].box_tags
    assert not channel_of(Target("openai_chat", "zhipu", "glm-4.6")).facts["glm-4.6"].box_tags
