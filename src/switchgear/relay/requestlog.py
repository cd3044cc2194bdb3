"""One line for each request, JSON or text: ids and numbers, never bodies, keys or secrets.

Lines are gathered and written by a side thread every FLUSH_INTERVAL_S, so that a slow terminal or disk never
holds up a reply.
"""

import threading
from collections import deque
from collections.abc import Callable

import msgspec

from switchgear.kernel.limits import LOG_FLUSH_S, REQUEST_LOG_LINES_MAX
from switchgear.kernel.log import LogFormat, clock_text, has_colour, is_for_people, one_line, painted
from switchgear.kernel.log_lines import write_all
from switchgear.kernel.money import usd_from_nanos
from switchgear.ledger.record import UsageRecord

FLUSH_INTERVAL_S = 0.2
_encode = msgspec.json.Encoder().encode


class Refusal(msgspec.Struct, frozen=True):
    """A request that ended before an account was known."""

    request_id: str
    at_ms: int
    method: str
    path: str
    status: int
    error: str
    client_ip: str


Line = UsageRecord | Refusal
WriteLine = Callable[[Line], bytes]


def line_writer(form: LogFormat) -> WriteLine:
    """How a line is written, for people or for programs."""
    if not is_for_people(form):
        return json_line
    colour = has_colour()
    return lambda line: text_line(line, colour=colour)


def json_line(line: Line) -> bytes:
    """All of a record."""
    return b'{"event":"request",' + _encode(line)[1:]


def text_line(line: Line, *, colour: bool) -> bytes:
    """What an eye looks for: ``18:12:24 200 gpt-5.2 openai_chat  1.24 s  12 in, 345 out  0.00123 USD …``."""
    status = str(line.status)
    if colour:
        status = painted(status, "32" if line.status < 400 else "33" if line.status < 500 else "31")
    # The client chose some of this text.
    rest = one_line(_refusal_text(line) if isinstance(line, Refusal) else _record_text(line))
    shown = f"{clock_text(line.at_ms / 1000)} {status} {rest}  {line.request_id}"
    return shown.encode(errors="replace")


def _refusal_text(line: Refusal) -> str:
    return f"{line.method} {line.path}  {line.error}  from {line.client_ip}"


def _record_text(record: UsageRecord) -> str:
    usage = record.usage
    parts = [
        f"{record.model or '-'} {record.operation}{' stream' if record.stream else ''}",
        record.channel and f"by {record.channel}",
        record.error or (record.end_state if record.end_state != "complete" else ""),
        f"{record.timings.total_us / 1_000_000:.2f} s",
        f"{usage.input_total} in, {usage.output_total} out",
        f"{usd_from_nanos(record.charge.nanos)} USD",
    ]
    return "  ".join(part for part in parts if part)


class RequestLog:
    """A bounded queue in front of a file descriptor."""

    def __init__(self, descriptor: int, write_line: WriteLine, *, wanted: bool = True) -> None:
        """``wanted`` is false where the log level leaves out what is merely told."""
        self._wanted = wanted
        self._descriptor = descriptor
        self._write_line = write_line
        self._lines: deque[Line] = deque(maxlen=REQUEST_LOG_LINES_MAX)
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._write_often, name="request-log", daemon=True)
        self._thread.start()

    def add(self, line: Line) -> None:
        """Takes a line; the oldest that waits is dropped when there are too many."""
        if self._wanted:
            self._lines.append(line)
            if not self._wake.is_set():
                self._wake.set()

    def close(self) -> None:
        """Writes what waits, unless nobody takes it."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(LOG_FLUSH_S)

    def _write_often(self) -> None:
        while self._wake.wait() and not self._stopping.wait(FLUSH_INTERVAL_S):
            self._wake.clear()
            self._write()
        self._write()

    def _write(self) -> None:
        pieces: list[bytes] = []
        while self._lines:
            pieces.append(self._write_line(self._lines.popleft()))
        if pieces:
            write_all(self._descriptor, b"\n".join(pieces) + b"\n")
