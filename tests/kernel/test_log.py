"""Log lines. Without these a log could hold a secret in plain, or a line that no reader can parse."""

import logging
import sys

import msgspec

from switchgear.kernel.log import LEVEL_VARIABLE, JsonFormatter, set_up_logging
from switchgear.kernel.secret import Secret


def line(message: str, *args: object, exc_info=None, **extra: object) -> dict:
    make = logging.getLogger("x").makeRecord
    record = make("x", logging.WARNING, __file__, 1, message, args, exc_info, extra=extra)
    text = JsonFormatter("worker").format(record)
    assert "\n" not in text
    return msgspec.json.decode(text)


def test_a_line_has_time_level_role_and_extras():
    found = line("gone: %s", "a\nb", epoch="e1", count=3)
    assert found["message"] == "gone: a\nb"
    assert (found["level"], found["role"], found["epoch"], found["count"]) == ("warning", "worker", "e1", 3)
    assert found["at"].endswith("Z")


def test_a_wrapped_secret_shows_as_stars():
    assert line("x", key=Secret("sk-123"))["key"] == "Secret('***')"


def test_a_trace_stays_on_one_line():
    try:
        raise ValueError("why")
    except ValueError:
        assert "ValueError: why" in line("x", exc_info=sys.exc_info())["trace"]


def test_the_level_comes_from_the_environment(monkeypatch):
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        for word, number in (("error", logging.ERROR), ("debug", logging.DEBUG), ("", logging.INFO)):
            monkeypatch.setenv(LEVEL_VARIABLE, word)
            set_up_logging("worker")
            assert root.level == number
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
