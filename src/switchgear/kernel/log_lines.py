"""Log lines on their way out: a slow terminal, pipe or disk holds up a thread of its own, and nobody else."""

import logging
import os
import threading
from collections import deque

from switchgear.kernel.limits import LOG_FLUSH_S, LOG_LINES_MAX

LOG_DESCRIPTOR = 2
"""Of stderr."""

_DROPPED = b'{"level":"warning","message":"log lines were dropped","dropped":%d}\n'


class LineHandler(logging.Handler):
    """A bounded queue in front of a file descriptor. The oldest lines are dropped when nobody takes them."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._filled = threading.Event()
        self._emptied = threading.Event()
        self._emptied.set()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a line, at once."""
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return
        if len(self._lines) >= LOG_LINES_MAX:
            self._lines.popleft()
            self._dropped += 1
        self._emptied.clear()
        self._lines.append(line)
        self._filled.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_forever, name="log", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        """Waits a moment for what is on its way, as at the end of a process."""
        self._emptied.wait(LOG_FLUSH_S)

    def _write_forever(self) -> None:
        while True:
            self._filled.wait()
            self._filled.clear()
            while (line := self._next()) is not None:
                write_all(self._descriptor, line.encode() + b"\n")
            if dropped := self._dropped:
                self._dropped = 0
                write_all(self._descriptor, _DROPPED % dropped)
            if not self._lines:
                self._emptied.set()

    def _next(self) -> str | None:
        try:
            return self._lines.popleft()
        except IndexError:  # whoever drops lines may have been quicker
            return None


def write_all(descriptor: int, data: bytes) -> None:
    """Writes, for as long as it takes; what can't be written is lost."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except OSError:
            return  # a log that can't be written must not take the relay with it
