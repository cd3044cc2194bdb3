"""Without this, a reservation could be less than the bill that follows, and wallets would go below zero."""

from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.catalog.estimate import refined_nanos, reserve_nanos
from switchgear.catalog.price import Price, Tier, charge
from switchgear.kernel.limits import RESERVE_IMAGE_TOKENS, RESERVE_OUTPUT_TOKENS
from switchgear.kernel.usage import Usage

PPM = 1_000_000
DOLLAR = 1_000_000_000
CHEAP_IN_DEAR_OUT = Price("m", {"input_uncached": DOLLAR, "output_text": 10 * DOLLAR})

RARER = ("reasoning", "image_in", "audio_in", "audio_out", "image_out")

rates = st.integers(0, 100 * DOLLAR)
shares = st.lists(st.integers(0, 1000), min_size=4, max_size=4)


def reserve(price: Price = CHEAP_IN_DEAR_OUT, **given_: object) -> int:
    values: dict[str, object] = {
        "input_bytes": 0,
        "images": 0,
        "output_tokens_cap": 0,
        "output_tokens_max": 0,
        "choices": 1,
        "ratio_ppm": PPM,
    }
    return reserve_nanos(price, **{**values, **given_})  # type: ignore[arg-type]


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
    cap, output_max = draw(st.integers(0, 5000)), draw(st.sampled_from([0, 1000]))
    ratio = draw(st.integers(0, 3 * PPM))
    held = reserve(
        price,
        input_bytes=input_bytes,
        images=images,
        output_tokens_cap=cap,
        output_tokens_max=output_max,
        choices=choices,
        ratio_ppm=ratio,
        audio=audio,
    )
    text, pictures, sound, _ = split(input_bytes, draw(shares))
    said, thought, spoken, drawn = split(min(cap, output_max or cap) * choices, draw(shares))
    usage = Usage(
        input_uncached=text + (0 if images and audio else pictures * (not images) + sound * (not audio)),
        image_in=(pictures + images * RESERVE_IMAGE_TOKENS) if images else 0,
        audio_in=sound if audio else 0,
        output_text=said + (0 if audio else spoken),
        reasoning=thought,
        audio_out=spoken if audio else 0,
        image_out=drawn,
    )
    assert charge(price, usage, ratio).nanos <= held


def test_holds_a_token_for_each_byte_and_the_clients_own_cap() -> None:
    assert reserve(input_bytes=1000, output_tokens_cap=50) == 1000 * 1000 + 50 * 10_000


def test_holds_the_reserve_figure_when_the_client_names_no_cap() -> None:
    assert reserve(output_tokens_cap=None) == RESERVE_OUTPUT_TOKENS * 10_000
    assert reserve(output_tokens_cap=None, output_tokens_max=100) == 100 * 10_000
    assert reserve(output_tokens_cap=None, reserve_output_tokens=7) == 7 * 10_000
    assert reserve(output_tokens_cap=None, choices=3) == 3 * RESERVE_OUTPUT_TOKENS * 10_000


def test_the_models_own_maximum_and_window_bound_what_is_held() -> None:
    assert reserve(output_tokens_cap=10**9, output_tokens_max=100) == 100 * 10_000
    assert reserve(input_bytes=10**9, context_tokens=200) == 200 * 1000
    assert reserve(input_bytes=100, context_tokens=200) == 100 * 1000


def test_a_picture_behind_a_url_and_sound_take_their_own_rates() -> None:
    rates = {"input_uncached": DOLLAR, "image_in": 2 * DOLLAR, "audio_in": 3 * DOLLAR, "output_text": 1}
    price = Price("m", rates)
    assert reserve(price, images=1) == RESERVE_IMAGE_TOKENS * 2000
    assert reserve(price, input_bytes=10) == 10 * 1000
    assert reserve(price, input_bytes=10, audio=True) == 10 * 3000


def test_the_dearest_tier_that_the_bound_reaches_counts() -> None:
    tiers = (Tier(100, {"input_uncached": 5 * DOLLAR}), Tier(200, {"input_uncached": 2 * DOLLAR}))
    price = Price("m", {"input_uncached": DOLLAR, "output_text": DOLLAR}, tiers)
    assert reserve(price, input_bytes=100) == 100 * 1000
    assert reserve(price, input_bytes=101) == 101 * 5000
    assert reserve(price, input_bytes=300) == 300 * 5000


def test_a_counted_input_gives_the_same_bound_without_the_bytes() -> None:
    known = {"output_tokens_cap": 50, "output_tokens_max": 0, "choices": 1, "ratio_ppm": PPM}
    assert refined_nanos(CHEAP_IN_DEAR_OUT, 250, **known) == 750_000
    assert refined_nanos(CHEAP_IN_DEAR_OUT, 250, **{**known, "ratio_ppm": PPM // 2}) == 375_000
    assert refined_nanos(CHEAP_IN_DEAR_OUT, 250, **{**known, "ratio_ppm": 0}) == 0
