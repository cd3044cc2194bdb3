"""The model list, page by page, and its single entries; the count of a request's tokens."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from switchgear.kernel.limits import GEMINI_MODELS_PAGE_DEFAULT, GEMINI_MODELS_PAGE_MAX
from switchgear.wire.gemini_generate.values import snake, wrong_value
from switchgear.wire.neutral.model_card import ModelCard

_encode = msgspec.json.Encoder().encode
_GENERATES = ["generateContent", "streamGenerateContent", "countTokens"]
_EMBEDS = ["embedContent", "batchEmbedContents"]


def render_models(cards: Sequence[ModelCard], query: Mapping[str, str]) -> bytes:
    """The body of ``GET /v1beta/models``: ``pageSize`` models from ``pageToken`` on, the place of the
    next one. Raises ApiError INVALID_VALUE."""
    size = _number(query, "pageSize", GEMINI_MODELS_PAGE_DEFAULT)
    size = min(size or GEMINI_MODELS_PAGE_DEFAULT, GEMINI_MODELS_PAGE_MAX)
    start = _number(query, "pageToken", 0)
    page: dict[str, Any] = {"models": [_model_object(card) for card in cards[start : start + size]]}
    if start + size < len(cards):
        page["nextPageToken"] = str(start + size)
    return _encode(page)


def render_model(card: ModelCard) -> bytes:
    """The body of ``GET /v1beta/models/{id}``."""
    return _encode(_model_object(card))


def render_count(tokens: int) -> bytes:
    """The body of an answer to ``:countTokens``."""
    return _encode({"totalTokens": tokens})


def _model_object(card: ModelCard) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": f"models/{card.id}",
        "version": "001",
        "displayName": card.id,
        "description": f"{card.id} by {card.owned_by}" if card.owned_by else card.id,
    }
    if card.context_tokens:
        found["inputTokenLimit"] = card.context_tokens
    if card.output_tokens_max:
        found["outputTokenLimit"] = card.output_tokens_max
    found["supportedGenerationMethods"] = _EMBEDS if "embed" in card.id else _GENERATES
    return found


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    written = query.get(name) or query.get(snake(name)) or ""
    if not written:
        return default
    if not (written.isascii() and written.isdigit() and len(written) <= 6):
        raise wrong_value(name, "expected a number of up to six digits")
    return int(written)
