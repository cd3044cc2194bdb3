"""What has to be known of a model to ask it rightly, whatever channel serves it."""

import msgspec


class ModelFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Facts of an upstream's model that decide how a request is written for it."""

    output_tokens_max: int = 0
    """0 = unknown."""
    context_tokens: int = 0
    """0 = unknown."""
