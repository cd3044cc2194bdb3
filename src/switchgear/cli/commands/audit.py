"""``switchgear audit``: recompute the books from transfers and records."""

import typer

from switchgear.cli.opened import store_of
from switchgear.cli.options import DATA_DEFAULT, Data, Json, new_app
from switchgear.cli.output import print_json
from switchgear.store.auditing import audit_database

app = new_app()


@app.command()
def audit(data: Data = DATA_DEFAULT, json: Json = False) -> None:
    """Recompute every balance and charge. Exits with 0 only if nothing is off."""
    with store_of(data) as database:
        findings = database.read(audit_database)
    for finding in findings:
        if json:
            print_json(finding)
        else:
            typer.echo(f"{finding.kind}: {finding.subject}: {finding.detail}")
    if findings:
        typer.echo(f"switchgear: the audit found {len(findings)} differences", err=True)
        raise typer.Exit(1)
    if not json:
        typer.echo("Clean: balances, charges and leases agree with the transfers.")
