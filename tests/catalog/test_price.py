"""Without this, a charge could lose or invent nanos through rounding, tiers or a unit without a rate."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.catalog.price import Price, Tier, charge, rate_of, rates_for, unpriced_units, with_id
from switchgear.kernel.usage import INPUT_UNITS, OUTPUT_UNITS, PARENT_UNIT, UNITS, Usage

PPM = 1_000_000
DOLLAR = 1_000_000_000
TOKEN_UNITS = (*INPUT_UNITS, *OUTPUT_UNITS)

counts = st.one_of(st.integers(0, 5), st.integers(0, 3_000_000))
usages = st.builds(Usage, **{unit: st.one_of(st.just(0), counts) for unit in UNITS})
positive_rates = st.one_of(st.integers(1, 50), st.integers(1, 200 * DOLLAR))
ratios = st.one_of(st.just(PPM), st.integers(1, 10 * PPM))


@st.composite
def prices(draw: st.DrawFn, *, tiers: bool = True) -> Price:
    """Any price that covers every token unit, with rates above zero and tiers that never get cheaper."""
    rates = {"input_uncached": draw(positive_rates), "output_text": draw(positive_rates)}
    for unit in draw(st.sets(st.sampled_from(UNITS))):
        rates[unit] = draw(positive_rates)
    found: list[Tier] = []
    now = {unit: rate for unit in TOKEN_UNITS if (rate := rate_of(rates, unit)) is not None}
    for above in sorted(draw(st.sets(st.integers(1, 1_000_000), max_size=2))) if tiers else ():
        now = {unit: rate + draw(st.integers(0, DOLLAR)) for unit, rate in now.items()}
        found.append(Tier(above, now))
    return Price("m", rates, tuple(found))


def oracle(price: Price, usage: Usage, ratio_ppm: int) -> int:
    """The rule in exact fractions, written from its sentence and not from the code."""
    input_tokens = sum(getattr(usage, unit) for unit in INPUT_UNITS)
    rates = dict(price.rates)
    for tier in price.tiers:
        if input_tokens > tier.above_input_tokens:
            rates = {**price.rates, **tier.rates}
    exact = Fraction(0)
    for unit in UNITS:
        name: str | None = unit
        while name is not None and name not in rates:
            name = PARENT_UNIT.get(name)
        if name is not None:
            exact += Fraction(getattr(usage, unit) * rates[name], 1_000_000)
    exact *= Fraction(ratio_ppm, PPM)
    return max(1, (exact + Fraction(1, 2)).__floor__()) if exact else 0


@settings(max_examples=300, deadline=None)
@given(prices(), usages, st.one_of(st.just(0), ratios))
def test_equals_the_exact_oracle(price: Price, usage: Usage, ratio: int) -> None:
    assert charge(price, usage, ratio).nanos == oracle(price, usage, ratio)


@settings(max_examples=200, deadline=None)
@given(prices(), usages, ratios, st.sampled_from(UNITS), st.integers(1, 100_000))
def test_more_of_anything_never_costs_less(
    price: Price, usage: Usage, ratio: int, unit: str, more: int
) -> None:
    grown = msgspec.structs.replace(usage, **{unit: getattr(usage, unit) + more})
    assert charge(price, grown, ratio).nanos >= charge(price, usage, ratio).nanos


@settings(max_examples=200, deadline=None)
@given(prices(tiers=False), usages, usages, ratios)
def test_two_halves_cost_what_the_whole_costs_within_one_nano(
    price: Price, left: Usage, right: Usage, ratio: int
) -> None:
    whole = Usage(**{unit: getattr(left, unit) + getattr(right, unit) for unit in UNITS})
    apart = charge(price, left, ratio).nanos + charge(price, right, ratio).nanos
    assert abs(charge(price, whole, ratio).nanos - apart) <= 1


@settings(max_examples=200, deadline=None)
@given(prices(), usages, ratios)
def test_is_zero_only_when_nothing_priced_was_used_or_the_group_is_free(
    price: Price, usage: Usage, ratio: int
) -> None:
    priced = any(rate_of(price.rates, unit) for unit, _ in usage.counts())
    assert (charge(price, usage, ratio).nanos == 0) == (not priced)
    assert charge(price, usage, 0).nanos == 0


@settings(max_examples=100, deadline=None)
@given(prices(), usages, ratios)
def test_the_lines_of_a_charge_recompute_it(price: Price, usage: Usage, ratio: int) -> None:
    found = charge(with_id(price), usage, ratio)
    exact = Fraction(sum(line.count * line.rate_nanos for line in found.lines) * ratio, 1_000_000 * PPM)
    assert found.nanos == (max(1, (exact + Fraction(1, 2)).__floor__()) if exact else 0)
    assert [(line.unit, line.count) for line in found.lines] == usage.counts()
    assert found.ratio_ppm == ratio
    assert found.price_id == with_id(price).id


def test_rounds_half_up_at_the_one_division() -> None:
    price = Price("m", {"input_uncached": 500_000, "output_text": 1})
    assert charge(price, Usage(input_uncached=3), PPM).nanos == 2  # 1.5
    assert charge(price, Usage(input_uncached=5), PPM).nanos == 3  # 2.5
    assert charge(price, Usage(output_text=1), PPM).nanos == 1  # a millionth of a nano is not free
    assert charge(price, Usage(input_uncached=3), PPM - 1).nanos == 1  # 1.4999985


def test_a_tier_holds_for_the_whole_call_from_the_token_after_its_bound() -> None:
    tiers = (Tier(100, {"input_uncached": 2 * DOLLAR}),)
    price = Price("m", {"input_uncached": DOLLAR, "output_text": DOLLAR}, tiers)
    assert charge(price, Usage(input_uncached=100), PPM).nanos == 100_000
    assert charge(price, Usage(input_uncached=101, output_text=1), PPM).nanos == 203_000
    assert charge(price, Usage(input_uncached=51, cache_read=50), PPM).nanos == 202_000  # cached, too


def test_a_unit_without_a_rate_takes_its_parents_own_tier() -> None:
    price = Price("m", {"input_uncached": 5, "cache_write_5m": 7}, (Tier(10, {"cache_write_5m": 9}),))
    rates = rates_for(price, 11)
    assert rate_of(rates, "cache_write_1h") == 9
    assert rate_of(rates, "cache_read") == 5
    assert rate_of(rates, "output_text") is None


def test_calls_without_a_rate_cost_nothing_and_are_seen() -> None:
    price = Price("m", {"input_uncached": DOLLAR, "output_text": DOLLAR})
    found = charge(price, Usage(input_uncached=1, calls=4), PPM)
    assert found.nanos == 1000
    assert [(line.unit, line.count, line.rate_nanos) for line in found.lines][-1] == ("calls", 4, 0)


def test_tells_which_token_units_would_be_free_by_accident() -> None:
    assert unpriced_units(Price("m", {"input_uncached": 1, "output_text": 1})) == ()
    assert unpriced_units(Price("m", {"input_uncached": 1})) == OUTPUT_UNITS
    assert "input_uncached" in unpriced_units(Price("m", {"cache_read": 1, "output_text": 1}))


@pytest.mark.parametrize(
    "other",
    [
        Price("n", {"input_uncached": 1}),
        Price("m", {"input_uncached": 2}),
        Price("m", {"input_uncached": 1, "output_text": 0}),
        Price("m", {"input_uncached": 1}, (Tier(5, {"input_uncached": 1}),)),
    ],
)
def test_the_hash_tells_prices_apart_by_what_they_charge(other: Price) -> None:
    price = Price("m", {"input_uncached": 1})
    assert with_id(price).id != with_id(other).id
    same = msgspec.structs.replace(price, since="2020-01-01", source="elsewhere")
    assert with_id(price).id == with_id(same).id
    assert len(with_id(price).id) == 16
