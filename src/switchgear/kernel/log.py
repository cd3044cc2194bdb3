"""Log lines: one JSON object a line on stderr, with ids and numbers, never bodies or secrets."""

import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import msgspec

from switchgear.kernel.log_lines import LineHandler

LEVEL_VARIABLE = "SWITCHGEAR_SERVER_LOG_LEVEL"
"""Where a process finds the level that its parent was started with, in small letters."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
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
        line.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info and record.exc_info[0] is not None:
            line["trace"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return _encoder.encode(line).decode()


def set_up_logging(role: str) -> None:
    """Sends every logger's lines of this process to stderr, from the level of ``LEVEL_VARIABLE`` up; ``role``
    says which process wrote them."""
    output = LineHandler(sys.stderr.fileno())
    output.setFormatter(JsonFormatter(role))
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(
        logging.getLevelNamesMapping().get(os.environ.get(LEVEL_VARIABLE, "").upper(), logging.INFO)
    )
