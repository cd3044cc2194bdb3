"""``switchgear apply``: make the database say what a file says, and a running server follow."""

import os
from pathlib import Path

import typer
from sqlalchemy import Connection

from switchgear.cli.opened import now_ms, secrets_of, store_of
from switchgear.cli.options import DATA_DEFAULT, Data, File, Json, new_app
from switchgear.cli.output import print_json
from switchgear.cli.pushed import push_changes
from switchgear.config.check import Checked, known_of, load
from switchgear.config.problem import has_errors
from switchgear.kernel.config import Config
from switchgear.store.apply import ApplyReport, apply_config
from switchgear.vendors.shipped import shipped

app = new_app()


@app.command()
def apply(
    file: File,
    data: Data = DATA_DEFAULT,
    json: Json = False,
) -> None:
    """Apply a configuration file, also to a running server.

    Objects are found by name and written in one transaction; a second time changes nothing.
    Objects that the file does not name are left alone. Keys without a value are made and printed once. A
    running server follows at once, except for [server], which is read at its start.
    """
    report = apply_to(data, read_config(file).config)
    if json:
        print_json({"changes": report.changes, "created_keys": dict(report.created_keys)})
    else:
        for line in report.changes:
            typer.echo(line)
        for name, key in report.created_keys:
            typer.echo(f"key {name!r}, shown only now: {key}")
        if not report.changes:
            typer.echo("Nothing to change.")
    if report.changes:
        push_changes(data, quiet=json)


def read_config(file: Path) -> Checked:
    """A file that may be used; else prints every problem and ends with 1."""
    checked = load(file, os.environ, known_of(shipped()))
    for problem in checked.problems:
        typer.echo(problem.text(), err=True)
    if has_errors(checked.problems):
        raise typer.Exit(1)
    return checked


def apply_to(data: Path, config: Config) -> ApplyReport:
    """Writes a config into the store of a data folder, which is made if need be."""
    with store_of(data, make=True) as database:
        secrets = secrets_of(data, database)

        def write(connection: Connection) -> ApplyReport:
            return apply_config(connection, secrets.vault, secrets.pepper, config, now_ms())

        return database.write(write)
