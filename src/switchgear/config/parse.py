"""TOML text to ``Config``: reads all that it can and collects every problem, not only the first."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import TypeVar

import msgspec

from switchgear.catalog.schema import UNIT_OF_KEY
from switchgear.config.locate import Path, key_text, line_of, locate
from switchgear.config.problem import ConfigProblem, Severity, by_line, closest
from switchgear.config.read import BadValue, kind_of
from switchgear.config.tables import TABLES, TIMEOUTS, Table
from switchgear.kernel.config import (
    ChannelConfig,
    Config,
    GroupConfig,
    KeyConfig,
    PriceConfig,
    ServerConfig,
    UserConfig,
)
from switchgear.kernel.limits import CONFIG_BYTES_MAX, CONFIG_LIST_MAX

_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")
_AT_END = re.compile(r" \(at end of document\)$")


S = TypeVar("S", bound=msgspec.Struct)
Row = tuple[int, dict[str, object]]


class Sheet:
    """The problems of one file, each with the line of the key it is about."""

    def __init__(self, file: str, lines: dict[Path, int]) -> None:
        self.file = file
        self.lines = lines
        self.problems: list[ConfigProblem] = []
        self.lacks: list[str] = []
        """Of each problem; see ``note``."""

    def note(
        self, path: Path, message: str, suggestion: str = "", severity: Severity = "error", lacks: str = ""
    ) -> None:
        """Adds one finding about the value at ``path``. ``lacks``: of one that misses something, a pattern of
        the keys that may hold it; where one of those can't be read, nothing is known to be missing."""
        line = line_of(self.lines, path)
        self.problems.append(ConfigProblem(self.file, line, key_text(path), message, suggestion, severity))
        self.lacks.append(lacks)


class Parsed(msgspec.Struct, frozen=True):
    """What a text says. ``config`` holds what could be read; use it only if no problem is an error."""

    config: Config
    problems: tuple[ConfigProblem, ...]
    lines: dict[Path, int]
    rows: dict[str, tuple[int, ...]]
    """Table → index in the file of each element of ``config``; elements that can't be read are left out."""


def read_file(path: FilePath) -> tuple[str, ConfigProblem | None]:
    """The text of a file, or what keeps it from being read."""
    try:
        with path.open("rb") as source:
            data = source.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        return "", ConfigProblem(str(path), 0, "", f"can't be read: {os.strerror(error.errno or 0)}")
    if len(data) > CONFIG_BYTES_MAX:
        return "", ConfigProblem(str(path), 0, "", f"is longer than {CONFIG_BYTES_MAX} bytes")
    try:
        return data.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return "", ConfigProblem(str(path), line, "", "is not UTF-8 text")


