"""The table of commands, each loaded only when it is named: ``switchgear version`` answers at once."""

import importlib
import sys
from typing import NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from switchgear.cli.options import CONTEXT
from switchgear.cli.output import Failure
from switchgear.kernel.process import refuse_core_dumps

COMMANDS = (
    "serve",
    "check",
    "apply",
    "keys",
    "users",
    "channels",
    "models",
    "usage",
    "audit",
    "backup",
    "version",
)
"""Names of the commands and of their modules, in the order of ``--help``."""


class Commands(TyperGroup):
    """Finds a command by importing its module, which is what loads the database, the prices and the rest."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # typer's own subclass
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | TyperGroup | None:  # type: ignore[override]  # as above
        """The command of that name, or None."""
        return load(cmd_name) if cmd_name in COMMANDS else None


app = typer.Typer(
    cls=Commands,
    context_settings=CONTEXT,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def root() -> None:
    """A self-hosted relay for AI APIs: one key, one bill, every model."""


def load(name: str) -> TyperCommand | TyperGroup:
    """The command or group of a module of ``commands``."""
    module = importlib.import_module(f"switchgear.cli.commands.{name}")
    command = typer.main.get_command(module.app)
    command.name = name
    if not isinstance(command, TyperCommand | TyperGroup):
        raise TypeError(f"{name} is not a command")
    return command


def run(arguments: list[str] | None = None) -> NoReturn:
    """Runs the command of ``arguments``, else of ``sys.argv``; ends in SystemExit."""
    refuse_core_dumps()
    try:
        app(arguments, prog_name="switchgear")
    except Failure as failure:
        typer.echo(f"switchgear: {failure}", err=True)
        sys.exit(1)
    sys.exit(0)
