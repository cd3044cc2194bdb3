"""Without this reasoning would be shown as the answer, or an answer that speaks of the tag would be cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.wire.openai_chat.think_tags import ThinkSplitter

CASES = [
    ("<think>a b</think>\n\nanswer", "a b", "answer"),
    ("\n <think>\na\n</think>answer\n", "\na\n", "answer\n"),
    ("<think></think>answer", "", "answer"),
    ("<think>never closed </thin", "never closed </thin", ""),
    ("<think>a</think>", "a", ""),
    ("<think>a < b </ think></think> x </think> <think>y", "a < b </ think>", " x </think> <think>y"),
    ("<think>a<</think>b", "a<", "b"),
    ("no tag, but <think>this</think>", "", "no tag, but <think>this</think>"),
    ("<thin", "", "<thin"),
    ("<thinking>a</thinking>", "", "<thinking>a</thinking>"),
    ("  plain", "", "  plain"),
    ("   ", "", "   "),
    (" " * 80 + "<think>a</think>", "", " " * 80 + "<think>a</think>"),
    ("", "", ""),
    ("<think>日本🙂</think>\r\n\r\nмир", "日本🙂", "мир"),
]


def split(*chunks: str) -> tuple[str, str]:
    splitter = ThinkSplitter()
    pieces = [piece for chunk in chunks for piece in splitter.feed(chunk)] + splitter.finish()
    assert all(text for _, text in pieces)
    kinds = [kind for kind, _ in pieces]
    assert kinds == sorted(kinds)  # reasoning, then text
    return (
        "".join(text for kind, text in pieces if kind == "reasoning"),
        "".join(text for kind, text in pieces if kind == "text"),
    )


@pytest.mark.parametrize(("stream", "reasoning", "text"), CASES)
def test_every_split_in_two_and_in_letters(stream: str, reasoning: str, text: str) -> None:
    for at in range(len(stream) + 1):
        assert split(stream[:at], stream[at:]) == (reasoning, text)
    assert split(*stream) == (reasoning, text)


@given(st.lists(st.sampled_from(["<think>", "</think>", "<", "/", "think", ">", "a", "\n", " "])), st.data())
def test_any_text_at_any_splits(parts: list[str], data: st.DataObject) -> None:
    stream = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    reasoning, text = split(*chunks)
    assert (reasoning, text) == split(stream)
    if not stream.lstrip().startswith("<think>"):
        assert (reasoning, text) == ("", stream)


def test_reasoning_is_given_as_it_comes() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("<think>one") == [("reasoning", "one")]
    assert splitter.feed(" two<") == [("reasoning", " two")]
    assert splitter.feed("three") == [("reasoning", "<three")]
