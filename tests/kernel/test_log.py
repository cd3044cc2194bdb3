"""Log lines. Without these a log could hold a secret in plain, or a line that no reader can parse."""

import logging
import sys
from collections.abc import Iterator

import msgspec
import pytest

from switchgear.kernel.log import JsonFormatter, TextFormatter, has_colour, set_up_logging
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


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("word", "level"), [("error", logging.ERROR), ("debug", logging.DEBUG), ("", logging.INFO)]
)
def test_the_level_is_the_one_that_is_set(root: logging.Logger, word: str, level: int) -> None:
    set_up_logging("worker", word)
    assert root.level == level


@pytest.mark.parametrize(
    ("form", "terminal", "kind"),
    [
        ("auto", True, TextFormatter),
        ("auto", False, JsonFormatter),
        ("json", True, JsonFormatter),
        ("text", False, TextFormatter),
    ],
)
def test_a_terminal_gets_text_and_all_else_json(root, monkeypatch, form, terminal, kind) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    set_up_logging("worker", "info", form)
    assert type(root.handlers[0].formatter) is kind


def test_text_is_one_line_that_cannot_steer_the_terminal() -> None:
    make = logging.getLogger("x").makeRecord
    record = make("x", logging.WARNING, __file__, 1, "a\nb\x1b[2J", (), None, extra={"why": "c\rd"})
    shown = TextFormatter("worker", colour=False).format(record)
    assert shown[8:] == " warning worker: a b [2J  why=c d"
    assert TextFormatter("worker", colour=True).format(record)[8:] == (
        " \x1b[33mwarning\x1b[0m worker: a b [2J  why=c d"
    )


def test_colour_is_for_terminals_that_want_it(monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert not has_colour()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert has_colour()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colour()
