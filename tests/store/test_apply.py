"""Without this: a restart that funds a wallet again, makes a second key, or revives a disabled one."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from switchgear.kernel.config import (
    ChannelConfig,
    Config,
    GroupConfig,
    KeyConfig,
    PriceConfig,
    PriceTierConfig,
    UserConfig,
)
from switchgear.kernel.ids import new_api_key
from switchgear.kernel.secret import key_digest
from switchgear.ledger import chart
from switchgear.store.accounts import balance, top_up
from switchgear.store.apply import ApplyError, ApplyReport, apply_config
from switchgear.store.auditing import drift
from switchgear.store.channels import list_channels, set_channel_enabled
from switchgear.store.db import Database
from switchgear.store.groups import list_groups
from switchgear.store.keys import create_key, find_principal, list_keys, set_key_status
from switchgear.store.prices import list_prices
from switchgear.store.rows import config_version
from switchgear.store.users import create_user, list_users, set_user_status, top_up_user, user_id

KEY = "sk-" + "A1" * 24
FULL = Config(
    groups=(GroupConfig("default"), GroupConfig("vip", 800_000)),
    users=(UserConfig("acme", 10_000_000_000),),
    keys=(
        KeyConfig(
            "ci",
            "acme",
            KEY,
            quota_nanos=5_000,
            models=("gpt-5.2",),
            allow_ips=("127.0.0.0/8",),
            rpm=600,
            tpm=9,
            concurrency=3,
            expires_at_ms=2_000_000_000_000,
        ),
        KeyConfig("dev", "acme", group="vip"),
    ),
    channels=(
        ChannelConfig(
            "main",
            "openai",
            "http://127.0.0.1:9000/v1",
            keys=("sk-up-1", "sk-up-2"),
            models=("gpt-5.2",),
            model_map={"gpt-5.2": "gpt-5.2-2025-12-11"},
            timeouts={"connect_s": 2.5},
            weight=3,
            priority=-1,
            headers=(("x-team", "blue"),),
            dialects=("openai_chat", "anthropic_messages"),
            operations=("openai_chat",),
            finish_on_client_gone=True,
            client_gone_read_s=0.5,
            doubt_usage=True,
            only_streams=True,
            asks_usage=False,
            gives_back_reasoning=True,
        ),
        ChannelConfig("env", "deepseek", keys_env="DEEPSEEK_API_KEY", enabled=False, groups=("vip",)),
    ),
    prices=(
        PriceConfig("gpt-5.2", {"input_uncached": 17}, (PriceTierConfig(200_000, {"output_text": 30}),)),
    ),
)


@pytest.fixture
def apply(database: Database, vault, pepper):
    def run(config: Config, now_ms: int = 1) -> ApplyReport:
        return database.write(lambda c: apply_config(c, vault, pepper, config, now_ms))

    return run


def test_what_a_file_says_is_there_afterwards(database: Database, apply, vault, pepper) -> None:
    report = apply(FULL, now_ms=77)
    assert [name for name, _ in report.created_keys] == ["dev"]
    assert database.read(list_groups) == {"default": 1_000_000, "vip": 800_000}
    (acme,) = database.read(list_users)
    assert (acme.name, acme.status, acme.balance_nanos, acme.created_at_ms) == (
        "acme",
        "active",
        10_000_000_000,
        77,
    )
    principal = database.read(lambda c: find_principal(c, key_digest(KEY, pepper)))
    assert principal is not None
    assert msgspec.structs.asdict(principal) == {
        "key_id": principal.key_id,
        "key_name": "ci",
        "key_masked": "sk-…A1A1",
        "user_id": acme.id,
        "user_name": "acme",
        "group": "default",
        "wallet": chart.wallet(acme.id),
        "budget": chart.budget(principal.key_id),
        "status": "active",
        "expires_at_ms": 2_000_000_000_000,
        "models": ("gpt-5.2",),
        "allow_ips": ("127.0.0.0/8",),
        "rpm": 600,
        "tpm": 9,
        "concurrency": 3,
        "slot": 1,
    }
    assert database.read(lambda c: balance(c, principal.budget)) == 5_000
    generated = database.read(lambda c: find_principal(c, key_digest(report.created_keys[0][1], pepper)))
    assert generated is not None
    assert (generated.key_name, generated.group, generated.budget, generated.slot) == ("dev", "vip", "", 2)
    channels = {row.config.name: row.config for row in database.read(lambda c: list_channels(c, vault))}
    assert channels["main"] == msgspec.structs.replace(FULL.channels[0], enabled=True)
    assert channels["env"] == FULL.channels[1]
    (price,) = database.read(list_prices)
    assert (price.model, price.rates, price.source) == ("gpt-5.2", {"input_uncached": 17}, "operator")
    assert [(tier.above_input_tokens, tier.rates) for tier in price.tiers] == [(200_000, {"output_text": 30})]
    assert len(price.id) == 16


def test_the_second_time_changes_nothing(database: Database, apply) -> None:
    apply(FULL)
    version = database.read(config_version)
    assert version == 1
    assert apply(FULL, now_ms=99) == ApplyReport((), ())
    assert database.read(config_version) == version


def test_changes_are_named_without_secrets_and_bump_the_version_once(database: Database, apply) -> None:
    apply(FULL)
    fresh = new_api_key()
    changed = msgspec.structs.replace(
        FULL,
        users=(UserConfig("acme", 9_000_000_000, "disabled"),),
        keys=(msgspec.structs.replace(FULL.keys[0], key=fresh, rpm=5),),
        channels=(msgspec.structs.replace(FULL.channels[0], keys=("sk-up-3",)),),
        prices=(PriceConfig("gpt-5.2", {"input_uncached": 18}),),
    )
    report = apply(changed)
    assert report.changes == (
        "user 'acme': changed status",
        "user 'acme': wallet -1000000000 nanos",
        "key 'ci': changed rpm, key",
        "channel 'main': changed secrets",
        "price 'gpt-5.2': changed rates, tiers",
    )
    assert database.read(config_version) == 2
    assert fresh not in repr(report)


def test_a_key_is_replaced_or_kept_as_the_file_says(database: Database, apply, pepper) -> None:
    apply(FULL)
    without_key = msgspec.structs.replace(FULL.keys[0], key=None)
    assert apply(Config(keys=(without_key,))).changes == ()
    fresh = new_api_key()
    report = apply(Config(keys=(msgspec.structs.replace(FULL.keys[0], key=fresh),)))
    assert report == ApplyReport((), ("key 'ci': changed key",))
    assert database.read(lambda c: find_principal(c, key_digest(KEY, pepper))) is None
    found = database.read(lambda c: find_principal(c, key_digest(fresh, pepper)))
    assert found is not None
    assert (found.key_name, found.slot) == ("ci", 1)


def test_declared_money_is_a_total_and_leaves_top_ups_alone(database: Database, apply) -> None:
    def with_balance(nanos: int | None) -> Config:
        return Config(users=(UserConfig("acme", nanos),))

    apply(with_balance(100))
    wallet = chart.wallet(database.read(lambda c: user_id(c, "acme")))
    database.write(lambda c: top_up_user(c, "acme", 7, "invoice", 2))
    for declared, expected in ((100, 107), (150, 157), (None, 157), (20, 27), (0, 7), (0, 7), (100, 107)):
        apply(with_balance(declared))
        assert database.read(lambda c: balance(c, wallet)) == expected
    assert database.read(drift) == 0


def test_what_an_operator_switched_off_stays_off(database: Database, apply, vault, pepper) -> None:
    apply(FULL)
    assert database.write(lambda c: set_key_status(c, "ci", disabled=True))
    assert database.write(lambda c: set_user_status(c, "acme", "disabled"))
    assert database.write(lambda c: set_channel_enabled(c, "main", enabled=False))
    assert database.read(config_version) == 4
    assert apply(FULL).changes == ()
    (ci, _dev) = database.read(list_keys)
    assert ci.status == "user_disabled"
    database.write(lambda c: set_user_status(c, "acme", "active"))
    (ci, dev) = database.read(list_keys)
    assert (ci.status, dev.status) == ("key_disabled", "active")
    assert [row.enabled for row in database.read(lambda c: list_channels(c, vault))] == [False, False]
    # Saying it again changes nothing and wakes nobody.
    assert not database.write(lambda c: set_key_status(c, "ci", disabled=True))
    assert database.read(config_version) == 5
    # A file that does say it is obeyed.
    assert apply(Config(keys=(msgspec.structs.replace(FULL.keys[0], disabled=False),))).changes == (
        "key 'ci': changed disabled",
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (Config(keys=(KeyConfig("k", "acme", group="nope"),)), "key 'k': there is no group 'nope'"),
        (Config(keys=(KeyConfig("k", "nobody"),)), "key 'k': there is no user 'nobody'"),
        (Config(keys=(KeyConfig("k", "acme", KEY),)), "key 'k': this key already belongs to 'ci'"),
        (Config(channels=(ChannelConfig("c", "openai", groups=("nope",)),)), "channel 'c': there is no"),
        (Config(users=(UserConfig("new", 5), UserConfig("new"))), "user 'new': defined twice"),
    ],
)
def test_a_bad_reference_names_the_object_and_leaves_nothing(
    database: Database, apply, config: Config, words: str
) -> None:
    apply(FULL)
    mixed = msgspec.structs.replace(config, users=(*config.users, UserConfig("other", 9)))
    with pytest.raises(ApplyError, match=words):
        apply(mixed)
    assert [user.name for user in database.read(list_users)] == ["acme"]
    assert database.read(config_version) == 1


def test_creating_by_hand_refuses_what_is_there(database: Database, apply, pepper) -> None:
    apply(FULL)
    plain = database.write(lambda c: create_key(c, pepper, KeyConfig("extra", "acme"), 5))
    assert plain is not None
    given = KeyConfig("given", "acme", new_api_key())
    assert database.write(lambda c: create_key(c, pepper, given, 5)) is None
    assert database.read(config_version) == 3
    assert [key.slot for key in database.read(list_keys)] == [1, 2, 3, 4]
    with pytest.raises(ApplyError, match="key 'extra': already exists"):
        database.write(lambda c: create_key(c, pepper, KeyConfig("extra", "acme"), 5))
    identifier = database.write(lambda c: create_user(c, UserConfig("bob", 3), 5))
    assert database.write(lambda c: top_up(c, identifier, 4, "r", 6)) == 7
    with pytest.raises(ApplyError, match="user 'bob': already exists"):
        database.write(lambda c: create_user(c, UserConfig("bob"), 5))
    for missing in (
        lambda c: set_key_status(c, "nope", True),
        lambda c: set_user_status(c, "nope", "disabled"),
        lambda c: set_channel_enabled(c, "nope", True),
    ):
        with pytest.raises(ApplyError, match="'nope'"):
            database.write(missing)


_money = st.none() | st.integers(0, 10**12)
_users = st.builds(UserConfig, st.sampled_from("ab"), _money, st.sampled_from([None, "active", "disabled"]))
_keys = st.builds(
    KeyConfig,
    st.sampled_from("xy"),
    st.sampled_from("ab"),
    st.none(),
    st.sampled_from(["default", "vip"]),
    _money,
    st.lists(st.sampled_from(["m1", "m2"]), unique=True).map(tuple),
    rpm=st.integers(0, 3),
    disabled=st.none() | st.booleans(),
)
_channels = st.builds(
    ChannelConfig,
    st.sampled_from("pq"),
    st.just("compatible"),
    keys=st.lists(st.sampled_from(["s1", "s2"]), max_size=3).map(tuple),
    models=st.none() | st.just(()) | st.just(("m1",)),
    dialects=st.sampled_from([(), ("openai_chat",), ("openai_chat", "gemini_generate")]),
    timeouts=st.dictionaries(st.just("total_s"), st.floats(0.1, 99)),
    headers=st.sampled_from([(), (("h", "v"),)]),
    enabled=st.none() | st.booleans(),
)


def _named(name: str) -> st.SearchStrategy[UserConfig]:
    return _users.map(lambda user: msgspec.structs.replace(user, name=name))


_configs = st.builds(
    Config,
    groups=st.builds(
        lambda ratio: (GroupConfig("default"), GroupConfig("vip", ratio)), st.integers(0, 2_000_000)
    ),
    users=st.tuples(_named("a"), _named("b")),
    keys=st.lists(_keys, unique_by=lambda key: key.name).map(tuple),
    channels=st.lists(_channels, unique_by=lambda channel: channel.name).map(tuple),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(_configs, min_size=1, max_size=3))
def test_any_file_settles_at_its_second_apply(database: Database, apply, vault, files) -> None:
    """Whatever was applied before: twice is once, the version moves only with changes, and totals hold."""
    for config in files:
        before = database.read(config_version)
        first = apply(config)
        after = database.read(config_version)
        assert after - before == bool(first.changes)
        assert apply(config) == ApplyReport((), ())
        assert database.read(config_version) == after
        held = {user.name: user.balance_nanos for user in database.read(list_users)}
        for user in config.users:
            assert user.balance_nanos is None or held[user.name] == user.balance_nanos
        stored = {row.config.name: row.config for row in database.read(lambda c: list_channels(c, vault))}
        for channel in config.channels:
            kept = stored[channel.name]
            assert channel.enabled is None or kept.enabled == channel.enabled
            assert kept == msgspec.structs.replace(channel, enabled=kept.enabled)
    assert database.read(drift) == 0
