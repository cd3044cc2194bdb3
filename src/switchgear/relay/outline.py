"""What the frames of a stream have in common: only what is new in each must be searched for secrets."""

from switchgear.kernel.limits import OUTLINE_BYTES_MAX, OUTLINE_TRIES


class Outline:
    """The head and the tail of frames that were found clean. The head ends, and the tail begins, with a
    double quote, which no form of the secret holds: none lies across their borders.

    ``shortest``: the length of the shortest form; 0 where forms hold quotes, and nothing is learnt.
    """

    __slots__ = ("_head", "_joint", "_last", "_shortest", "_tail", "_tries")

    def __init__(self, shortest: int) -> None:
        self._shortest = shortest
        self._head = self._tail = self._joint = self._last = b""
        self._tries = OUTLINE_TRIES if shortest else 0

    def covers(self, chunk: bytes) -> bool:
        """Whether the chunk of one frame or several is certainly clean: known heads and tails, with only
        short strings between them. Runs for each chunk of each stream."""
        head = self._head
        if not head or not chunk.startswith(head) or not chunk.endswith(self._tail):
            return False
        size = len(chunk) - len(head) - len(self._tail)
        if size < self._shortest:
            return True
        between = chunk[len(head) : len(head) + size].replace(self._joint, b'"')
        return max(map(len, between.split(b'"'))) < self._shortest

    def learn(self, chunk: bytes) -> None:
        """A chunk was searched and is clean. It must not end in what may be the beginning of a form."""
        if not self._tries or not chunk.endswith(b"\n"):
            return
        frame = chunk[max(0, chunk.rfind(b"\n\n", 0, -2)) :].lstrip(b"\n")
        if len(frame) > OUTLINE_BYTES_MAX:
            return
        last, self._last = self._last, frame
        if not last:
            return
        self._tries -= 1
        same = _common(last, frame)
        head = frame[: frame.rfind(b'"', 0, same) + 1]
        same = _common(last[::-1], frame[::-1])
        start = frame.find(b'"', max(len(head), len(frame) - same))
        if head and start >= 0 and 4 * (start - len(head)) < 3 * len(frame):
            self._head, self._tail = head, frame[start:]
            self._joint = self._tail + head
            self._last = b""


def _common(one: bytes, other: bytes) -> int:
    """How many bytes at the beginning are the same in both."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[:middle]):
            low = middle
        else:
            high = middle - 1
    return low
