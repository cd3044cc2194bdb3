"""Options that several commands share, and how typer is set up for all."""

from pathlib import Path
from typing import Annotated, Any

import typer

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
DATA_DEFAULT = Path("data")

# Not checked by typer, which would tell of an unreadable one as of a wrong use, with usage lines around it.
Data = Annotated[Path, typer.Option("--data", envvar="SWITCHGEAR_DATA", help="Data folder.", readable=False)]
File = Annotated[Path, typer.Argument(help="Configuration file.", metavar="FILE", readable=False)]
Now = Annotated[bool, typer.Option("--now", help="End at once what runs, streams among it.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")]


def new_app(help_text: str = "") -> typer.Typer:
    """A command or group of commands in the common set-up: plain text, no tracebacks of typer's own."""
    return typer.Typer(
        help=help_text or None,
        context_settings=CONTEXT,
        no_args_is_help=bool(help_text),
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def example(*lines: str) -> str:
    """What stands at the end of a command's help: lines to copy."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join(["\b", title, *(f"  {line}" for line in lines)])
