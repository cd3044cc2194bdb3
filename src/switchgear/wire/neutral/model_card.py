"""What a model list tells of a model, in whatever dialect."""

import msgspec


class ModelCard(msgspec.Struct, frozen=True, gc=False):
    id: str
    created: int = 0
    """Unix seconds; 0 = unknown."""
    owned_by: str = ""
    context_tokens: int = 0
    """0 = unknown."""
    output_tokens_max: int = 0
    """0 = unknown."""
