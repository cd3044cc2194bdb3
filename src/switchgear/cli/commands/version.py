"""``switchgear version``."""

import typer

import switchgear
from switchgear.cli.options import example, new_app

app = new_app()


@app.command(epilog=example("switchgear version"))
def version() -> None:
    """Print the version."""
    typer.echo(switchgear.__version__)
