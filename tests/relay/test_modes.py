"""Without this a client could have a faster service at the price of the usual one, or another model."""

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from tests.wire.pairs.relay import PRICE, SEALS, WHO

from switchgear.catalog.document import CatalogError
from switchgear.catalog.modes import in_modes, load_mode_families, served_modes, with_modes
from switchgear.catalog.price import Price, Tier, charge
from switchgear.kernel.dialects import OperationName
from switchgear.kernel.errors import ApiError
from switchgear.kernel.money import PPM
from switchgear.kernel.usage import Usage
from switchgear.link.snapshot import ChannelView, ModelView
from switchgear.relay.admit import Terms
from switchgear.relay.hold import Wanted
from switchgear.relay.plan import WAYS, Candidate
from switchgear.relay.prepare import Preparation, Prepared
from switchgear.vendors.channel import resolve
from switchgear.vendors.shipped import shipped
from switchgear.wire.call import InPath
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.modes import ModeReports, modes_of

MODES = {"service_tier:priority": 2 * PPM, "service_tier:flex": PPM // 2, "speed:fast": 6 * PPM}
PRICED = msgspec.structs.replace(PRICE, modes=MODES)
HEAD = '[source]\nname = "n"\nread_on = 2026-11-24\n'
SAYS = {
    "openai_chat": {"messages": [{"role": "user", "content": "Hi"}]},
    "openai_responses": {"input": "Hi"},
    "anthropic_messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9},
    "gemini_generate": {"contents": [{"parts": [{"text": "Hi"}]}]},
}
Dialect = Any
DIALECTS: tuple[Dialect, ...] = tuple(SAYS)


def raws(body: dict[str, Any]) -> dict[str, Raw]:
    return {key: Raw(msgspec.json.encode(value)) for key, value in body.items()}


def preparation_for(
    client: OperationName, upstream: OperationName, more: dict[str, Any], *, vendor: str, priced: bool
) -> tuple[Preparation, Candidate, Wanted]:
    dialect = DIALECT_OF_OPERATION[client]
    call = dialect.read_call(client, raws({**SAYS[client], "model": "m1", **more}), "m1", InPath())
    place = resolve(shipped().vendors[vendor], "http://127.0.0.1:1", (upstream,))
    channel = ChannelView(
        "ch", "ch", vendor, place.endpoints, "authorization", "Bearer ", ("s",), {"m1": "m1"}, ("default",),
        omit=place.omit, refuse=place.refuse,
    )  # fmt: skip
    ways: tuple[OperationName, ...] = tuple(way for way in WAYS[client] if way in channel.endpoints)
    candidate = Candidate(channel, 0, "m1", ways)
    terms = Terms(ModelView("m1", "v"), PRICED if priced else PRICE, PPM)

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    preparation = Preparation(call, dialect, WHO, SEALS, nothing, nothing, terms)
    return preparation, candidate, Wanted(call, dialect, terms, preparation.fit(candidate))


def prepared_for(
    client: OperationName,
    upstream: OperationName,
    more: dict[str, Any],
    *,
    vendor: str = "compatible",
    priced: bool = True,
) -> Prepared:
    preparation, candidate, _ = preparation_for(client, upstream, more, vendor=vendor, priced=priced)
    return asyncio.run(preparation.prepare(candidate))


TIER_FIELD = {"gemini_generate": "serviceTier"}


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("priced", [True, False])
def test_a_tier_is_served_at_its_price_or_left_out_and_named(
    client: Dialect, upstream: Dialect, priced: bool
) -> None:
    field = TIER_FIELD.get(client, "service_tier")
    made = prepared_for(client, upstream, {field: "priority"}, priced=priced)
    body = msgspec.json.decode(made.body)
    sent = body.get(TIER_FIELD.get(upstream, "service_tier"))
    if sent == "priority":
        assert priced
        assert made.modes == ("service_tier:priority",)
        assert made.dropped == ()
    else:
        assert sent is None
        assert made.modes == ()
        assert field in made.dropped or client == "anthropic_messages"
    if client == upstream:
        assert (sent == "priority") is priced


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("value", ["auto", "default", None])
def test_what_asks_for_nothing_more_passes(client: Dialect, value: str | None) -> None:
    field = TIER_FIELD.get(client, "service_tier")
    made = prepared_for(client, client, {field: value}, priced=False)
    assert made.modes == made.dropped == ()


@pytest.mark.parametrize("value", [5, ["priority"], {"a": 1}, "PRIORITY", "fast", "scale", "ultrafast"])
def test_no_spelling_of_a_tier_passes_unpriced(value: Any) -> None:
    made = prepared_for("openai_chat", "openai_chat", {"service_tier": value}, priced=False)
    assert made.dropped == ("service_tier",)
    assert b"service_tier" not in made.body


def test_fast_and_priority_are_one_tier_in_every_spelling() -> None:
    for value in ("fast", "Priority", "SERVICE_TIER_PRIORITY"):
        for field in ("service_tier", "serviceTier"):
            modes = modes_of("gemini_generate", raws({field: value}))
            assert [mode.name for mode in modes] == ["service_tier:priority"]


def test_speed_and_place_of_a_messages_call() -> None:
    made = prepared_for("anthropic_messages", "anthropic_messages", {"speed": "fast"})
    assert made.modes == ("speed:fast",)
    assert b'"speed":"fast"' in made.body
    made = prepared_for("anthropic_messages", "anthropic_messages", {"speed": "fast"}, priced=False)
    assert made.dropped == ("speed",)
    assert b"speed" not in made.body
    with pytest.raises(ApiError, match="'inference_geo' changes what") as refused:
        prepared_for("anthropic_messages", "anthropic_messages", {"inference_geo": "us"})
    assert (refused.value.row.status, refused.value.param) == (400, "inference_geo")
    made = prepared_for("anthropic_messages", "anthropic_messages", {"inference_geo": "global"})
    assert b"inference_geo" in made.body


@pytest.mark.parametrize("vendor", ["openrouter", "compatible"])
def test_a_routers_own_switches_are_left_out_or_refused(vendor: str) -> None:
    more = {"models": ["a/dear", "b/dear"], "route": "fallback", "seed": 1}
    made = prepared_for("openai_chat", "openai_chat", more, vendor=vendor)
    assert made.dropped == ("models", "route")
    assert set(msgspec.json.decode(made.body)) == {"model", "messages", "seed"}
    for field, value in (("plugins", [{"id": "web"}]), ("provider", {"sort": "throughput"}), ("preset", "x")):
        with pytest.raises(ApiError, match=f"'{field}' changes what"):
            prepared_for("openai_chat", "openai_chat", {field: value}, vendor=vendor)


def test_the_dearer_of_the_asked_and_the_usual_price_is_held() -> None:
    def held(tier: str) -> int:
        more = {"service_tier": tier, "max_tokens": 100}
        _, _, wanted = preparation_for("openai_chat", "openai_chat", more, vendor="openai", priced=True)
        return wanted.bound().nanos(wanted.most)

    assert held("priority") == 2 * held("auto")
    assert held("flex") == held("auto")


REPLIES = {
    "chat": b'{"choices":[{"message":{"content":"\\"service_tier\\":\\"flex\\""}}],"service_tier":"%s"}',
    "messages": b'{"content":[{"type":"tool_use","input":{"service_tier":"flex"}}],'
    b'"usage":{"service_tier":"%s"}}',
    "gemini": b'{"candidates":[],"usageMetadata":{"promptTokenCount":1,"serviceTier":"%s"}}',
    "stream": b'data: {"type":"response.created","response":{"service_tier":"auto"}}\n\n'
    b'data: {"type":"response.completed","response":{"service_tier":"%s"}}\n\n',
}


@pytest.mark.parametrize("form", REPLIES)
@pytest.mark.parametrize(
    ("asked", "said", "ratio"),
    [
        ("service_tier:priority", "priority", 2),
        ("service_tier:priority", "fast", 2),
        ("service_tier:priority", "auto", 2),
        ("service_tier:priority", "default", 1),
        ("service_tier:priority", "flex", 0.5),
        ("service_tier:flex", "flex", 0.5),
        ("service_tier:flex", "default", 1),
        ("service_tier:flex", "priority", 0.5),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_what_the_upstream_served_is_charged_within_what_was_asked(
    form: str, asked: str, said: str, ratio: float, size: int
) -> None:
    reports = ModeReports({})
    body = REPLIES[form] % said.encode()
    if form == "messages" and said == "auto":
        return  # nothing said after the model's own words
    for at in range(0, len(body), size):
        reports.feed(body[at : at + size])
    served = in_modes(PRICED, served_modes(PRICED, (asked,), reports.served))
    usage = Usage(1000, output_text=1000)
    assert charge(served, usage, PPM).nanos == int(charge(PRICED, usage, PPM).nanos * ratio)


def test_googles_header_tells_it_as_well() -> None:
    assert ModeReports({"x-gemini-service-tier": "standard"}).served == {"service_tier": "service_tier:"}


def test_tiers_by_size_are_scaled_and_hosted_tools_are_not() -> None:
    price = Price(
        "m", {"input_uncached": 10, "search_calls": 7}, (Tier(5, {"input_uncached": 20}),), modes=MODES
    )
    dear = in_modes(price, ("service_tier:priority",))
    assert dear.rates == {"input_uncached": 20, "search_calls": 7}
    assert dear.tiers == (Tier(5, {"input_uncached": 40}),)
    assert in_modes(price, ("unknown:mode",)) is price


def test_families_of_models_price_modes_and_mistakes_are_named() -> None:
    text = HEAD + '[[modes]]\nmodels = ["a-*"]\nsource = "s"\nratios = { "speed:fast" = "2" }\n'
    text += '[[modes]]\nmodels = ["a-1*"]\nsource = "s"\nratios = { "speed:fast" = "1.1" }\n'
    families = load_mode_families({"p.toml": text})
    assert with_modes(Price("v/A-2", {}), families).modes == {"speed:fast": 2 * PPM}
    assert with_modes(Price("a-1b", {}), families).modes == {"speed:fast": 1_100_000}
    assert with_modes(Price("b", {}), families).modes == {}
    for wrong, problem in (("speed:fast", "two places"), ("fast", "a mode is")):
        more = f'[[modes]]\nmodels = ["a-*"]\nsource = "s"\nratios = {{ "{wrong}" = "2" }}\n'
        with pytest.raises(CatalogError, match=problem):
            load_mode_families({"p.toml": text, "q.toml": HEAD + more})


def test_the_shipped_models_of_vendors_with_tiers_have_them_priced() -> None:
    prices = shipped().prices
    assert prices["gpt-5.2"].modes == {"service_tier:priority": 2 * PPM, "service_tier:flex": PPM // 2}
    assert prices["gpt-5-mini"].modes["service_tier:priority"] == 1_800_000
    assert prices["claude-opus-5-5"].modes == {"speed:fast": 2 * PPM, "inference_geo:us": 1_100_000}
    assert prices["gemini-3.5-flash"].modes["service_tier:flex"] == PPM // 2