def parse(text: str, file: str) -> Parsed:
    """Reads a text. Says nothing of what spans tables; ``check.check`` does."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return Parsed(Config(), (_syntax_problem(error, text, file),), {}, {})
    sheet = Sheet(file, locate(text))
    _unknown_tables(document, sheet)
    rows = {table.name: _rows(document, table, sheet) for table in TABLES}
    server = rows["server"][0][1] if rows["server"] else {}
    config = Config(
        server=msgspec.convert(server, ServerConfig),
        groups=_all(rows, "groups", GroupConfig),
        users=_all(rows, "users", UserConfig),
        keys=_all(rows, "keys", KeyConfig),
        channels=_all(rows, "channels", ChannelConfig),
        prices=tuple(_price(values) for _, values in rows["prices"]),
    )
    indexes = {name: tuple(index for index, _ in found) for name, found in rows.items()}
    return Parsed(config, by_line(sheet.problems), sheet.lines, indexes)


def _syntax_problem(error: Exception, text: str, file: str) -> ConfigProblem:
    message = str(error)
    if isinstance(error, RecursionError):
        return ConfigProblem(file, 0, "", "is nested too deep")
    at_line = _AT_LINE.search(message)
    line = int(at_line[1]) if at_line else text.count("\n") + 1
    message = _AT_END.sub(" at the end of the file", _AT_LINE.sub("", message))
    return ConfigProblem(file, line, "", f"is not TOML: {message[:1].lower()}{message[1:]}")


def _unknown_tables(document: Mapping[str, object], sheet: Sheet) -> None:
    names = [table.name for table in TABLES]
    for name in document:
        if name not in names:
            sheet.note((name,), "is not a known table", closest(name, names))


def _rows(document: Mapping[str, object], table: Table, sheet: Sheet, parent: Path = ()) -> list[Row]:
    """(index, values) of each element of a table that is whole enough to be used."""
    if table.name not in document:
        return []
    value = document[table.name]
    path = (*parent, table.name)
    if not table.is_array:
        if not isinstance(value, dict):
            sheet.note(path, f"must be a table, not {kind_of(value)}", f"write [{table.name}]")
            return []
        values = _values(value, table, sheet, path)
        return [] if values is None else [(0, values)]
    if not isinstance(value, list) or not all(isinstance(element, dict) for element in value):
        sheet.note(path, f"must be an array of tables, not {kind_of(value)}", f"write [[{table.name}]]")
        return []
    if len(value) > CONFIG_LIST_MAX:
        sheet.note(path, f"has {len(value)} tables, more than {CONFIG_LIST_MAX}")
        return []
    found = ((index, _values(element, table, sheet, (*path, index))) for index, element in enumerate(value))
    return [(index, values) for index, values in found if values is not None]


def _values(source: Mapping[str, object], table: Table, sheet: Sheet, path: Path) -> dict[str, object] | None:
    """Values by attribute name; None when a required one is missing or bad."""
    inner = {table.name: table for table in table.tables}
    values: dict[str, object] = {}
    for key, value in source.items():
        field = table.field(key)
        if key in inner:
            values[key] = [found for _, found in _rows(source, inner[key], sheet, path)]
        elif field is None:
            known = [*(field.name for field in table.fields), *inner]
            sheet.note((*path, key), f"is not a key of {_shown(table)}", closest(key, known))
        else:
            try:
                values[field.target or field.name] = field.read(value)
            except BadValue as bad:
                sheet.note((*path, key, *bad.inside), bad.message, bad.suggestion)
    whole = True
    for field in table.fields:
        if field.required and (field.target or field.name) not in values:
            whole = False
            if field.name not in source:
                sheet.note(path, f"has no {field.name}", f"{_shown(table)} needs one")
    _inner_names(values, sheet, path)
    return values if whole else None


def _inner_names(values: Mapping[str, object], sheet: Sheet, path: Path) -> None:
    """Names of deadlines are keys too."""
    timeouts = values.get("timeouts")
    if isinstance(timeouts, dict):
        for name in timeouts:
            if name not in TIMEOUTS:
                sheet.note((*path, "timeouts", name), "is not a deadline", closest(name, TIMEOUTS))


def _all(rows: Mapping[str, list[Row]], name: str, type_: type[S]) -> tuple[S, ...]:
    return tuple(msgspec.convert(values, type_) for _, values in rows[name])


def _price(values: Mapping[str, object]) -> PriceConfig:
    tiers = [
        {"above_input_tokens": tier["above_input_tokens"], "rates": _rates(tier)}
        for tier in msgspec.convert(values.get("tiers", []), list[dict[str, int]])
    ]
    tiers.sort(key=lambda tier: msgspec.convert(tier["above_input_tokens"], int))
    return msgspec.convert({"model": values["model"], "rates": _rates(values), "tiers": tiers}, PriceConfig)


def _rates(values: Mapping[str, object]) -> dict[str, object]:
    return {unit: values[key] for key, unit in UNIT_OF_KEY.items() if key in values}


def _shown(table: Table) -> str:
    return f"[[{table.name}]]" if table.is_array else f"[{table.name}]"
