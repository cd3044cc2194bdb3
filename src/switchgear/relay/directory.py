"""Who a key is: a bounded cache in front of the controller.

A known key goes on working, for a stated grace, while the controller is away; an unknown one gets 503 then,
not 401, since nobody can say that it is wrong. A new snapshot makes every entry stale: it is asked for again
at its next use.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import (
    BAD_KEY,
    KEY_DISABLED,
    KEY_EXPIRED,
    STORE_AWAY,
    USER_DISABLED,
    ApiError,
)
from switchgear.kernel.ids import mask_key
from switchgear.kernel.limits import (
    ADDRESSES_CACHED_MAX,
    DIRECTORY_KEYS_MAX,
    DIRECTORY_UNKNOWN_MAX,
    STALE_MAX_S,
    UNKNOWN_KEY_TTL_S,
)
from switchgear.kernel.secret import key_digest
from switchgear.link.snapshot import Principal
from switchgear.relay.addresses import Network, is_within, parse_address, parse_networks

NS = 1_000_000_000

Lookup = Callable[[bytes], Awaitable[Principal | None]]
"""Asks the controller; None for an unknown key. Raises ConnectionError when it can't be asked."""


class KnownKey:
    """A principal with what admission needs of it, worked out once."""

    __slots__ = ("_judged", "_networks", "allowed_models", "fetched_ns", "generation", "principal")

    def __init__(self, principal: Principal, generation: int, now_ns: int) -> None:
        self.principal = principal
        self.generation = generation
        self.fetched_ns = now_ns
        self.allowed_models = frozenset(principal.models)
        self._networks: tuple[Network, ...] = parse_networks(principal.allow_ips)
        self._judged: dict[str, bool] = {}

    def allows(self, address: str) -> bool:
        """Whether the key may be used from an address; remembered, as most calls come from few."""
        if not self._networks:
            return True
        allowed = self._judged.get(address)
        if allowed is None:
            _bound(self._judged, ADDRESSES_CACHED_MAX)
            allowed = self._judged[address] = is_within(parse_address(address), self._networks)
        return allowed


class Directory:
    """Digest → key, as one worker knows it."""

    def __init__(self, lookup: Lookup, clock: Clock) -> None:
        self.pepper = b""
        self._lookup = lookup
        self._clock = clock
        self._known: dict[bytes, KnownKey] = {}
        self._unknown: dict[bytes, int] = {}
        self._generation = 0

    def renew(self) -> None:
        """Something changed at the controller: ask again for each key when it is next used."""
        self._generation += 1
        self._unknown.clear()

    def cached(self, api_key: str) -> KnownKey | None:
        """The entry of a key if it can be used without asking anybody: the hit path, no await."""
        known = self._known.get(key_digest(api_key, self.pepper))
        return known if known is not None and known.generation == self._generation else None

    async def find(self, api_key: str) -> KnownKey:
        """The entry of a key, asking the controller if need be. Raises ApiError."""
        digest = key_digest(api_key, self.pepper)
        now_ns = self._clock.monotonic_ns()
        if self._unknown.get(digest, 0) > now_ns:
            raise _bad_key(api_key)
        generation = self._generation
        try:
            principal = await self._lookup(digest)
        except ConnectionError:
            return self._stale(digest, now_ns)
        if principal is None:
            self._known.pop(digest, None)
            _bound(self._unknown, DIRECTORY_UNKNOWN_MAX)
            self._unknown[digest] = now_ns + int(UNKNOWN_KEY_TTL_S * NS)
            raise _bad_key(api_key)
        known = KnownKey(principal, generation, now_ns)
        self._known.pop(digest, None)
        _bound(self._known, DIRECTORY_KEYS_MAX)
        self._known[digest] = known
        return known

    def _stale(self, digest: bytes, now_ns: int) -> KnownKey:
        known = self._known.get(digest)
        if known is None or now_ns - known.fetched_ns > STALE_MAX_S * NS:
            raise ApiError(
                STORE_AWAY, "API keys can't be checked right now. Please try again shortly.", retry_after_s=1
            )
        return known


def check_key(known: KnownKey, now_ms: int) -> None:
    """Refuses a key that is disabled, expired or of a disabled user. Raises ApiError."""
    principal = known.principal
    if principal.status == "key_disabled":
        raise disabled_key(principal)
    if principal.status == "user_disabled":
        raise disabled_user(principal)
    if principal.expires_at_ms and now_ms >= principal.expires_at_ms:
        when = datetime.fromtimestamp(principal.expires_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
        raise ApiError(
            KEY_EXPIRED, f"API key {principal.key_masked} ('{principal.key_name}') expired on {when}."
        )


def disabled_key(principal: Principal) -> ApiError:
    return ApiError(KEY_DISABLED, f"API key disabled: {principal.key_masked} ('{principal.key_name}').")


def disabled_user(principal: Principal) -> ApiError:
    return ApiError(USER_DISABLED, f"The account '{principal.user_name}' of this API key is disabled.")


def _bad_key(api_key: str) -> ApiError:
    return ApiError(BAD_KEY, f"Incorrect API key provided: {mask_key(api_key)}.")


def _bound(table: dict[Any, Any], size_max: int) -> None:
    """Makes room for one more by forgetting the oldest entry."""
    if len(table) >= size_max:
        table.pop(next(iter(table)))
