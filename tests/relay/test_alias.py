"""Without this a client that spells a model's name in another known way would be told that there is none."""

from types import SimpleNamespace

import pytest

from switchgear.relay.alias import Alias, read_alias
from switchgear.wire.neutral.request import Thinking

SNAPSHOT = SimpleNamespace(models={"gemini-2.5-pro": None, "models/odd": None})


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("gemini-2.5-pro", Alias("gemini-2.5-pro")),
        ("models/gemini-2.5-pro", Alias("gemini-2.5-pro", "models/gemini-2.5-pro")),
        ("models/odd", Alias("models/odd")),
        ("unknown", Alias("unknown")),
        ("models/unknown", Alias("models/unknown")),
        (
            "models/gemini-2.5-pro-high",
            Alias("gemini-2.5-pro", "models/gemini-2.5-pro-high", Thinking("high", show=True)),
        ),
    ],
)
def test_a_listed_name_and_one_with_a_wish_are_the_model(name: str, alias: Alias) -> None:
    assert read_alias(SNAPSHOT, name) == alias  # type: ignore[arg-type]
