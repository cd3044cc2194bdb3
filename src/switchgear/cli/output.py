"""What commands print: tables for people, JSON lines for scripts, and one clear line for a failure."""

import datetime
import shutil
import sys
from collections.abc import Iterable, Sequence
from itertools import zip_longest

import msgspec
import typer

_GAP = "  "
_CELL_CHARS_MIN = 8
_encoder = msgspec.json.Encoder()


class Failure(Exception):
    """Ends the command with exit code 1 and its message as one line on standard error."""


def print_table(
    header: Sequence[str], rows: Iterable[Sequence[object]], first_to_go: Sequence[str] = ()
) -> None:
    """Columns as wide as their widest cell; columns that hold only numbers stand to the right. On a terminal
    that is too narrow the columns ``first_to_go`` are left out, in that order, then long cells are cut."""
    texts = [["-" if cell in (None, "") else str(cell) for cell in row] for row in rows]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines, left_out = fitted([list(header), *texts], width, first_to_go)
    widths = _widths(lines)
    numeric = [len(lines) > 1 and all(map(_is_number, column)) for column in zip(*lines[1:], strict=True)]
    for line in lines:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip_longest(line, widths, numeric)
        ]
        typer.echo(_GAP.join(cells).rstrip())
    if left_out:
        typer.echo(f"For want of room without {', '.join(left_out)}; --json shows all.", err=True)


def fitted(
    lines: list[list[str]], width: int | None, first_to_go: Sequence[str]
) -> tuple[list[list[str]], list[str]]:
    """The lines as far as they fit, header first, and the names of the columns that had to go. None: any
    width fits."""
    left_out: list[str] = []
    while width is not None and _width(lines) > width and len(left_out) < len(first_to_go):
        at = lines[0].index(first_to_go[len(left_out)])
        left_out.append(lines[0][at])
        lines = [line[:at] + line[at + 1 :] for line in lines]
    while width is not None and _width(lines) > width:
        widths = _widths(lines)
        widest = max(widths)
        if widest <= _CELL_CHARS_MIN:
            break  # a terminal that narrow breaks lines by itself
        at, room = widths.index(widest), max(_CELL_CHARS_MIN, widest - (_width(lines) - width))
        lines = [[*line[:at], _cut(line[at], room), *line[at + 1 :]] for line in lines]
    return lines, left_out


def _cut(cell: str, room: int) -> str:
    return cell if len(cell) <= room else cell[: room - 1] + "…"


def _widths(lines: list[list[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*lines, strict=True)]


def _width(lines: list[list[str]]) -> int:
    widths = _widths(lines)
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def print_json(value: object) -> None:
    """One object on one line."""
    typer.echo(_encoder.encode(value).decode())


def moment_text(at_ms: int) -> str:
    """Unix milliseconds as ``2027-01-01T00:00:00Z``; a dash for 0, which stands for never."""
    if not at_ms:
        return "-"
    return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(".", "", 1).lstrip("-").isdigit()
