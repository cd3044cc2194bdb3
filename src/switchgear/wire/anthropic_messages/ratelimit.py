"""The headers by which clients of this dialect learn what their key has left."""

from datetime import UTC, datetime
from typing import Literal

Dimension = Literal["requests", "tokens", "input-tokens", "output-tokens"]


def ratelimit_headers(
    dimension: Dimension, limit: int, remaining: int, reset_at_s: int
) -> list[tuple[str, str]]:
    """``anthropic-ratelimit-<dimension>-…``; ``reset_at_s``: when all of it is free again, Unix seconds."""
    front = f"anthropic-ratelimit-{dimension}"
    reset = datetime.fromtimestamp(reset_at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        (f"{front}-limit", str(limit)),
        (f"{front}-remaining", str(max(0, remaining))),
        (f"{front}-reset", reset),
    ]
