"""Log probabilities of tokens: Google's form and that of chat, both ways."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.wire.framing.splice import any_of
from switchgear.wire.gemini_generate.values import Json, text

_encode = msgspec.json.Encoder().encode


def read_logprobs(result: Raw) -> Raw | None:
    """``logprobsResult`` as ``choices[].logprobs.content`` of chat; None when it holds nothing."""
    found = any_of(result)
    if not isinstance(found, dict):
        return None
    chosen, tops = _list(found.get("chosenCandidates")), _list(found.get("topCandidates"))
    content = []
    for at, candidate in enumerate(chosen):
        others = tops[at].get("candidates") if at < len(tops) and isinstance(tops[at], dict) else None
        content.append({**_token(candidate), "top_logprobs": [_token(other) for other in _list(others)]})
    return Raw(_encode(content)) if content else None


def logprobs_object(content: Raw) -> Json | None:
    """The reverse."""
    items = [item for item in _list(any_of(content)) if isinstance(item, dict)]
    if not items:
        return None
    return {
        "topCandidates": [
            {"candidates": [_candidate(other) for other in _list(item.get("top_logprobs"))]} for item in items
        ],
        "chosenCandidates": [_candidate(item) for item in items],
    }


def _token(candidate: Any) -> Json:
    found = candidate if isinstance(candidate, dict) else {}
    token = text(found.get("token"))
    return {
        "token": token,
        "logprob": _number(found.get("logProbability")),
        "bytes": list(token.encode("utf-8", "replace")),
    }


def _candidate(item: Any) -> Json:
    found = item if isinstance(item, dict) else {}
    return {"token": text(found.get("token")), "logProbability": _number(found.get("logprob"))}


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
