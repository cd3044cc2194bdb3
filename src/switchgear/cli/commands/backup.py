"""``switchgear backup``: a copy of the database while everything runs."""

from pathlib import Path
from typing import Annotated

import typer

from switchgear.cli.opened import store_of
from switchgear.cli.options import DATA_DEFAULT, Data, example, new_app
from switchgear.store.backup import backup as copy_database

app = new_app()


@app.command(epilog=example("switchgear backup switchgear-backup.db"))
def backup(
    target: Annotated[Path, typer.Argument(help="File to write; it must not exist yet.", metavar="DEST")],
    data: Data = DATA_DEFAULT,
) -> None:
    """Copy the database, as of one moment, to a new file.

    Keep the folder "secrets" of the data folder too, in another place: without it the copy's secrets and keys
    are of no use to anybody, you included.
    """
    with store_of(data) as database:
        size_bytes = copy_database(database, target)
    typer.echo(f"{target}: {size_bytes} bytes")
