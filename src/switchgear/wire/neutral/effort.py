"""How much a model is to reason: one notion, and the switches of each family that it is mapped to.

Clients say it as a word (effort), as a number of tokens (budget) or as plain on and off. ``ir.Thinking``
keeps what was said; these functions turn one into the other by fixed tables, so that a request means the
same whichever way it came.
"""

from collections.abc import Mapping
from typing import get_args

from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.neutral.request import Effort, Thinking

_SAMPLING = ("temperature", "top_p", "top_k")
_PENALTIES = ("presence_penalty", "frequency_penalty")
Budgets = Mapping[str, int]
"""Effort → tokens; an effort without a row gets the most that the model allows."""

CLAUDE_BUDGETS: Budgets = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 32768,
    "max": 32768,
}
GEMINI_BUDGETS: Budgets = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24576}
QWEN_BUDGETS: Budgets = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24576}

EFFORTS: tuple[Effort, ...] = get_args(Effort)
"""From none to the most."""

_USUAL_EFFORTS = ("low", "medium", "high")
_BUDGET_MOST = 32768
"""For the highest efforts where a model's own bound is unknown."""
# (up to so many tokens, effort); the least and the highest budget of any table above keep their effort.
_EFFORT_BY_BUDGET: tuple[tuple[int, Effort], ...] = (
    (511, "none"),
    (1500, "minimal"),
    (4096, "low"),
    (12000, "medium"),
    (24576, "high"),
)


def effort_of(thinking: Thinking | None) -> Effort | None:
    """The effort asked for, out of whichever form; None = nothing is said, or it is left to the model."""
    if thinking is None:
        return None
    if thinking.effort is not None:
        return thinking.effort
    budget = thinking.budget_tokens
    if budget is None:
        return None
    if budget < 0:
        return "medium"
    if 0 < budget <= _EFFORT_BY_BUDGET[0][0] and thinking.show:
        return "minimal"  # to think for so short a while is as good as not to, but not where it is to be seen
    return next((effort for most, effort in _EFFORT_BY_BUDGET if budget <= most), "xhigh")


def budget_of(thinking: Thinking | None, facts: ModelFacts, budgets: Budgets = CLAUDE_BUDGETS) -> int | None:
    """The budget asked for, in tokens, within the model's bounds; 0 = off, -1 = as the model likes, None =
    nothing is said. A model that can't do without reasoning gets its least budget for off."""
    if thinking is None:
        return None
    if thinking.is_off:
        return 0 if facts.thinking_off else facts.budget_min
    budget = thinking.budget_tokens
    if budget is None:
        if thinking.effort is None:
            return None
        budget = budgets.get(thinking.effort, facts.budget_max or _BUDGET_MOST)
    return budget if budget < 0 else _bounded(budget, facts)


def fit_effort(effort: Effort, efforts: tuple[str, ...]) -> Effort:
    """The effort itself if it is among those that a model takes, else the nearest below it that is, else the
    nearest above. Where they are unknown, of the three that every model with efforts has; none stays none,
    which ``says_effort`` knows for nothing to be said."""
    known = [name for name in EFFORTS if name in (efforts or _USUAL_EFFORTS)]
    if effort in known or (effort == "none" and not efforts):
        return effort
    wanted = EFFORTS.index(effort)
    if effort == "xhigh" and "max" in known:
        return "max"
    below = [name for name in known if EFFORTS.index(name) < wanted]
    # Reasoning that was asked for is not switched off because its least degree has no name here.
    if below and (below[-1] != "none" or len(known) == 1):
        return below[-1]
    return next((name for name in known if EFFORTS.index(name) > wanted), known[-1])


def reasons(thinking: Thinking | None, facts: ModelFacts) -> bool:
    """Whether a model with efforts would reason, asked like this."""
    effort = effort_of(thinking)
    return facts.reasons_unasked if effort is None else effort != "none"


def known_effort(effort: str, facts: ModelFacts) -> str:
    """An effort that a client of the same dialect names, or the nearest that the model takes in its place.
    One above all that are known stays, as a new model may well have it."""
    if effort not in EFFORTS or not facts.efforts or effort in facts.efforts:
        return effort
    most = max(map(EFFORTS.index, facts.efforts))
    return effort if EFFORTS.index(effort) > most else fit_effort(effort, facts.efforts)


def refused_sampling(fields: Mapping[str, Raw], facts: ModelFacts) -> tuple[str, ...]:
    """Those of a request's fields that the model refuses however it is asked. One that knows an effort of
    none takes any value with it, and each takes the default."""
    refused: tuple[str, ...] = ()
    if facts.no_sampling and "none" not in facts.efforts:
        refused += _SAMPLING
    elif facts.one_sampling and "temperature" in fields:
        refused += ("top_p",)
    if facts.no_penalties and "none" not in facts.efforts:
        refused += _PENALTIES
    return tuple(key for key in refused if key in fields and not _is_default(key, fields[key]))


def _is_default(key: str, raw: Raw) -> bool:
    return bytes(raw) in ((b"0", b"0.0") if key in _PENALTIES else (b"1", b"1.0"))


def says_effort(effort: Effort | None, facts: ModelFacts) -> bool:
    """Whether a model may be told an effort by the dialect's own field. One of which nothing is known may not
    know the word for none."""
    if effort is None or facts.thinking in ("always", "none"):
        return False
    return effort != "none" or bool(facts.efforts)


def is_lost(thinking: Thinking | None, facts: ModelFacts) -> bool:
    """Whether what is asked can't be told to the model: reasoning where it does none, or none where it can't
    do without or where no word for that is known."""
    effort = effort_of(thinking)
    if effort is None:
        return False
    if effort != "none":
        return facts.thinking == "none"
    if facts.thinking in ("", "effort") and not facts.efforts:
        return True
    return facts.thinking == "always" or (facts.thinking != "none" and not facts.thinking_off)


def may_reason(facts: ModelFacts, thinking: Thinking | None, *, seen: bool) -> bool:
    """Whether an answer may hold reasoning that is not shown. ``seen``: the model has been seen to reason."""
    if facts.thinking == "none" or (thinking is not None and thinking.is_off and facts.thinking_off):
        return False
    return seen or thinking is not None or facts.thinking in _REASONS_UNASKED


_REASONS_UNASKED = frozenset({"always", "effort", "budget", "level", "switch", "type"})
"""Switches of families that reason unless they are told not to."""


def _bounded(budget: int, facts: ModelFacts) -> int:
    if facts.budget_max:
        budget = min(budget, facts.budget_max)
    return max(budget, facts.budget_min)
