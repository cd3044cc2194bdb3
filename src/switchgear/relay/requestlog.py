"""One JSON line for each request: ids and numbers, never bodies, keys or secrets.

Lines are gathered and written by a side thread every FLUSH_INTERVAL_S, so that a slow terminal or disk never
holds up a reply.
"""

import os
import threading
from collections import deque

import msgspec

from switchgear.kernel.limits import REQUEST_LOG_LINES_MAX
from switchgear.ledger.record import UsageRecord

FLUSH_INTERVAL_S = 0.2


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request that ended before an account was known."""

    request_id: str
    at_ms: int
    method: str
    path: str
    status: int
    error: str
    client_ip: str
    """Behind a trusted proxy, that of the client."""
    left_out: int = 0
    """Refusals of the same address before this one that have no line of their own."""


class RequestLog:
    """A bounded queue in front of a file descriptor."""

    def __init__(self, descriptor: int, *, wanted: bool = True) -> None:
        """``wanted`` is false where the log level leaves out what is merely told."""
        self._wanted = wanted
        self._descriptor = descriptor
        self._encoder = msgspec.json.Encoder()
        self._lines: deque[UsageRecord | Refusal] = deque(maxlen=REQUEST_LOG_LINES_MAX)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._write_often, name="request-log", daemon=True)
        self._thread.start()

    def add(self, line: UsageRecord | Refusal, *, always: bool = False) -> None:
        """Takes a line; the oldest that waits is dropped when there are too many. ``always``: whatever the
        level."""
        if self._wanted or always:
            self._lines.append(line)

    def close(self) -> None:
        """Writes what waits."""
        self._stopping.set()
        self._thread.join()
        self._write()

    def _write_often(self) -> None:
        while not self._stopping.wait(FLUSH_INTERVAL_S):
            self._write()

    def _write(self) -> None:
        pieces: list[bytes] = []
        while self._lines:
            pieces.append(b'{"event":"request",' + self._encoder.encode(self._lines.popleft())[1:])
        if pieces:
            data = b"\n".join(pieces) + b"\n"
            while data:
                try:
                    data = data[os.write(self._descriptor, data) :]
                except OSError:
                    return  # a log that can't be written must not take the relay with it
