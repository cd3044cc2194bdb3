"""The client connections of a worker: how many there are, whose they are, and which has to go for another."""

import heapq
from collections.abc import Iterator
from math import inf

from switchgear.kernel.limits import CONNECTIONS_PER_ADDRESS_PARTS
from switchgear.relay.http1.connection import Connection

_DROPPED_PARTS = 64
"""So many parts of the connections go one part at a time, as finding the longest idle looks at all."""


class Crowd:
    """All connections, with a bound for each address."""

    def __init__(self, connections_max: int) -> None:
        self._max = connections_max
        self._address_max = max(1, connections_max // CONNECTIONS_PER_ADDRESS_PARTS)
        self._all: set[Connection] = set()
        self._by_address: dict[str, set[Connection]] = {}

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, connection: Connection) -> None:
        self._all.add(connection)
        self._by_address.setdefault(connection.address, set()).add(connection)

    def remove(self, connection: Connection) -> None:
        self._all.discard(connection)
        same = self._by_address.get(connection.address)
        if same is not None:
            same.discard(connection)
            if not same:
                del self._by_address[connection.address]

    def make_room(self) -> bool:
        """For one more of anybody: those that idle longest go. False when none does."""
        return len(self._all) < self._max or _drop_idle(self._all)

    def make_room_for(self, address: str) -> bool:
        """For one more of an address, at its own expense."""
        same = self._by_address.get(address, ())
        return len(same) < self._address_max or _drop_idle(same)


def _drop_idle(connections: "set[Connection] | tuple[()]") -> bool:
    """Drops those that have done nothing for the longest time; False when all are at work."""
    idle = [connection for connection in connections if connection.waits_since_s is not None]
    number = max(1, len(connections) // _DROPPED_PARTS)
    for connection in heapq.nsmallest(number, idle, key=lambda one: one.waits_since_s or -inf):
        connection.drop()
    return bool(idle)
