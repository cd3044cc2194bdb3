"""Without this, a typo in a data file could pass in silence, or stop the start without saying where it is."""

import pytest

from switchgear.catalog.document import CatalogError
from switchgear.catalog.loader import check_priced, load_models, load_prices
from switchgear.catalog.price import charge, unpriced_units
from switchgear.catalog.schema import UNIT_OF_KEY
from switchgear.kernel.usage import UNITS, Usage

HEAD = 'vendor = "v"\nowned_by = "o"\n'
SOURCE = '[source]\nname = "list"\nversion = "1"\nread_on = 2026-11-24\n'
PLAIN = 'input_usd_per_mtok = "1.5"\noutput_usd_per_mtok = "6"\n'


def test_reads_a_model_with_the_defaults_of_its_file() -> None:
    text = HEAD + (
        '[models."a"]\n'
        '[models."b/c"]\nowned_by = "p"\ncreated = 1970-01-03\ncontext_tokens = 8\n'
        'output_tokens_max = 4\nendpoints = ["openai_embeddings"]\nupstream_id = "x"\n'
    )
    models = load_models({"v.toml": text})
    assert list(models) == ["a", "b/c"]
    assert (models["a"].owned_by, models["a"].endpoints, models["a"].created) == ("o", ("openai_chat",), 0)
    other = models["b/c"]
    assert (other.owned_by, other.created) == ("p", 172_800)
    assert (other.context_tokens, other.output_tokens_max) == (8, 4)
    assert (other.endpoints, other.upstream_id, other.vendor) == (("openai_embeddings",), "x", "v")


def test_reads_a_price_as_integers_with_its_origin() -> None:
    text = SOURCE + (
        '[[price]]\nmodel = "a"\nsince = 2025-01-02\ninput_usd_per_mtok = "0.000000001"\n'
        'output_usd_per_mtok = "75"\nusd_per_1k_calls = "10"\n'
        '[[price.tier]]\nabove_input_tokens = 200000\noutput_usd_per_mtok = "90"\n'
        '[[price]]\nmodel = "b"\nsource = "a letter"\n' + PLAIN
    )
    prices = load_prices({"p.toml": text})
    assert prices["a"].rates == {"input_uncached": 1, "output_text": 75 * 10**9, "calls": 10**13}
    assert [(tier.above_input_tokens, tier.rates) for tier in prices["a"].tiers] == [
        (200_000, {"output_text": 90_000_000_000})
    ]
    assert (prices["a"].since, prices["a"].source) == ("2025-01-02", "p.toml: list 1")
    assert (prices["b"].since, prices["b"].source) == ("2026-11-24", "p.toml: a letter")
    assert len(prices["a"].id) == 16
    assert prices["a"].id != prices["b"].id


def test_a_thousand_calls_cost_what_the_file_says() -> None:
    text = SOURCE + '[[price]]\nmodel = "a"\nusd_per_1k_calls = "10"\n' + PLAIN
    price = load_prices({"p.toml": text})["a"]
    assert charge(price, Usage(calls=1000), 1_000_000).nanos == 10 * 1_000_000_000


def test_every_unit_has_one_key() -> None:
    assert sorted(UNIT_OF_KEY.values()) == sorted(UNITS)


def test_a_later_file_overrides_an_earlier_one() -> None:
    first = SOURCE + '[[price]]\nmodel = "a"\n' + PLAIN
    second = SOURCE + '[[price]]\nmodel = "a"\ninput_usd_per_mtok = "2"\noutput_usd_per_mtok = "2"\n'
    prices = load_prices({"generated.toml": first, "own.toml": second})
    assert prices["a"].rates["input_uncached"] == 2_000_000_000


