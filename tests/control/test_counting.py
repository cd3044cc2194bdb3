"""Token counts. Without these an estimate could use the wrong vocabulary, or one huge text could
stop the controller."""

import asyncio
import os
import signal

import pytest

from switchgear.control import counting
from switchgear.control.counting import TokenCounter
from switchgear.control.vocabulary import encoding_name
from switchgear.link.protocol import CountTokens, Failed, TokenCount


@pytest.fixture
async def counter():
    counter = TokenCounter()
    yield counter
    await counter.close()


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("gpt-5.2", "o200k_base"),
        ("deepseek-chat", "o200k_base"),
        ("", "o200k_base"),
    ],
)
def test_a_model_is_counted_by_its_own_vocabulary(model, name):
    assert encoding_name(model) == name


@pytest.mark.parametrize(
    ("text", "model", "tokens"),
    [
        ("", "gpt-5.2", 0),
        ("hello world", "gpt-5.2", 2),
        ("tiktoken is great!", "gpt-4", 6),
        ("antidisestablishmentarianism", "gpt-4", 6),
        ("antidisestablishmentarianism", "gpt-5.2", 6),
        ("hello <|endoftext|> world", "gpt-5.2", 9),
    ],
)
async def test_counts_are_the_published_ones(counter, text, model, tokens):
    assert await counter.count(CountTokens(text, model)) == TokenCount(tokens)


async def test_text_over_the_bound_is_refused(counter, monkeypatch):
    monkeypatch.setattr(counting, "COUNT_TEXT_CHARS_MAX", 10)
    assert isinstance(await counter.count(CountTokens("x" * 11, "m")), Failed)


async def test_texts_in_waiting_are_bounded(counter, monkeypatch):
    monkeypatch.setattr(counting, "COUNT_WAITING_MAX", 2)
    answers = await asyncio.gather(*(counter.count(CountTokens("a b c", "m")) for _ in range(5)))
    assert [isinstance(answer, TokenCount) for answer in answers] == [True, True, False, False, False]


async def test_the_vocabularies_are_given_back_when_nobody_asks(counter):
    resting = TokenCounter(idle_s=0)
    assert await resting.count(CountTokens("hello world", "m")) == TokenCount(2)
    child = resting._child
    assert child is not None
    assert await child.wait() == 0
    assert resting.pid is None
    assert await resting.count(CountTokens("hello world", "m")) == TokenCount(2)
    await resting.close()


async def test_a_count_after_a_child_that_died_is_right(counter):
    assert await counter.count(CountTokens("a", "m")) == TokenCount(1)
    os.kill(counter.pid, signal.SIGKILL)
    assert isinstance(await counter.count(CountTokens("b", "m")), Failed)
    assert await counter.count(CountTokens("hello world", "m")) == TokenCount(2)


async def test_a_question_that_was_given_up_leaves_no_answer_to_the_next(counter):
    await counter.count(CountTokens("", "m"))
    given_up = asyncio.create_task(counter.count(CountTokens("a " * 1000, "m")))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert await counter.count(CountTokens("hello world", "m")) == TokenCount(2)
