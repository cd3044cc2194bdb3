"""What has to be known of a model to ask it rightly, whatever channel serves it."""

from typing import Literal

import msgspec

ThinkingSwitch = Literal[
    "", "effort", "manual", "adaptive", "manual_adaptive", "budget", "level", "switch", "always"
]


class ModelFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Facts of an upstream's model that decide how a request is written for it."""

    output_tokens_max: int = 0
    """0 = unknown."""
    context_tokens: int = 0
    """0 = unknown."""
    thinking: ThinkingSwitch = ""
    """How its reasoning is switched; empty = unknown."""
    thinking_off: bool = True
    """It can do without reasoning."""
    efforts: tuple[str, ...] = ()
    """Names of effort that it takes; empty = unknown."""
    budget_min: int = 0
    budget_max: int = 0
    """0 = unknown."""
    no_sampling: bool = False
    """It refuses ``temperature``, ``top_p`` and the like."""
    json_schema: bool = False
    """It forms its answer by a schema."""
