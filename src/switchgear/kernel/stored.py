"""A response that a later call may name: what is kept of it, between worker, controller and database."""

from typing import Literal

import msgspec

ResponseStatus = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
OPEN: tuple[ResponseStatus, ...] = ("queued", "in_progress")
"""States of a response that is not over."""


class StoredResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """One response of one user. With ``channel`` it lies at an upstream, and nothing of it is kept here; else
    all of it is."""

    id: str
    owner: str
    """Id of the user; only that user's keys see it."""
    key_id: str
    model: str
    """As the client named it."""
    created_at_ms: int
    status: ResponseStatus = "completed"
    previous_id: str = ""
    channel: str = ""
    """Id of the channel whose upstream keeps it; empty: kept here."""
    secret_digest: bytes = b""
    """Of the upstream key that made it."""
    background: bool = False
    epoch: str = ""
    """The worker's life that sees to it, while it is not over."""
    input_items: bytes = b"[]"
    """JSON array."""
    output_items: bytes = b"[]"
    """JSON array: the output with all that a later turn needs, shown to the client or not."""
    response: bytes = b""
    """JSON object, as the client gets it."""
    bill: bytes = b""
    """What is needed to charge for it once it is over; empty: nothing is due any more."""

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def bytes_total(self) -> int:
        """What of it counts towards its bound."""
        return len(self.input_items) + len(self.output_items) + len(self.response) + len(self.bill)
