"""Tells a running server that its configuration changed in the database."""

import asyncio
from pathlib import Path

import typer

from switchgear.kernel.home import Home
from switchgear.link.protocol import StopCalls
from switchgear.link.unix import LinkAway, refresh, stop_calls


def stop_running(data: Path, wanted: StopCalls) -> None:
    """Ends calls that run now on a running server, and reports how many those were."""
    try:
        stopped = asyncio.run(stop_calls(Home(data), wanted))
    except (LinkAway, OSError) as error:
        typer.echo(f"switchgear: the running server did not end the running calls: {error}", err=True)
        raise typer.Exit(1) from error
    if stopped is not None:
        typer.echo(f"Running calls ended: {stopped}.", err=True)


def push_changes(data: Path, *, quiet: bool = False) -> None:
    """Waits until every worker has the change, and says so; says nothing special when no server runs."""
    try:
        refreshed = asyncio.run(refresh(Home(data)))
    except (LinkAway, OSError) as error:
        typer.echo(f"switchgear: stored, but the running server did not take it over: {error}", err=True)
        raise typer.Exit(1) from error
    if quiet:
        return
    if refreshed is None:
        typer.echo("No server runs on this data folder; the next start uses it.", err=True)
    else:
        workers = "1 worker" if refreshed.workers == 1 else f"{refreshed.workers} workers"
        typer.echo(f"In force on {workers} (version {refreshed.version}).", err=True)
