"""``switchgear apply``: make the database say what a file says, and a running server follow."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import typer
from sqlalchemy import Connection

from switchgear.cli.opened import now_ms, secrets_of, store_of
from switchgear.cli.options import DATA_DEFAULT, Data, File, Json, example, new_app
from switchgear.cli.output import print_json
from switchgear.cli.pushed import push_changes
from switchgear.config.check import Checked, known_of, load
from switchgear.config.problem import has_errors
from switchgear.kernel.config import Config
from switchgear.kernel.home import Home
from switchgear.store.apply import ApplyReport, apply_config
from switchgear.store.unshown import Unshown, keep_unshown, read_unshown
from switchgear.vendors.shipped import shipped

app = new_app()


@app.command(epilog=example("switchgear apply config.toml"))
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
    report = apply_to(data, read_config(file).config, partial(_show, json=json))
    if report.changes:
        push_changes(data, quiet=json)


def _show(report: ApplyReport, *, json: bool) -> None:
    if json:
        print_json({"changes": report.changes, "created_keys": dict(report.created_keys)})
        return
    for line in report.changes:
        typer.echo(line)
    for name, key in report.created_keys:
        typer.echo(f"key {name!r}, shown only now: {key}")
    if not report.changes:
        typer.echo("Nothing to change.")


def read_config(file: Path) -> Checked:
    """A file that may be used; else prints every problem and ends with 1."""
    checked = load(file, os.environ, known_of(shipped()))
    for problem in checked.problems:
        typer.echo(problem.text(), err=True)
    if has_errors(checked.problems):
        raise typer.Exit(1)
    return checked


def apply_to(data: Path, config: Config, show: Callable[[ApplyReport], None]) -> ApplyReport:
    """Writes a config into the store of a data folder, which is made if need be. Keys that were made are kept
    for the next start until ``show`` has shown them."""
    home = Home(data)
    with store_of(data, make=True) as database:
        secrets = secrets_of(data, database)

        def write(connection: Connection) -> tuple[ApplyReport, Unshown]:
            before = read_unshown(connection, home, secrets.vault, secrets.pepper)
            report = apply_config(connection, secrets.vault, secrets.pepper, config, now_ms())
            keep_unshown(home, secrets.vault, before.and_also(Unshown(report.created_keys)))
            return report, before

        report, before = database.write(write)
    show(report)
    if report.created_keys:
        keep_unshown(home, secrets.vault, before)
    return report
