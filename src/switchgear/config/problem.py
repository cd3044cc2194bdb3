"""What is wrong with a configuration file: where, which key, why, and what was probably meant."""

import difflib
from collections.abc import Iterable
from typing import Literal

import msgspec

Severity = Literal["error", "warning"]


class ConfigProblem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One finding. An error keeps the file from being used, a warning does not."""

    file: str
    line: int
    """From 1; 0 = no line, as for a value that comes from the environment."""
    key: str
    """Such as ``channels[1].base_url``; empty for the file as a whole."""
    message: str
    suggestion: str = ""
    severity: Severity = "error"

    def text(self) -> str:
        """One line for a person: ``file:line: key: message (suggestion)``."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        mark = "warning: " if self.severity == "warning" else ""
        key = f"{self.key}: " if self.key else ""
        suggestion = f" ({self.suggestion})" if self.suggestion else ""
        return f"{place}: {mark}{key}{self.message}{suggestion}"


class ConfigError(Exception):
    """A configuration that can't be used; ``problems`` holds every error and warning that was found."""

    def __init__(self, problems: tuple[ConfigProblem, ...]) -> None:
        super().__init__("\n".join(problem.text() for problem in problems))
        self.problems = problems


def closest(word: str, known: Iterable[str]) -> str:
    """``did you mean "…"?`` for the nearest known word, or nothing when none is near."""
    words = {other.lower(): other for other in sorted(known, reverse=True)}
    lower = word.lower()
    begins = [other for other in sorted(words) if len(word) >= 3 and other.startswith(lower)]
    near = difflib.get_close_matches(lower, sorted(words), n=1, cutoff=0.6) or begins
    return f'did you mean "{words[near[0]]}"?' if near else ""


def by_line(problems: Iterable[ConfigProblem]) -> tuple[ConfigProblem, ...]:
    """The problems in the order of the file."""
    return tuple(sorted(problems, key=lambda problem: problem.line))


def has_errors(problems: Iterable[ConfigProblem]) -> bool:
    """Whether anything found forbids the use of the file."""
    return any(problem.severity == "error" for problem in problems)
