"""Without this, a reservation could be less than the bill that follows, and wallets would go below zero."""

from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.catalog.estimate import CostBound, cost_bound
from switchgear.catalog.price import Price, Tier, charge
from switchgear.kernel.usage import Usage

PPM = 1_000_000
DOLLAR = 1_000_000_000
CHEAP_IN_DEAR_OUT = Price("m", {"input_uncached": DOLLAR, "output_text": 10 * DOLLAR})

RARER = ("reasoning", "image_in", "audio_in", "audio_out", "image_out")

rates = st.integers(0, 100 * DOLLAR)
shares = st.lists(st.integers(0, 1000), min_size=4, max_size=4)


PICTURE_TOKENS = 5_000


def bound(price: Price = CHEAP_IN_DEAR_OUT, input_tokens: int = 0, **given_: object) -> CostBound:
    values: dict[str, object] = {"choices": 1, "ratio_ppm": PPM}
    return cost_bound(price, input_tokens, **{**values, **given_})  # type: ignore[arg-type]


def split(total: int, parts: list[int]) -> list[int]:
    """``total`` cut into as many pieces as ``parts``, in their proportion, some of it perhaps unused."""
    whole = sum(parts) or 1
    return [total * part // whole for part in parts]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_reply_within_the_bounds_costs_more_than_was_held(data: st.DataObject) -> None:
    draw = data.draw
    base = {"input_uncached": draw(rates), "output_text": draw(rates)}
    base |= draw(st.dictionaries(st.sampled_from(RARER), rates))
    tiers = tuple(
        Tier(above, draw(st.dictionaries(st.sampled_from(("input_uncached", "output_text", *RARER)), rates)))
        for above in sorted(draw(st.sets(st.integers(1, 5000), max_size=2)))
    )
    price = Price("m", base, tiers)
    input_bytes, images = draw(st.integers(0, 10_000)), draw(st.integers(0, 2))
    audio, choices = draw(st.booleans()), draw(st.integers(1, 3))
    cap = draw(st.integers(0, 5000))
    ratio = draw(st.integers(0, 3 * PPM))
    held = bound(
        price,
        input_bytes + images * PICTURE_TOKENS,
        images=images > 0,
        choices=choices,
        ratio_ppm=ratio,
        audio=audio,
    )
    text, pictures, sound, _ = split(input_bytes, draw(shares))
    said, thought, spoken, drawn = split(cap * choices, draw(shares))
    usage = Usage(
        input_uncached=text + (0 if images and audio else pictures * (not images) + sound * (not audio)),
        image_in=(pictures + images * PICTURE_TOKENS) if images else 0,
        audio_in=sound if audio else 0,
        output_text=said + (0 if audio else spoken),
        reasoning=thought,
        audio_out=spoken if audio else 0,
        image_out=drawn,
    )
    assert charge(price, usage, ratio).nanos <= held.nanos(cap)


@settings(max_examples=300, deadline=None)
@given(
    rates=st.tuples(rates, rates),
    tier=st.none() | rates,
    tokens=st.integers(0, 2000),
    nanos=st.integers(0, 10**12),
    ratio=st.integers(0, 3 * PPM),
)
def test_the_tokens_that_an_amount_covers_are_covered_and_one_more_is_not(
    rates: tuple[int, int], tier: int | None, tokens: int, nanos: int, ratio: int
) -> None:
    tiers = () if tier is None else (Tier(1000, {"output_text": tier}),)
    price = Price("m", {"input_uncached": rates[0], "output_text": rates[1]}, tiers)
    line = bound(price, tokens, choices=2, ratio_ppm=ratio)
    most = line.output_tokens(nanos)
    if most is None:
        assert line.nanos(10**9) == line.nanos(0)
    elif most:
        assert line.nanos(most) <= nanos
        assert line.nanos(most + 1) >= nanos  # half a nano is rounded up
    else:
        assert line.nanos(1) >= nanos


def test_holds_a_token_for_each_byte_and_each_token_of_every_choice() -> None:
    assert bound(input_tokens=1000).nanos(50) == 1000 * 1000 + 50 * 10_000
    assert bound(choices=3).nanos(7) == 3 * 7 * 10_000


def test_the_models_window_bounds_the_input() -> None:
    assert bound(input_tokens=10**9, context_tokens=200).nanos(0) == 200 * 1000
    assert bound(input_tokens=100, context_tokens=200).nanos(0) == 100 * 1000


def test_pictures_and_sound_take_their_own_rates() -> None:
    rates = {"input_uncached": DOLLAR, "image_in": 2 * DOLLAR, "audio_in": 3 * DOLLAR, "output_text": 1}
    price = Price("m", rates)
    assert bound(price, 10, images=True).nanos(0) == 10 * 2000
    assert bound(price, 10).nanos(0) == 10 * 1000
    assert bound(price, 10, audio=True).nanos(0) == 10 * 3000


def test_the_dearest_tier_that_the_bound_reaches_counts() -> None:
    tiers = (Tier(100, {"input_uncached": 5 * DOLLAR}), Tier(200, {"input_uncached": 2 * DOLLAR}))
    price = Price("m", {"input_uncached": DOLLAR, "output_text": DOLLAR}, tiers)
    assert bound(price, 100).nanos(0) == 100 * 1000
    assert bound(price, 101).nanos(0) == 101 * 5000
    assert bound(price, 300).nanos(0) == 300 * 5000


def test_a_groups_ratio_holds_for_the_bound_as_for_the_price() -> None:
    assert bound(input_tokens=250, ratio_ppm=PPM // 2).nanos(50) == 375_000
    assert bound(input_tokens=250, ratio_ppm=0).nanos(50) == 0
    assert bound(ratio_ppm=0).output_tokens(0) is None
