"""Without this: a usage list that hides, repeats or misorders records, and sums that do not match them."""

import pytest

from switchgear.kernel.config import ChannelConfig, Config, GroupConfig, KeyConfig, UserConfig
from switchgear.store.apply import apply_config
from switchgear.store.channels import list_channels
from switchgear.store.db import Database
from switchgear.store.ingest import ingest
from switchgear.store.keys import list_keys
from switchgear.store.usage import UsageFilter, UsageTotal, list_usage, totals


@pytest.fixture
def records(database: Database, vault, pepper, make_record):
    """Nine records of two keys, three models and three ends, oldest first; the names are known."""
    config = Config(
        groups=(GroupConfig("default"),),
        users=(UserConfig("acme"),),
        keys=(KeyConfig("ci", "acme"),),
        channels=(ChannelConfig("main", "openai"),),
    )
    database.write(lambda c: apply_config(c, vault, pepper, config, 1))
    (key,) = database.read(list_keys)
    (channel,) = database.read(lambda c: list_channels(c, vault))
    made = [
        make_record(
            10**n,
            request_id=f"{n:032x}",
            at_ms=1000 + n,
            user_id=key.user_id if n % 2 else "u2",
            key_id=key.key_id if n % 2 else "k2",
            model=f"m{n % 3}",
            channel=channel.id if n < 4 else "",
            end_state=("complete", "client_gone", "refused")[n % 3],
        )
        for n in range(9)
    ]
    database.write(lambda c: ingest(c, "e1", made, 0, 900))
    return made


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (UsageFilter(), [8, 7, 6, 5, 4, 3, 2, 1, 0]),
        (UsageFilter(since_ms=1003, until_ms=1006), [5, 4, 3]),
        (UsageFilter(key="ci"), [7, 5, 3, 1]),
        (UsageFilter(key="k2"), [8, 6, 4, 2, 0]),
        (UsageFilter(user="acme", model="m1"), [7, 1]),
        (UsageFilter(channel="main"), [3, 2, 1, 0]),
        (UsageFilter(end_state="refused"), [8, 5, 2]),
        (UsageFilter(request_id=f"{4:032x}"), [4]),
        (UsageFilter(key="nobody"), []),
    ],
)
def test_filters_choose_and_newest_comes_first(database: Database, records, wanted, numbers) -> None:
    found = database.read(lambda c: list_usage(c, wanted))
    assert found == [records[n] for n in numbers]
    (total,) = database.read(lambda c: totals(c, wanted))
    nanos = sum(10**n for n in numbers)
    assert total == UsageTotal("", len(numbers), nanos, nanos, 7 * len(numbers))


def test_pages_join_without_gap_or_repeat(database: Database, records) -> None:
    pages, before = [], ""
    while page := database.read(lambda c, b=before: list_usage(c, limit=4, before_id=b)):
        pages.append([record.request_id for record in page])
        before = page[-1].request_id
    assert [len(page) for page in pages] == [4, 4, 1]
    seen = [request_id for page in pages for request_id in page]
    assert seen == [record.request_id for record in reversed(records)]


def test_sums_by_value_come_largest_first(database: Database, records) -> None:
    by_model = database.read(lambda c: totals(c, UsageFilter(), "model"))
    assert [(total.of, total.requests, total.nanos) for total in by_model] == [
        ("m2", 3, 100_100_100),
        ("m1", 3, 10_010_010),
        ("m0", 3, 1_001_001),
    ]
