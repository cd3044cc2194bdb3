"""Without this SDKs of this dialect could page through the model list for ever or miss a part of it, and read
their limits wrongly."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.errors import ApiError
from switchgear.wire.anthropic_messages.models import render_count, render_model, render_models
from switchgear.wire.anthropic_messages.ratelimit import ratelimit_headers
from switchgear.wire.neutral.model_card import ModelCard

MODELS = [ModelCard(f"m{at}", 1_700_000_000 + at) for at in range(25)]


def page(**query: Any) -> dict[str, Any]:
    given = {key: str(value) for key, value in query.items()}
    found: dict[str, Any] = json.loads(render_models(MODELS, given))
    return found


def test_an_entry() -> None:
    expected = {"type": "model", "id": "m0", "display_name": "m0", "created_at": "2023-11-14T22:13:20Z"}
    assert json.loads(render_model(MODELS[0])) == expected
    assert page()["data"][0] == expected


@given(st.integers(1, 9))
def test_pages_forward_hold_every_entry_once(limit: int) -> None:
    seen: list[str] = []
    after = ""
    while True:
        found = page(limit=limit, after_id=after)
        seen += [model["id"] for model in found["data"]]
        assert (found["first_id"], found["last_id"]) == (found["data"][0]["id"], seen[-1])
        if not found["has_more"]:
            break
        after = found["last_id"]
    assert seen == [card.id for card in MODELS]


def test_pages_backward() -> None:
    found = page(limit=2, before_id="m3")
    assert [model["id"] for model in found["data"]] == ["m1", "m2"]
    assert found["has_more"]
    assert not page(limit=3, before_id="m3")["has_more"]


def test_an_empty_list() -> None:
    expected = {"data": [], "has_more": False, "first_id": None, "last_id": None}
    assert json.loads(render_models([], {})) == expected


@pytest.mark.parametrize("text", ["0", "1001", "x", "-1", "1.5", "²", "9" * 5000])
def test_a_limit_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        page(limit=text)
    assert caught.value.param == "limit"


def test_without_a_limit_a_page_has_twenty() -> None:
    assert len(page()["data"]) == len(page(limit="")["data"]) == 20
    assert len(page(limit=1000)["data"]) == 25


def test_bounds_of_a_model_are_told_where_known() -> None:
    found = json.loads(render_model(ModelCard("m", 0, "", 200_000, 64_000)))
    assert (found["max_input_tokens"], found["max_tokens"]) == (200_000, 64_000)


def test_a_count() -> None:
    assert render_count(14) == b'{"input_tokens":14}'


def test_limits_are_told_in_this_dialects_words() -> None:
    assert ratelimit_headers("input-tokens", 10, -1, 1_700_000_000) == [
        ("anthropic-ratelimit-input-tokens-limit", "10"),
        ("anthropic-ratelimit-input-tokens-remaining", "0"),
        ("anthropic-ratelimit-input-tokens-reset", "2023-11-14T22:13:20Z"),
    ]
