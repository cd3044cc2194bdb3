"""The model list of OpenAI's dialects, its single entries, and the answer to a count of tokens."""

from collections.abc import Iterable
from typing import Any

import msgspec

from switchgear.wire.neutral.model_card import ModelCard

_encode = msgspec.json.Encoder().encode


def render_models(cards: Iterable[ModelCard]) -> bytes:
    """The body of ``GET /v1/models``, in the order given."""
    return _encode({"object": "list", "data": [_model_object(card) for card in cards]})


def render_model(card: ModelCard) -> bytes:
    """The body of ``GET /v1/models/{id}``."""
    return _encode(_model_object(card))


def render_count(tokens: int) -> bytes:
    """The body of ``POST /v1/responses/input_tokens``."""
    return _encode({"object": "response.input_tokens", "input_tokens": tokens})


def _model_object(card: ModelCard) -> dict[str, Any]:
    return {"id": card.id, "object": "model", "created": card.created, "owned_by": card.owned_by}
