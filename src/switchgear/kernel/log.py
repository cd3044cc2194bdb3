"""Log lines on stderr, with ids and numbers, never bodies or secrets: JSON objects for programs, or readable
lines for people at a terminal."""

import logging
import os
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from switchgear.kernel.log_lines import LOG_DESCRIPTOR, LineHandler

LogFormat = Literal["auto", "text", "json"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31"}
_encoder = msgspec.json.Encoder(enc_hook=str)


class JsonFormatter(logging.Formatter):
    """``logger.info("text", extra={"epoch": …})`` → one line with ``at``, ``level``, ``role``, ``logger``,
    ``message`` and the extras. Secrets must not be handed in; one wrapped in ``Secret`` shows as stars."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "role": self._role,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(_extras(record))
        if record.exc_info and record.exc_info[0] is not None:
            line["trace"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return _encoder.encode(line).decode()


class TextFormatter(logging.Formatter):
    """The same as ``18:12:24 warning worker: text  epoch=…``, in local time; a trace follows on its own
    lines."""

    def __init__(self, role: str, *, colour: bool) -> None:
        super().__init__()
        self._role = role
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        level = record.levelname.lower()
        extras = "".join(f"  {name}={one_line(value)}" for name, value in _extras(record))
        shown = painted(level, _COLOURS.get(level, "0")) if self._colour else level
        line = f"{clock_text(record.created)} {shown} {self._role}: {one_line(record.getMessage())}{extras}"
        if record.exc_info and record.exc_info[0] is not None:
            line += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return line


def set_up_logging(role: str, level: str = "info", form: LogFormat = "auto") -> None:
    """Sends every logger's lines of this process to stderr, from a level up; ``role`` names the process.
    ``auto`` means text on a terminal, else JSON."""
    output = LineHandler(LOG_DESCRIPTOR)
    text = is_for_people(form)
    output.setFormatter(TextFormatter(role, colour=has_colour()) if text else JsonFormatter(role))
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(logging.getLevelNamesMapping().get(level.upper(), logging.INFO))


def is_for_people(form: LogFormat) -> bool:
    """Whether lines are text rather than JSON."""
    return form == "text" or (form == "auto" and sys.stderr.isatty())


def has_colour() -> bool:
    """Whether stderr is a terminal on which colour is welcome (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(text: str, code: str) -> str:
    """``text`` in an ANSI colour, such as 32 for green."""
    return f"\x1b[{code}m{text}\x1b[0m"


def clock_text(at_s: float) -> str:
    """Unix seconds as the local time of day."""
    return datetime.fromtimestamp(at_s).astimezone().strftime("%H:%M:%S")


def _extras(record: logging.LogRecord) -> Iterable[tuple[str, Any]]:
    return ((name, value) for name, value in vars(record).items() if name not in _STANDARD)


def one_line(value: object) -> str:
    """Without characters that would begin a line of their own, or steer the terminal."""
    return "".join(character if character.isprintable() else " " for character in str(value))
