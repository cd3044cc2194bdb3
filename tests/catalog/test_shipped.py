"""Without this, a shipped figure could drift from its source, or a listed model be unusable unnoticed."""

import datetime
import tomllib
from decimal import Decimal

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices.data import providers
from tools.update_prices import GENERATED, render

from switchgear.catalog.price import charge, with_id
from switchgear.kernel.usage import Usage
from switchgear.vendors.shipped import shipped

# Listed, so that a call gets a clear refusal; an operator prices them before use.
UNPRICED = (
    "Ling-1T",
    "Ring-1T",
    "SenseNova-V6-Pro",
    "SparkDesk-v4.0",
    "abab6.5s-chat",
    "doubao-seed-1-8",
    "doubao-seed-2-0-pro-260215",
    "embedding-3",
    "ernie-5.0-thinking-exp",
    "ernie-5.0-thinking-preview",
    "ernie-x1-32k",
    "gemini-2.5-computer-use-preview-10-2025",
    "gemini-robotics-er-1.5-preview",
    "hunyuan-t1-latest",
    "mimo-v2-omni",
    "mimo-v2-pro",
    "qwen2.5-32b-instruct",
    "qwen2.5-omni-7b",
    "qwen3-omni-flash",
    "qwen3-omni-flash-2025-12-01",
    "qwen3.5-omni-flash",
    "qwen3.5-omni-plus",
    "step-3",
    "text-embedding-v1",
)
PEAK_HOUR = datetime.datetime(2026, 11, 24, 2, tzinfo=datetime.UTC)
"""Within the dear hours of every vendor that prices by the hour."""

GOLDEN = [
    ("gpt-4o", "openai", "gpt-4o"),
    ("gpt-4o-mini", "openai", "gpt-4o-mini"),
    ("gpt-5", "openai", "gpt-5"),
    ("gpt-5.4", "openai", "gpt-5.4"),
    ("o3", "openai", "o3"),
    ("claude-opus-4-6", "anthropic", "claude-opus-4-6"),
    ("claude-sonnet-4-5-20250929", "anthropic", "claude-sonnet-4-5-20250929"),
    ("claude-haiku-4-5-20251001", "anthropic", "claude-haiku-4-5-20251001"),
    ("gemini-2.5-pro", "google", "gemini-2.5-pro"),
    ("gemini-2.5-flash", "google", "gemini-2.5-flash"),
    ("grok-4.3", "x-ai", "grok-4.3"),
    ("kimi-k2.5", "moonshotai", "kimi-k2.5"),
    ("glm-4.7", "zhipuai", "glm-4.7"),
    ("deepseek-v4-pro", "deepseek", "deepseek-v4-pro"),
    ("minimax-m2", "minimax", "MiniMax-M2"),
    ("qwen-plus", "openrouter", "qwen/qwen-plus"),
    ("text-embedding-3-small", "openai", "text-embedding-3-small"),
]


COUNTS = [(1000, 0, 500), (100_000, 20_000, 4_000), (600_000, 1, 7)]


def test_every_listed_model_has_a_price_or_is_known_to_lack_one() -> None:
    assert shipped().unpriced == UNPRICED


def test_no_price_is_for_a_model_that_nobody_lists() -> None:
    assert set(shipped().prices) <= set(shipped().models)


def test_every_price_carries_its_hash_day_and_origin() -> None:
    for price in shipped().prices.values():
        assert price.id == with_id(price).id
        assert datetime.date.fromisoformat(price.since)
        assert price.source.startswith(("generated.toml: genai-prices ", "own.toml: "))


def test_every_vendor_with_a_public_home_lists_models_or_is_a_host_of_many() -> None:
    without = {name for name in shipped().vendors if not shipped().models_of(name)}
    assert without == {"compatible", "openrouter", "together", "fireworks", "siliconflow"}


def test_a_fresh_start_has_a_priced_model_of_its_own() -> None:
    price = shipped().prices["smollm2-135m-instruct"]
    assert shipped().models["smollm2-135m-instruct"].vendor == "local"
    assert charge(price, Usage(input_uncached=1000, output_text=1000), 1_000_000).nanos == 30_000


@pytest.mark.parametrize(("model", "provider_id", "theirs"), GOLDEN)
@pytest.mark.parametrize(("uncached", "cached", "output"), COUNTS)
def test_charges_equal_the_sources_own_calculation(
    model: str, provider_id: str, theirs: str, uncached: int, cached: int, output: int
) -> None:
    provider = next(entry for entry in providers if entry.id == provider_id)
    info = provider.find_model(theirs)
    assert info is not None
    price = shipped().prices[model]
    if "cache_read" not in price.rates:
        uncached, cached = uncached + cached, 0
    if "output_text" not in price.rates:
        output = 0
    usage = TheirUsage(input_tokens=uncached + cached, cache_read_tokens=cached, output_tokens=output)
    expected = info.calc_price(usage, provider, genai_request_timestamp=PEAK_HOUR).total_price * 1_000_000_000
    found = charge(price, Usage(input_uncached=uncached, cache_read=cached, output_text=output), 1_000_000)
    assert abs(Decimal(found.nanos) - expected) <= Decimal("0.5")


def test_cache_writes_keep_their_two_rates_apart() -> None:
    rates = shipped().prices["claude-opus-4-6"].rates
    assert (rates["cache_write_5m"], rates["cache_write_1h"]) == (6_250_000_000, 10_000_000_000)


def test_the_price_book_is_what_its_source_gives_on_the_day_it_records() -> None:
    current = GENERATED.read_text(encoding="utf-8")
    again, missing = render(tomllib.loads(current)["source"]["read_on"])
    assert again == current
    assert set(UNPRICED) <= set(missing)
