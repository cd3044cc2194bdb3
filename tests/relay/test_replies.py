"""Without this a client could not see how much of its key's limits is left, or look for it in vain under the
names that its SDK knows."""

import pytest

from switchgear.kernel.dialects import DialectName
from switchgear.relay.limiter import MINUTE_NS, State, Window
from switchgear.relay.replies import base_headers, limit_headers

NOW_MS = 1_700_000_000_000
HALF_GONE = Window(10, MINUTE_NS // 2)
BOTH = State(None, None, HALF_GONE, Window(1000, 120_000_000))


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses"])
def test_openais_names_and_durations(dialect: DialectName) -> None:
    assert limit_headers(BOTH, dialect, NOW_MS) == [
        ("x-ratelimit-limit-requests", "10"),
        ("x-ratelimit-remaining-requests", "5"),
        ("x-ratelimit-reset-requests", "30s"),
        ("x-ratelimit-limit-tokens", "1000"),
        ("x-ratelimit-remaining-tokens", "998"),
        ("x-ratelimit-reset-tokens", "120ms"),
    ]


def test_anthropics_names_and_dates() -> None:
    assert limit_headers(BOTH, "anthropic_messages", NOW_MS) == [
        ("anthropic-ratelimit-requests-limit", "10"),
        ("anthropic-ratelimit-requests-remaining", "5"),
        ("anthropic-ratelimit-requests-reset", "2023-11-14T22:13:50Z"),
        ("anthropic-ratelimit-tokens-limit", "1000"),
        ("anthropic-ratelimit-tokens-remaining", "998"),
        ("anthropic-ratelimit-tokens-reset", "2023-11-14T22:13:21Z"),
    ]


def test_google_has_no_such_headers() -> None:
    assert limit_headers(BOTH, "gemini_generate", NOW_MS) == []


def test_limits_that_a_key_has_not_are_not_told() -> None:
    only = State(None, None, None, HALF_GONE)
    for dialect in ("openai_chat", "anthropic_messages"):
        names = [name for name, _ in limit_headers(only, dialect, NOW_MS)]  # type: ignore[arg-type]
        assert len(names) == 3
        assert not [name for name in names if "requests" in name]


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic_messages"])
def test_a_browser_may_read_what_is_told(dialect: DialectName) -> None:
    exposed = dict(base_headers("1", dialect))["access-control-expose-headers"].split(", ")
    assert {name for name, _ in limit_headers(BOTH, dialect, NOW_MS)} <= set(exposed)
