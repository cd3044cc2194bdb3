"""How much output a request lets a model give."""

from switchgear.kernel.facts import ModelFacts


def capped(cap: int, facts: ModelFacts) -> int:
    """The client's cap (0 = none) within the model's own maximum; 0 where neither is known."""
    most = facts.output_tokens_max
    return min(cap, most) if cap and most else cap or most
