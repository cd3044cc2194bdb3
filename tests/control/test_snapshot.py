"""What workers are told to serve. Without these a secret could be lost on the way, a model could be free for
lack of a price, or one wrong channel could take the rest with it unnoticed."""

import msgspec
import pytest

from switchgear.catalog.price import Price, with_id
from switchgear.catalog.schema import Model
from switchgear.control.local_settings import MODEL_ALIAS
from switchgear.control.snapshot import SnapshotError, compile_snapshot
from switchgear.kernel.config import ChannelConfig, ServerConfig
from switchgear.kernel.limits import LOCAL_CALLS_MAX
from switchgear.link.snapshot import ChannelView
from switchgear.store.channels import ChannelRow
from switchgear.vendors.shipped import Shipped, shipped

MODELS = {
    "gpt-5.2": Model("gpt-5.2", "openai", "openai", ("openai_chat",), 5, 400_000, 128_000),
    "odd": Model("odd", "openai", "openai", ("openai_chat",), upstream_id="vendor/odd"),
}
BOOK = {"gpt-5.2": with_id(Price("gpt-5.2", {"input_uncached": 5, "output_text": 9}))}


def compiled(*channels: ChannelConfig, environ=None, prices=(), **more):
    data = Shipped(MODELS, BOOK, shipped().vendors, ())
    rows = [ChannelRow(f"id-{channel.name}", channel) for channel in channels]
    return compile_snapshot(3, {"default": 1_000_000}, rows, prices, data, environ or {}, **more)


def channel(name="a", vendor="openai", **more) -> ChannelConfig:
    return ChannelConfig(**{"name": name, "vendor": vendor, "keys": ("sk-1",), "enabled": True, **more})


def test_a_channel_without_models_serves_the_vendor_s_catalogue():
    snapshot = compiled(channel())
    view = snapshot.channels[0]
    assert view.models == {"gpt-5.2": "gpt-5.2", "odd": "vendor/odd"}
    assert view.endpoints["openai_chat"].endswith("/v1/chat/completions")
    assert (view.auth_header, view.auth_prefix, view.secrets) == ("authorization", "Bearer ", ("sk-1",))
    assert snapshot.models["gpt-5.2"].output_tokens_max == 128_000
    assert snapshot.version == 3


def test_named_models_and_the_map_go_before_the_catalogue():
    given = channel(models=("gpt-5.2", "new"), model_map={"gpt-5.2": "gpt-5.2-2025", "alias": "x"})
    view = compiled(given).channels[0]
    assert view.models == {"gpt-5.2": "gpt-5.2-2025", "new": "new", "alias": "x"}


def test_a_model_without_a_price_is_listed_but_has_none():
    snapshot = compiled(channel())
    assert "odd" in snapshot.models
    assert set(snapshot.prices) == {"gpt-5.2"}


def test_an_operator_s_price_goes_before_the_shipped_one():
    own = with_id(Price("gpt-5.2", {"input_uncached": 1}))
    assert compiled(channel(), prices=[own]).prices["gpt-5.2"] == own


def test_keys_come_from_the_environment_after_the_sealed_ones():
    given = channel(keys_env="UP_KEY")
    assert compiled(given, environ={"UP_KEY": " sk-2\n"}).channels[0].secrets == ("sk-1", "sk-2")
    assert compiled(given).channels[0].secrets == ("sk-1",)


def test_a_channel_without_a_credential_is_left_out_with_a_word(caplog):
    assert compiled(channel(keys=(), keys_env="NOPE"), channel("b")).channels[0].name == "b"
    assert "no credential" in caplog.text


def test_a_disabled_channel_and_what_only_it_serves_are_not_told():
    snapshot = compiled(channel(enabled=False), channel("b", models=("x",)))
    assert [view.name for view in snapshot.channels] == ["b"]
    assert set(snapshot.models) == {"x"}


def test_operations_restrict_the_endpoints_and_headers_add_up():
    view = compiled(channel(operations=("openai_chat",), headers=(("x-team", "7"),))).channels[0]
    assert set(view.endpoints) == {"openai_chat"}
    assert ("x-team", "7") in view.headers


