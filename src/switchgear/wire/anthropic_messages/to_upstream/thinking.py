"""Reasoning and sampling for an upstream of this dialect: one switch, never two that disagree."""

from typing import Any

import msgspec

from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import MESSAGES_OUTPUT_TOKENS_DEFAULT
from switchgear.wire.neutral.effort import budget_of, effort_of, fit_effort
from switchgear.wire.neutral.maker import ANTHROPIC
from switchgear.wire.neutral.request import Request, Thinking, Upstream

BUDGET_MIN = 1024
"""Less is refused."""
_TOP_P_MIN = 0.95
"""Of a model that reasons."""


class Switched(msgspec.Struct, frozen=True):
    """Fields of a request that say how much is reasoned and written."""

    max_tokens: int
    thinking: dict[str, Any] | None = None
    effort: str = ""

    @property
    def is_on(self) -> bool:
        return self.thinking is not None and self.thinking["type"] != "disabled"


def switch_thinking(request: Request, facts: ModelFacts, may_reason: bool) -> Switched:
    """``may_reason``: nothing else in the request forbids it."""
    most = facts.output_tokens_max
    wanted = request.output_tokens_max or most or MESSAGES_OUTPUT_TOKENS_DEFAULT
    max_tokens = min(wanted, most) if most else wanted
    thinking = request.thinking
    if thinking is None or facts.thinking in ("none", "always"):
        return Switched(max_tokens)
    if thinking.is_off or not may_reason:
        # Without the field no model of this dialect reasons, but those of other makers do.
        off = thinking.is_off and facts.thinking_off
        return Switched(max_tokens, {"type": "disabled"} if off else None)
    effort = effort_of(thinking)
    if facts.thinking == "adaptive" or (facts.thinking == "manual_adaptive" and not thinking.budget_tokens):
        return Switched(
            max_tokens, _adaptive(thinking, facts), fit_effort(effort, facts.efforts) if effort else ""
        )
    return _manual(request, thinking, facts, max_tokens)


def _adaptive(thinking: Thinking, facts: ModelFacts) -> dict[str, Any]:
    found = {"type": "adaptive"}
    if thinking.show is False:
        found["display"] = "omitted"
    elif facts.thinking == "adaptive":
        # The models that know no other form tell nothing of it unless asked.
        found["display"] = "summarized"
    return found


def _manual(request: Request, thinking: Thinking, facts: ModelFacts, max_tokens: int) -> Switched:
    """The budget fits into ``max_tokens``: that is raised where the model allows it, or where it is our own
    default, else the budget shrinks, else there is none."""
    budget = budget_of(thinking, facts)
    if budget is None or budget < 0:
        budget = budget_of(Thinking(effort="medium"), facts) or BUDGET_MIN
    budget = max(budget, BUDGET_MIN)
    if budget >= max_tokens:
        is_ours = request.output_tokens_max is None and not facts.output_tokens_max
        if is_ours or budget + max_tokens <= facts.output_tokens_max:
            max_tokens += budget
        elif max_tokens > BUDGET_MIN:
            budget = max(BUDGET_MIN, max_tokens // 2)
        else:
            return Switched(max_tokens, {"type": "disabled"} if facts.thinking_off else None)
    return Switched(max_tokens, {"type": "enabled", "budget_tokens": budget})


def write_sampling(
    request: Request, upstream: Upstream, is_thinking: bool
) -> tuple[dict[str, Any], list[str]]:
    """(fields, concepts left out or changed)."""
    facts = upstream.facts
    given = {
        key: getattr(request, key)
        for key in ("temperature", "top_p", "top_k")
        if getattr(request, key) is not None
    }
    found: dict[str, Any] = {}
    dropped: list[str] = []
    for key, value in given.items():
        if (
            facts.no_sampling
            or (is_thinking and not _suits_thinking(key, value))
            or (
                key == "top_p"
                and "temperature" in found
                and (facts.one_sampling or upstream.origin == ANTHROPIC)
            )
        ):
            dropped.append(key)
        elif key == "temperature" and value > 1:
            found[key] = 1.0
            dropped.append(key)
        else:
            found[key] = value
    return found, dropped


def _suits_thinking(key: str, value: float) -> bool:
    return (key == "temperature" and value == 1) or (key == "top_p" and _TOP_P_MIN <= value <= 1)
