"""``switchgear audit``: recompute the books from transfers and records."""

import msgspec
import typer

from switchgear.cli.opened import store_of
from switchgear.cli.options import DATA_DEFAULT, Data, Json, example, new_app
from switchgear.cli.output import print_json
from switchgear.ledger.audit import WARNINGS, Finding, faults
from switchgear.store.auditing import audit_database

app = new_app()


@app.command(epilog=example("switchgear audit --data data"))
def audit(data: Data = DATA_DEFAULT, json: Json = False) -> None:
    """Recompute every balance and charge. Exits with 0 only if nothing is off.

    A balance below zero is only a warning: a call may cost more than its estimate, and a quota may be lowered
    below what was spent.
    """
    with store_of(data) as database:
        findings = database.read(audit_database)
    for finding in findings:
        if json:
            print_json({"severity": _severity(finding), **msgspec.structs.asdict(finding)})
        else:
            typer.echo(f"{_severity(finding)}: {finding.kind}: {finding.subject}: {finding.detail}")
    if wrong := faults(findings):
        typer.echo(f"switchgear: the audit found {len(wrong)} differences", err=True)
        raise typer.Exit(1)
    if not json:
        typer.echo("Clean: balances, charges and leases agree with the transfers.")


def _severity(finding: Finding) -> str:
    return "warning" if finding.kind in WARNINGS else "error"
