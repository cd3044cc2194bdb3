"""The switches for reasoning that this dialect has grown: each vendor's own, read as one notion and
written as the upstream's model wants it."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.wire.neutral.effort import (
    EFFORTS,
    QWEN_BUDGETS,
    budget_of,
    effort_of,
    fit_effort,
    says_effort,
)
from switchgear.wire.neutral.request import Thinking
from switchgear.wire.openai_chat.values import value_of

SWITCHES = (
    "reasoning_effort",
    "reasoning",
    "thinking",
    "enable_thinking",
    "thinking_budget",
    "chat_template_kwargs",
    "extra_body",
    "google",
)
"""Keys that hold one."""
_SWITCHES = frozenset(SWITCHES)

_encode = msgspec.json.Encoder().encode


def read_thinking(fields: dict[str, Raw]) -> Thinking | None:
    """What is said about reasoning, in whichever form; None when nothing is. Raises ApiError.

    Forms may stand together: the more exact one wins, and Google's own over ``reasoning_effort``.
    """
    if _SWITCHES.isdisjoint(fields):
        return None
    return _google(fields) or _openrouter(fields) or _type(fields) or _enable(fields) or _effort(fields)


def _effort(fields: dict[str, Raw]) -> Thinking | None:
    effort = value_of(fields, "reasoning_effort")
    return None if effort in (None, "") else Thinking(effort=_known(effort, "reasoning_effort"))


def _known(effort: Any, place: str) -> Any:
    if effort not in EFFORTS:
        raise ApiError(
            INVALID_VALUE,
            f"Invalid value for '{place}': expected one of {', '.join(EFFORTS)}.",
            param=place,
        )
    return effort


def _openrouter(fields: dict[str, Raw]) -> Thinking | None:
    """``reasoning: {effort, max_tokens, exclude, enabled}``."""
    reasoning = value_of(fields, "reasoning")
    if not isinstance(reasoning, dict):
        return None
    show = False if reasoning.get("exclude") is True else None
    if isinstance(budget := reasoning.get("max_tokens"), int) and not isinstance(budget, bool):
        return Thinking(budget_tokens=budget, show=show)
    if (effort := reasoning.get("effort")) not in (None, ""):
        return Thinking(effort=_known(effort, "reasoning.effort"), show=show)
    if reasoning.get("enabled") is False:
        return Thinking(effort="none")
    return Thinking(effort="medium", show=show) if reasoning.get("enabled") is True else None


def _type(fields: dict[str, Raw]) -> Thinking | None:
    """``thinking: {type, budget_tokens}``."""
    thinking = value_of(fields, "thinking")
    if not isinstance(thinking, dict):
        return None
    if thinking.get("type") == "disabled":
        return Thinking(effort="none")
    budget = thinking.get("budget_tokens")
    if isinstance(budget, int) and not isinstance(budget, bool):
        return Thinking(budget_tokens=budget)
    return _effort(fields) or Thinking(budget_tokens=-1)


def _enable(fields: dict[str, Raw]) -> Thinking | None:
    """``enable_thinking`` with ``thinking_budget``, at the top or among the template's arguments."""
    enabled = value_of(fields, "enable_thinking")
    if enabled is None:
        template = value_of(fields, "chat_template_kwargs")
        if isinstance(template, dict):
            enabled = template.get("enable_thinking", template.get("thinking"))
    budget = value_of(fields, "thinking_budget")
    if enabled is False:
        return Thinking(effort="none")
    if isinstance(budget, int) and not isinstance(budget, bool):
        return Thinking(budget_tokens=budget)
    return (_effort(fields) or Thinking(budget_tokens=-1)) if enabled is True else None


def google_of(fields: dict[str, Raw]) -> dict[str, Any]:
    """The part for Google's models, wherever the client put it."""
    if "extra_body" not in fields and "google" not in fields:
        return {}
    for holder in (value_of(fields, "extra_body"), {"google": value_of(fields, "google")}):
        google = holder.get("google") if isinstance(holder, dict) else None
        if isinstance(google, dict):
            return google
    return {}


def _google(fields: dict[str, Raw]) -> Thinking | None:
    google = google_of(fields)
    config = google.get("thinking_config", google.get("thinkingConfig"))
    if not isinstance(config, dict):
        return None
    show = config.get("include_thoughts", config.get("includeThoughts"))
    show = show if isinstance(show, bool) else None
    budget = config.get("thinking_budget", config.get("thinkingBudget"))
    if isinstance(budget, str) and budget.removeprefix("-").isdecimal() and len(budget) < 12:
        budget = int(budget)  # as proto3 JSON may have it
    if isinstance(budget, int) and not isinstance(budget, bool):
        return Thinking(budget_tokens=budget, show=show)
    level = config.get("thinking_level", config.get("thinkingLevel"))
    if isinstance(level, str) and level:
        return Thinking(effort=_known(level.lower(), "google.thinking_config.thinking_level"), show=show)
    effort = _effort(fields)
    if effort is None:
        return None if show is None else Thinking(show=show)
    return msgspec.structs.replace(effort, show=show)


def without_thinking(fields: dict[str, Raw]) -> dict[str, Raw]:
    """A body without any of them; what else stands beside Google's own stays."""
    kept = {key: value for key, value in fields.items() if key not in SWITCHES}
    google = {
        key: value
        for key, value in google_of(fields).items()
        if key not in ("thinking_config", "thinkingConfig")
    }
    if google:
        kept["extra_body"] = Raw(_encode({"google": google}))
    return kept


def write_thinking(thinking: Thinking | None, facts: ModelFacts) -> dict[str, Raw]:
    """The fields by which an upstream of this dialect is told. A model of which nothing is known gets
    ``reasoning_effort``, the field of the dialect itself, with a word that all know; one that always reasons
    gets nothing."""
    effort = effort_of(thinking)
    if thinking is None or effort is None or facts.thinking in ("always", "none"):
        return {}
    if facts.thinking == "switch":
        fields = {"enable_thinking": Raw(_encode(effort != "none"))}
        budget = budget_of(thinking, facts, QWEN_BUDGETS)
        if effort != "none" and budget is not None and budget > 0:
            fields["thinking_budget"] = Raw(_encode(budget))
        return fields
    if facts.thinking == "type":
        kind = "disabled" if effort == "none" else "enabled"
        fields = {"thinking": Raw(_encode({"type": kind}))}
        # Never both ways of saying it: an effort beside a switch that is off is refused.
        if effort != "none" and facts.efforts:
            fields["reasoning_effort"] = Raw(_encode(fit_effort(effort, facts.efforts)))
        return fields
    if not says_effort(effort, facts):
        return {}
    return {"reasoning_effort": Raw(_encode(fit_effort(effort, facts.efforts)))}