def price_of(body: str) -> str:
    return SOURCE + '[[price]]\nmodel = "fine"\n' + PLAIN + '[[price]]\nmodel = "a"\n' + body


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense\n[", ["not TOML", "line 1"]),
        (price_of('input_usd_per_mtoc = "1"'), ['price."a"', '_mtoc"', 'mean "input_usd_per_mtok"']),
        (price_of("input_usd_per_mtok = 1.5"), ['price."a".input_usd_per_mtok', "str"]),
        (price_of('input_usd_per_mtok = "cheap"'), ['price of "a", input_usd_per_mtok', "cheap"]),
        (price_of('input_usd_per_mtok = "-1"'), ['price of "a"', "negative"]),
        (price_of('input_usd_per_mtok = "0.0000000001"'), ['price of "a"', "decimal places"]),
        (price_of("since = 2025-01-01"), ['price of "a"', "no rate"]),
        (price_of(PLAIN + "[[price.tier]]\nabove_input_tokens = 0\n" + PLAIN), ["tier above 0", "ascend"]),
        (price_of(PLAIN + "[[price.tier]]\nabove_input_tokens = 9\n"), ["tier above 9", "no rate"]),
        (price_of(PLAIN + "[[price.tier]]\nabove_tokens = 9\n"), ['"a".tier[0]', '"above_input_tokens"?']),
        (price_of(PLAIN) + '[[price]]\nmodel = "a"\n' + PLAIN, ['price of "a"', "twice"]),
        ('[[price]]\nmodel = "a"\n', ['"source" is missing']),
        (SOURCE.replace("read_on", "red_on"), ['"red_on"', 'mean "read_on"']),
    ],
)
def test_a_bad_price_file_is_refused_by_name_place_and_remedy(text: str, says: list[str]) -> None:
    with pytest.raises(CatalogError) as caught:
        load_prices({"prices.toml": text})
    assert str(caught.value).startswith("prices.toml: ")
    for words in says:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + '[models."a"]\n[models."b"]\ncontext_token = 4\n', ['models."b"', 'mean "context_tokens"']),
        (HEAD + '[models."a"]\n[models."b"]\nendpoints = ["openai_chats"]\n', ['models."b"', "openai_chats"]),
        (HEAD + '[models."a"]\ncontext_tokens = -1\n', ['models."a"', "negative"]),
        (HEAD + '[models." a"]\n', ["outer spaces"]),
        (HEAD + f'[models."{"a" * 300}"]\n', ["256 characters"]),
        (HEAD + 'endpoints = []\n[models."a"]\n', ["at least one endpoint"]),
        ('vendor = "v"\n[models."a"]\n', ['"owned_by" is missing']),
    ],
)
def test_a_bad_model_file_is_refused_by_name_place_and_remedy(text: str, says: list[str]) -> None:
    with pytest.raises(CatalogError) as caught:
        load_models({"v.toml": text})
    assert str(caught.value).startswith("v.toml: ")
    for words in says:
        assert words in str(caught.value)


def test_a_model_in_two_files_is_refused_with_both_names() -> None:
    text = HEAD + '[models."a"]\n'
    with pytest.raises(CatalogError, match=r"second\.toml.*first\.toml"):
        load_models({"first.toml": text, "second.toml": text})


def test_a_model_without_a_price_is_told_and_one_half_priced_is_refused() -> None:
    models = load_models({"v.toml": HEAD + '[models."a"]\n[models."b"]\n'})
    whole = load_prices({"p.toml": SOURCE + '[[price]]\nmodel = "a"\n' + PLAIN})
    assert check_priced(models.values(), whole) == ("b",)
    half = load_prices({"p.toml": SOURCE + '[[price]]\nmodel = "a"\ninput_usd_per_mtok = "1"\n'})
    assert unpriced_units(half["a"])
    with pytest.raises(CatalogError, match="output_text"):
        check_priced(models.values(), half)
    embedding = load_models({"v.toml": HEAD + '[models."a"]\nendpoints = ["openai_embeddings"]\n'})
    assert check_priced(embedding.values(), half) == ()
