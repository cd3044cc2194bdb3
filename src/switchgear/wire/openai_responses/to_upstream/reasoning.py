"""How much a model is to reason, in this dialect's field, as far as the model heeds it."""

from typing import Any

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.neutral.effort import effort_of, fit_effort, says_effort
from switchgear.wire.neutral.request import Thinking


def write_reasoning(thinking: Thinking | None, facts: ModelFacts) -> dict[str, Any]:
    """The value of ``reasoning``; empty = the field is left out.

    A summary is asked for unless the client wants to see none: without it the upstream shows nothing of what
    it thought.
    """
    if thinking is None or facts.thinking == "none":
        return {}
    if thinking.is_off:
        return _off(facts)
    reasoning: dict[str, Any] = {}
    effort = effort_of(thinking)
    if effort is not None and says_effort(effort, facts):
        reasoning["effort"] = fit_effort(effort, facts.efforts)
    if thinking.show is not False:
        reasoning["summary"] = thinking.summary or "auto"
    return reasoning


def _off(facts: ModelFacts) -> dict[str, Any]:
    if facts.thinking in ("", "always"):
        # A model of which nothing is known may not know the switch either.
        return {}
    # Names of effort are those of a model that thinks; where a switch of its own turns that off, ``none``
    # stands for it.
    is_switch = facts.thinking_off and facts.thinking != "effort"
    return {"effort": "none" if is_switch else fit_effort("none", facts.efforts)}
