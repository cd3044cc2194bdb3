"""``switchgear version``."""

import typer

import switchgear
from switchgear.cli.options import new_app

app = new_app()


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(switchgear.__version__)
