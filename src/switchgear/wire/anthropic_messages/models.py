"""The model list, page by page, and its single entries; the count of a request's tokens."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.kernel.limits import MODELS_PAGE_DEFAULT, MODELS_PAGE_MAX
from switchgear.wire.neutral.model_card import ModelCard

_encode = msgspec.json.Encoder().encode


def render_models(cards: Sequence[ModelCard], query: Mapping[str, str]) -> bytes:
    """The body of ``GET /v1/models``: at most ``limit`` in the order given, those right after ``after_id`` or
    right before ``before_id``. An id that is not in the list cuts nothing off. Raises ApiError INVALID_VALUE
    for a ``limit`` that is no number within its bounds."""
    limit = _read_limit(query.get("limit", ""))
    after_id, before_id = query.get("after_id", ""), query.get("before_id", "")
    ids = [card.id for card in cards]
    if before_id in ids:
        end = ids.index(before_id)
        start = max(0, end - limit)
        has_more = start > 0
    else:
        start = ids.index(after_id) + 1 if after_id in ids else 0
        end = start + limit
        has_more = end < len(ids)
    page = [_model_object(card) for card in cards[start:end]]
    return _encode(
        {
            "data": page,
            "has_more": has_more,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }
    )


def render_model(card: ModelCard) -> bytes:
    """The body of ``GET /v1/models/{id}``."""
    return _encode(_model_object(card))


def render_count(tokens: int) -> bytes:
    """The body of an answer to ``/v1/messages/count_tokens``."""
    return _encode({"input_tokens": tokens})


def _model_object(card: ModelCard) -> dict[str, Any]:
    at = datetime.fromtimestamp(card.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found: dict[str, Any] = {"type": "model", "id": card.id, "display_name": card.id, "created_at": at}
    if card.context_tokens:
        found["max_input_tokens"] = card.context_tokens
    if card.output_tokens_max:
        found["max_tokens"] = card.output_tokens_max
    return found


def _read_limit(text: str) -> int:
    if not text:
        return MODELS_PAGE_DEFAULT
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= MODELS_PAGE_MAX):
        raise ApiError(INVALID_VALUE, f"expected a number from 1 to {MODELS_PAGE_MAX}", param="limit")
    return int(text)
