"""Without this an upstream could cool a channel for ever, or a bad header could crash the retry logic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.limits import COOL_MAX_S
from switchgear.wire.faults.retry_after import read_retry_after

NOW_S = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 1.2 "}, 2),
        ({"retry-after": "0"}, 1),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "99999999"}, int(COOL_MAX_S)),
        ({"retry-after": "9" * 60}, int(COOL_MAX_S)),
        ({"retry-after": "9" * 6000}, None),
        ({"retry-after-ms": "1500", "retry-after": "60"}, 2),
        ({"retry-after-ms": "x", "retry-after": "60"}, 60),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 -0000"}, 30),
        ({"retry-after": "Tue, 14 Nov 2023 20:00:00 GMT"}, 1),
        ({"retry-after": "Tue, 14 Nov 9999 20:00:00 GMT"}, int(COOL_MAX_S)),
        ({"retry-after": "soon"}, None),
    ],
)
def test_spellings(headers: dict[str, str], seconds: int | None) -> None:
    assert read_retry_after(headers, NOW_S) == seconds


def test_a_date_without_a_clock_says_nothing() -> None:
    assert read_retry_after({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}) is None


@given(st.text(alphabet="0123456789.-+eE nanif:GMT,TueNov²", max_size=70))
def test_any_text_is_safe(text: str) -> None:
    seconds = read_retry_after({"retry-after": text, "retry-after-ms": text}, NOW_S)
    assert seconds is None or 1 <= seconds <= COOL_MAX_S
