"""How many of a worker's calls each key runs, so that none of them can take every place."""

from switchgear.kernel.limits import IN_FLIGHT_RESERVED_PARTS


class Share:
    """Counts running calls by key."""

    def __init__(self, calls_max: int) -> None:
        self._open_max = calls_max - calls_max // IN_FLIGHT_RESERVED_PARTS
        self._by_key: dict[str, int] = {}
        self._running = 0

    def began(self, key: str) -> None:
        self._by_key[key] = self._by_key.get(key, 0) + 1
        self._running += 1

    def ended(self, key: str) -> None:
        left = self._by_key[key] - 1
        self._running -= 1
        if left:
            self._by_key[key] = left
        else:
            del self._by_key[key]

    def is_used_up(self, key: str) -> bool:
        """Whether a key has so much that the places that are left are for others."""
        return self._running > self._open_max and 2 * self._by_key.get(key, 0) > self._running
