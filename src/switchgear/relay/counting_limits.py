"""How much a key may have counted: generous limits of one worker, which never touch those of calls."""

import contextlib
from collections.abc import AsyncIterator

from switchgear.kernel.errors import CONCURRENCY, OVERLOADED, RATE_REQUESTS, ApiError
from switchgear.kernel.limits import (
    COUNT_AT_ONCE_MAX,
    COUNT_WAIT_S,
    COUNTING_KEYS_MAX,
    COUNTS_PER_CALL,
    COUNTS_PER_CONCURRENCY,
    COUNTS_PER_MINUTE,
)
from switchgear.link.snapshot import Principal
from switchgear.relay.room import Room

MINUTE_NS = 60_000_000_000


class CountingLimits:
    """Questions per minute, and how many are answered at the same time."""

    def __init__(self) -> None:
        self._places = Room(COUNT_AT_ONCE_MAX, "places")
        self._full_ns: dict[str, int] = {}
        """By key: when its bucket of questions is whole again."""

    def take_one(self, who: Principal, now_ns: int) -> None:
        """Counts a question, before its body is read. Raises ApiError."""
        per_minute = who.rpm * COUNTS_PER_CALL or COUNTS_PER_MINUTE
        full_ns = max(now_ns, self._full_ns.get(who.key_id, 0)) + MINUTE_NS // per_minute
        if full_ns > now_ns + MINUTE_NS:
            retry_s = -(-(full_ns - now_ns - MINUTE_NS) // 1_000_000_000)
            raise ApiError(
                RATE_REQUESTS,
                f"Rate limit reached for counting tokens with API key '{who.key_name}' ({who.key_masked}): "
                f"{per_minute} requests per minute. Please try again in {retry_s}s.",
                retry_after_s=retry_s,
            )
        if len(self._full_ns) >= COUNTING_KEYS_MAX:
            self._full_ns.clear()
        self._full_ns[who.key_id] = full_ns

    @contextlib.asynccontextmanager
    async def place(self, who: Principal) -> AsyncIterator[None]:
        """A place to be answered in, for a question that is whole. Raises ApiError when none gets free."""
        places, key = self._places, who.key_id
        own_max = who.concurrency * COUNTS_PER_CONCURRENCY
        if own_max and places.held_by(key) >= own_max:
            raise ApiError(
                CONCURRENCY,
                f"API key '{who.key_name}' ({who.key_masked}) is counting tokens {own_max} times at once, "
                "which is its limit. Please try again in 1s.",
                retry_after_s=1,
            )
        if not await places.take_soon(key, 1, COUNT_WAIT_S):
            raise ApiError(
                OVERLOADED, "This server counts as much as it can. Please try again shortly.", retry_after_s=1
            )
        try:
            yield
        finally:
            places.give_back(key, 1)