def test_a_channel_speaks_what_it_names_and_asks_each_dialect_in_its_own_way():
    given = channel("b", "compatible", base_url="http://h/v1", dialects=("openai_chat", "anthropic_messages"))
    view = compiled(given).channels[0]
    assert view.endpoints["anthropic_messages"] == "http://h/v1/messages"
    assert "gemini_generate" not in view.endpoints
    assert (view.auth_header, view.auths["anthropic_messages"]) == ("authorization", ("x-api-key", ""))
    assert "openai_chat" not in view.auths
    assert view.headers_of["anthropic_messages"] == (("anthropic-version", "2023-06-01"),)


def test_a_channel_gives_back_all_reasoning_only_where_its_operator_says_so():
    assert not compiled(channel()).channels[0].gives_back_reasoning
    assert compiled(channel(gives_back_reasoning=True)).channels[0].gives_back_reasoning


def test_an_operator_s_header_goes_before_that_of_a_dialect():
    given = channel("b", "anthropic", models=("m",), headers=(("anthropic-version", "2026-10-21"),))
    view = compiled(given).channels[0]
    assert view.headers == (("anthropic-version", "2026-10-21"),)
    assert view.headers_of == {}


def test_a_channel_without_any_operation_is_left_out_with_a_word(caplog):
    given = channel("none", "anthropic", models=("m",), operations=("openai_chat",))
    assert compiled(given, channel("b")).channels[0].name == "b"
    assert "no operation" in caplog.text


def test_a_channel_tells_what_is_known_of_its_upstream_models():
    """Of the model that is really asked, whatever clients call it; of an unknown one nothing is told."""
    rows = [
        ChannelRow(
            "id",
            channel(
                vendor="compatible",
                base_url="http://h",
                models=("mine", "claude-opus-4-7", "unheard-of"),
                model_map={"mine": "gpt-5.1-codex"},
            ),
        )
    ]
    view = compile_snapshot(1, {}, rows, (), shipped(), {}).channels[0]
    assert set(view.facts) == {"gpt-5.1-codex", "claude-opus-4-7"}
    assert view.facts["gpt-5.1-codex"].responses_only
    assert view.facts["claude-opus-4-7"].thinking == "adaptive"
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(view), type=ChannelView)
    assert again == view


def test_the_embedded_channel_has_no_address_of_its_own():
    view = compiled(channel("local", "local", keys=(), models=(MODEL_ALIAS,))).channels[0]
    assert (view.local_model, view.endpoints, view.secrets) == (
        MODEL_ALIAS,
        {"openai_chat": "/chat/completions", "openai_completions": "/completions"},
        (),
    )


def test_the_embedded_channel_has_a_cap_unless_the_operator_sets_another():
    """Its server keeps a thread for each call, in a bounded address space."""
    usual = compiled(channel("local", "local", keys=(), models=(MODEL_ALIAS,)))
    own = compiled(channel("local", "local", keys=(), models=(MODEL_ALIAS,), concurrency=3))
    assert usual.channels[0].concurrency_max == LOCAL_CALLS_MAX
    assert own.channels[0].concurrency_max == 3


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"vendor": "nobody"}, "nobody"),
        ({"base_url": "ftp://x"}, "http"),
        ({"vendor": "compatible", "base_url": None}, "base URL"),
    ],
)
def test_a_channel_that_can_not_be_served_is_named(wrong, says):
    with pytest.raises(SnapshotError, match=says) as fault:
        compiled(channel("broken", **wrong))
    assert "broken" in str(fault.value)
    assert "sk-1" not in str(fault.value)


def test_trusted_proxies_are_told():
    settings = ServerConfig(trusted_proxies=("10.0.0.0/8",), responses_retention_days=0, fetch_ports=(8443,))
    found = compiled(channel(), settings=settings)
    assert (found.trusted_proxies, found.fetch_ports) == (("10.0.0.0/8",), (8443,))
    assert not found.keeps_responses


def test_what_is_shipped_compiles_with_the_embedded_channel():
    rows = [ChannelRow("id", channel("local", "local", keys=()))]
    snapshot = compile_snapshot(1, {}, rows, (), shipped(), {})
    assert MODEL_ALIAS in snapshot.models
    assert MODEL_ALIAS in snapshot.prices
