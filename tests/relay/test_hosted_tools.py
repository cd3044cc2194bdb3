"""Tools that an upstream runs itself: told from the request, reserved and refused before it is asked.

Without it a search on a model that prices none would be free, or a wallet of a cent could buy many.
"""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from switchgear.catalog.calls import load_call_families, with_call_rates
from switchgear.catalog.document import CatalogError
from switchgear.catalog.estimate import cost_bound
from switchgear.catalog.price import Price, charge
from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import RESERVE_HOSTED_CALLS
from switchgear.kernel.usage import Usage
from switchgear.link.snapshot import ModelView
from switchgear.relay.admit import Terms, check_tools
from switchgear.vendors.shipped import shipped
from switchgear.wire.dialects import DIALECT_OF_OPERATION

MODEL = ModelView(id="m", owned_by="v", created=0)
PLAIN = {"input_uncached": 1, "output_text": 1}
HEAD = '[source]\nname = "n"\nread_on = 2026-11-24\n'
DEFAULT = RESERVE_HOSTED_CALLS


@pytest.mark.parametrize(
    ("operation", "body", "model", "expected"),
    [
        ("openai_responses", {"tools": [{"type": "web_search"}]}, "m", {"search_calls": DEFAULT}),
        (
            "openai_responses",
            {"tools": [{"type": "web_search_preview"}], "max_tool_calls": 7},
            "m",
            {"search_calls": 7},
        ),
        ("openai_responses", {"tools": [{"type": "code_interpreter"}]}, "m", {"code_sessions": 1}),
        ("openai_responses", {"tools": [{"type": "function", "name": "web_search"}]}, "m", {}),
        ("openai_responses", {"tools": [{"type": "shell", "environment": {"type": "local"}}]}, "m", {}),
        (
            "anthropic_messages",
            {"tools": [{"type": "web_search_20250305", "max_uses": 2}]},
            "m",
            {"search_calls": 2},
        ),
        ("anthropic_messages", {"tools": [{"type": "web_fetch_20250910"}]}, "m", {}),
        ("gemini_generate", {"tools": [{"google_search": {}}]}, "gemini-2.5-pro", {"search_calls": 1}),
        ("gemini_generate", {"tools": [{"googleSearch": {}}]}, "gemini-3-pro", {"search_calls": DEFAULT}),
        ("gemini_generate", {"tools": [{"codeExecution": {}}]}, "gemini-3-pro", {}),
        ("openai_chat", {"web_search_options": {}}, "gpt-4o", {"search_calls": 1}),
        ("openai_chat", {}, "gpt-4o-search-preview", {"search_calls": 1}),
        ("openai_chat", {"enable_search": False}, "qwen-max", {}),
        ("openai_chat", {"tools": [{"type": "function", "function": {"name": "search"}}]}, "gpt-4o", {}),
    ],
)
def test_a_request_tells_what_it_offers(operation: Any, body: Any, model: str, expected: Any) -> None:
    fields = {key: Raw(msgspec.json.encode(value)) for key, value in body.items()}
    assert DIALECT_OF_OPERATION[operation].calls_offered(fields, model) == expected


def test_a_tool_without_a_price_is_refused_by_name_unless_all_is_free() -> None:
    calls = {"search_calls": 1}
    with pytest.raises(ApiError, match="web search") as refused:
        check_tools(Terms(MODEL, Price("m", PLAIN), 1_000_000), calls)
    assert (refused.value.row.status, refused.value.param) == (400, "tools")
    for rates in ({"search_calls": 0}, {"calls": 5}):
        check_tools(Terms(MODEL, Price("m", PLAIN | rates), 1_000_000), calls)
    check_tools(Terms(MODEL, Price("m", PLAIN), 0), calls)


def test_what_is_reserved_covers_the_calls_offered() -> None:
    price = Price("m", PLAIN | {"search_calls": 10_000 * 10**9})
    held = cost_bound(price, 1, choices=1, ratio_ppm=2_000_000, calls={"search_calls": 3}).nanos(1)
    cost = charge(price, Usage(1, output_text=1, search_calls=3), 2_000_000)
    assert cost.nanos == 60_000_000
    assert held >= cost.nanos
    assert ("search_calls", 3) in [(line.unit, line.count) for line in cost.lines]


def test_a_familys_rates_complete_a_price_and_never_override_it() -> None:
    text = HEAD + '[[calls]]\nmodels = ["a-*"]\nsource = "s"\nusd_per_1k_search_calls = "10"\n'
    text += '[[calls]]\nmodels = ["a-1*"]\nsource = "s"\nusd_per_1k_search_calls = "35"\n'
    families = load_call_families({"p.toml": text})

    def rates(model: str, **own: int) -> dict[str, int]:
        return with_call_rates(Price(model, PLAIN | own), families).rates

    usd = 10**12
    assert rates("a-2")["search_calls"] == 10 * usd
    assert rates("vendor/A-1x")["search_calls"] == 35 * usd
    assert rates("a-2", search_calls=1)["search_calls"] == 1
    assert "search_calls" not in rates("a-2", calls=1)
    assert rates("b") == PLAIN
    with pytest.raises(CatalogError, match="two places"):
        load_call_families({"p.toml": text, "q.toml": text})


def test_every_shipped_model_of_the_makers_of_hosted_search_prices_it() -> None:
    data = shipped()
    for vendor in ("openai", "anthropic", "gemini"):
        for model in data.models_of(vendor):
            if "embed" not in model.id and model.id in data.prices:
                assert data.prices[model.id].rates.get("search_calls"), model.id
