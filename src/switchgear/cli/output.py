"""What commands print: tables for people, JSON lines for scripts, and one clear line for a failure."""

import datetime
from collections.abc import Iterable, Sequence

import msgspec
import typer

_encoder = msgspec.json.Encoder()


class Failure(Exception):
    """Ends the command with exit code 1 and its message as one line on standard error."""


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as their widest cell; columns that hold only numbers stand to the right."""
    texts = [["-" if cell in (None, "") else str(cell) for cell in row] for row in rows]
    lines = [list(header), *texts]
    widths = [max(len(line[at]) for line in lines) for at in range(len(header))]
    numeric = [bool(texts) and all(_is_number(row[at]) for row in texts) for at in range(len(header))]
    for line in lines:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ]
        typer.echo("  ".join(cells).rstrip())


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
