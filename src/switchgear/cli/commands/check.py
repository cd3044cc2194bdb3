"""``switchgear check``: what is wrong with a configuration file, all of it at once."""

import os
from pathlib import Path
from typing import Annotated

import typer

from switchgear.cli.options import File, Json, example, new_app
from switchgear.cli.output import print_json, print_table
from switchgear.config.check import Checked, known_of, load
from switchgear.config.problem import ConfigProblem, has_errors
from switchgear.config.server import Origin, resolve_server
from switchgear.vendors.shipped import shipped

app = new_app()


@app.command(epilog=example("switchgear check config.toml --origins"))
def check(
    file: File,
    origins: Annotated[
        bool, typer.Option("--origins", help="Also print each server setting and where it comes from.")
    ] = False,
    json: Json = False,
) -> None:
    """Check a configuration file.

    Prints every problem with file, line, key and a suggestion. Exits with 1 if anything
    keeps the file from being used. Warnings do not.
    """
    checked, found, problems = checked_file(file)
    for problem in problems:
        if json:
            print_json(problem)
        else:
            typer.echo(problem.text(), err=problem.severity == "error")
    if origins:
        print_origins(found, json)
    if has_errors(problems):
        raise typer.Exit(1)
    if not json and not origins:
        config = checked.config
        typer.echo(
            f"{file}: fine ({len(config.groups)} groups, {len(config.users)} users, {len(config.keys)} keys, "
            f"{len(config.channels)} channels, {len(config.prices)} prices)"
        )


def checked_file(file: Path) -> tuple[Checked, tuple[Origin, ...], tuple[ConfigProblem, ...]]:
    """File, origins of the server's settings, and the problems of the file and of the environment."""
    checked = load(file, os.environ, known_of(shipped()))
    _, found, in_environment = resolve_server(checked.config.server, os.environ, {}, str(file), checked.lines)
    return checked, found, (*checked.problems, *in_environment)


def print_origins(found: tuple[Origin, ...], json: bool) -> None:
    """Each setting, its value and where it was said."""
    if json:
        for origin in found:
            print_json(origin)
    else:
        print_table(("setting", "value", "origin"), [(o.key, _shown(o.value), o.origin) for o in found])


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
