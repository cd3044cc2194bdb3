"""Without this an upstream that lies upwards could empty a wallet by one call, or one that is right would not
be paid."""

import pytest

from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import OUTPUT_TOKENS_UNKNOWN_MAX
from switchgear.kernel.usage import Usage
from switchgear.relay.plausible import Bounds, bounds_of, is_thin, is_within, within
from switchgear.relay.prepare import Prepared
from switchgear.wire.call import Call

PREPARED = Prepared("openai_chat", b"")
NOTHING_KNOWN = ModelFacts()


def bounds(
    cap: int = 0,
    *,
    choices: int = 1,
    facts: ModelFacts = NOTHING_KNOWN,
    prepared: Prepared = PREPARED,
    input_bytes: int = 100,
    context: int = 0,
) -> Bounds:
    call = Call(
        "openai_chat",
        "openai_chat",
        {},
        "m",
        output_tokens_cap=cap,
        choices=choices,
        input_bytes=input_bytes,
    )
    return bounds_of(call, prepared, facts, 0, context)


def test_a_plain_answer_is_bounded_by_its_request() -> None:
    bound = bounds(5)
    lie = Usage(10, output_text=1000, reasoning=18_000_000)
    assert not is_within(lie, bound)
    assert within(lie, bound, 2, writes_more=False) == Usage(10, output_text=5)


def test_a_request_without_a_cap_is_bounded_by_the_model_or_by_what_any_can_write() -> None:
    lie = Usage(10, output_text=19_000_000)
    known = bounds(facts=ModelFacts(output_tokens_max=8000))
    assert within(lie, known, 2, writes_more=False).output_total == 8000
    assert within(lie, bounds(), 2, writes_more=False).output_total == OUTPUT_TOKENS_UNKNOWN_MAX


def test_what_was_seen_is_never_beyond_the_bound() -> None:
    """A host that ignores the cap has written what it has written."""
    said = Usage(10, output_text=300)
    assert within(said, bounds(5), 1200, writes_more=False) == said


def test_reasoning_may_go_beyond_the_cap_as_not_every_host_counts_it() -> None:
    facts = ModelFacts(output_tokens_max=8000, thinking="switch")
    said = Usage(10, output_text=5, reasoning=3000)
    assert within(said, bounds(5, facts=facts), 20, writes_more=True) == said
    lie = Usage(10, output_text=5, reasoning=9_000_000)
    assert within(lie, bounds(5, facts=facts), 20, writes_more=True).output_total == 8000


def test_every_choice_and_copy_counts() -> None:
    said = Usage(10, output_text=50)
    assert is_within(said, bounds(5, choices=10))
    copies = Prepared("openai_chat", b"", copies=3)
    assert bounds(context=1000, prepared=copies).input == 3000


def test_a_cap_of_ours_bounds_as_the_clients() -> None:
    capped = Prepared("openai_chat", b"", output_cap=4096)
    lie = Usage(1, output_text=9000)
    assert within(lie, bounds(prepared=capped), 0, writes_more=False).output_total == 4096


@pytest.mark.parametrize("unit", ["input_uncached", "cache_read", "cache_write_1h"])
def test_an_input_beyond_the_models_context_is_cut(unit: str) -> None:
    lie = Usage(**{unit: 5_000_000})
    for input_bytes, most in ((100, 200_000), (300_000, 300_000)):
        bound = bounds(context=200_000, input_bytes=input_bytes)
        assert within(lie, bound, 0, writes_more=False).input_total == most


def test_tools_of_the_upstream_may_read_what_they_like() -> None:
    searching = Prepared("openai_chat", b"", calls={"search_calls": 1})
    said = Usage(5_000_000)
    assert within(said, bounds(context=200_000, prepared=searching), 0, writes_more=False) == said


@pytest.mark.parametrize(
    ("tokens", "text_bytes", "thin"), [(1, 437, True), (1, 30, False), (100, 1600, False)]
)
def test_far_more_text_than_tokens_is_doubtful(tokens: int, text_bytes: int, thin: bool) -> None:
    assert is_thin(Usage(output_text=tokens), text_bytes) is thin
