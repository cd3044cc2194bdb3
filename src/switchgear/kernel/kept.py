"""A bounded memory of bytes by key: by size, by age, the oldest first."""

from collections import OrderedDict

NS = 1_000_000_000


class Kept:
    """Times are monotonic nanoseconds."""

    def __init__(self, bytes_max: int, keep_s: float) -> None:
        self._bytes_max = bytes_max
        self._keep_ns = int(keep_s * NS)
        self._entries: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()
        self.bytes_total = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: bytes, value: bytes, now_ns: int) -> None:
        """A new value under a known key takes the old one's place and is the youngest."""
        self._drop(key)
        if len(key) + len(value) > self._bytes_max:
            return
        self._entries[key] = (now_ns, value)
        self.bytes_total += len(key) + len(value)
        while self.bytes_total > self._bytes_max or self._is_old(now_ns):
            self._drop(next(iter(self._entries)))

    def get(self, key: bytes, now_ns: int) -> bytes | None:
        found = self._entries.get(key)
        return None if found is None or now_ns - found[0] > self._keep_ns else found[1]

    def _is_old(self, now_ns: int) -> bool:
        at_ns, _ = next(iter(self._entries.values()))
        return now_ns - at_ns > self._keep_ns

    def _drop(self, key: bytes) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self.bytes_total -= len(key) + len(found[1])
