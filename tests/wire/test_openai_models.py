"""Without this SDKs could not list or retrieve models, as they read each of the four keys."""

import json

from switchgear.wire.neutral.model_card import ModelCard
from switchgear.wire.openai_shared.models import render_model, render_models


def test_list_keeps_the_order() -> None:
    assert json.loads(render_models([ModelCard("b/x", 5, "acme"), ModelCard("a", 0, "z")])) == {
        "object": "list",
        "data": [
            {"id": "b/x", "object": "model", "created": 5, "owned_by": "acme"},
            {"id": "a", "object": "model", "created": 0, "owned_by": "z"},
        ],
    }
    assert json.loads(render_models([])) == {"object": "list", "data": []}


def test_one() -> None:
    assert json.loads(render_model(ModelCard("a", 7, "z"))) == {
        "id": "a",
        "object": "model",
        "created": 7,
        "owned_by": "z",
    }
