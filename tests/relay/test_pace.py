"""Without this the price of silent reasoning would follow from no measurement, or from one that anybody can
bend."""

from switchgear.kernel.limits import HIDDEN_TOKENS_PER_S, PACE_TOKENS_PER_S_MAX, PACES_MAX
from switchgear.kernel.usage import Usage
from switchgear.relay.pace import NS, Paces


def test_a_model_writes_as_fast_as_its_answers_came() -> None:
    paces = Paces()
    paces.saw("c", "m", Usage(output_text=100, reasoning=300), 4 * NS)
    paces.saw("c", "m", Usage(output_text=100), 1 * NS)
    assert paces.tokens_in("c", "m", 60 * NS) == 6000
    assert paces.reasons("c", "m")


def test_other_channels_and_models_have_a_pace_of_their_own() -> None:
    paces = Paces()
    paces.saw("c", "m", Usage(output_text=100, reasoning=1), NS)
    for channel, model in (("d", "m"), ("c", "n")):
        assert paces.tokens_in(channel, model, 10 * NS) == 10 * HIDDEN_TOKENS_PER_S
        assert not paces.reasons(channel, model)


def test_short_answers_and_floods_tell_nothing() -> None:
    paces = Paces()
    paces.saw("c", "m", Usage(output_text=3, reasoning=2), 60 * NS)
    assert paces.tokens_in("c", "m", NS) == HIDDEN_TOKENS_PER_S
    paces.saw("c", "m", Usage(output_text=1_000_000), 1000)
    assert paces.tokens_in("c", "m", NS) == PACE_TOKENS_PER_S_MAX


def test_a_pace_follows_what_is_measured_lately() -> None:
    paces = Paces()
    for _ in range(100):
        paces.saw("c", "m", Usage(output_text=10_000), 100 * NS)
    for _ in range(100):
        paces.saw("c", "m", Usage(output_text=10_000), 1000 * NS)
    assert paces.tokens_in("c", "m", 100 * NS) <= 1100


def test_what_is_remembered_is_bounded_and_the_used_stays() -> None:
    paces = Paces()
    for number in range(PACES_MAX):
        paces.saw("c", str(number), Usage(output_text=1000), NS)
    paces.saw("c", "0", Usage(output_text=1000), NS)
    paces.saw("c", "new", Usage(output_text=1000), NS)
    assert paces.tokens_in("c", "0", NS) == 1000
    assert paces.tokens_in("c", "1", NS) == HIDDEN_TOKENS_PER_S
