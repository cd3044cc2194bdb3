"""The model list and its single entries."""

from collections.abc import Iterable
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode

Model = tuple[str, int, str]
"""(id, created in Unix seconds, owned_by)."""


def render_models(models: Iterable[Model]) -> bytes:
    """The body of ``GET /v1/models``, in the order given."""
    return _encode({"object": "list", "data": [_model_object(model) for model in models]})


def render_model(model: Model) -> bytes:
    """The body of ``GET /v1/models/{id}``."""
    return _encode(_model_object(model))


def _model_object(model: Model) -> dict[str, Any]:
    model_id, created, owned_by = model
    return {"id": model_id, "object": "model", "created": created, "owned_by": owned_by}
