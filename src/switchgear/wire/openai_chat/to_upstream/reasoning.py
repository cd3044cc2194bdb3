"""Reasoning of earlier answers in an assistant's message: which of it goes back, and in which fields."""

from collections.abc import Iterable
from typing import Any

from switchgear.wire.neutral.maker import ANTHROPIC
from switchgear.wire.neutral.request import Part, Reasoning, Turn, Upstream
from switchgear.wire.openai_chat.from_client.turns import CLAUDE_FORMAT


def write_reasoning(parts: Iterable[Part], upstream: Upstream) -> dict[str, Any]:
    """Fields of the message: a maker's own signed thoughts, or plain text for models that ask for it."""
    reasonings = [part for part in parts if isinstance(part, Reasoning)]
    own = _signed_here(reasonings, upstream)
    if own:
        text = "".join(part.text for part in reasonings)
        return {"reasoning_content": text, "reasoning_details": [_detail(part) for part in own]}
    text = "".join(part.text for part in reasonings if _goes_back(part, upstream))
    return {"reasoning_content": text} if text else {}


def loses_reasoning(turns: Iterable[Turn], upstream: Upstream) -> bool:
    """Whether a model that might read it does not get what an earlier answer reasoned. Of a model whose
    reasoning is known, nothing is lost: it gets back what it wants."""
    if upstream.facts.thinking or upstream.facts.needs_reasoning_back or upstream.gives_back_reasoning:
        return False
    return any(
        any(isinstance(part, Reasoning) and part.text and not part.is_own for part in turn.parts)
        and not _signed_here((part for part in turn.parts if isinstance(part, Reasoning)), upstream)
        for turn in turns
        if turn.role == "assistant"
    )


def _goes_back(part: Reasoning, upstream: Upstream) -> bool:
    facts = upstream.facts
    if facts.needs_reasoning_back or facts.thinking in ("type", "always"):
        return True
    # A model of which nothing is known reads what it said itself, and may refuse what another one did.
    return not facts.thinking and (part.is_own or upstream.gives_back_reasoning)


def _signed_here(reasonings: Iterable[Reasoning], upstream: Upstream) -> list[Reasoning]:
    """Those with a signature that this upstream takes back in this dialect."""
    if upstream.origin != ANTHROPIC:
        return []
    return [part for part in reasonings if part.opaque is not None and part.opaque.origin == ANTHROPIC]


def _detail(part: Reasoning) -> dict[str, Any]:
    opaque = part.opaque
    if opaque is None or opaque.kind == "redacted":
        return {
            "type": "reasoning.encrypted",
            "format": CLAUDE_FORMAT,
            "data": opaque.payload if opaque else "",
        }
    return {
        "type": "reasoning.text",
        "format": CLAUDE_FORMAT,
        "text": part.text,
        "signature": opaque.payload,
    }
