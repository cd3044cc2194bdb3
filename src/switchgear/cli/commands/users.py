"""``switchgear users``: make, list, disable and enable users, put money into their wallets."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from switchgear.cli.commands.keys import amount, checked, leased_of
from switchgear.cli.opened import now_ms, store_of
from switchgear.cli.options import DATA_DEFAULT, Data, Json, Now, example, new_app
from switchgear.cli.output import moment_text, print_json, print_table
from switchgear.cli.pushed import push_changes, stop_running
from switchgear.config import read
from switchgear.kernel.config import UserConfig
from switchgear.kernel.ids import new_id
from switchgear.kernel.money import usd_from_nanos
from switchgear.link.protocol import StopCalls
from switchgear.store.accounts import balances
from switchgear.store.admins import list_admins, reset_admin_password
from switchgear.store.db import ApplyError
from switchgear.store.users import create_user, list_users, set_user_status, top_up_user

app = new_app("Make, list, disable and enable users, put money into their wallets.")

Name = Annotated[str, typer.Argument(help="Name of the user.", metavar="NAME")]


@app.command(epilog=example("switchgear users create acme --balance-usd 10"))
def create(
    name: Name,
    balance_usd: Annotated[str, typer.Option(help="What the wallet begins with.")] = "0",
    data: Data = DATA_DEFAULT,
    json: Json = False,
) -> None:
    """Make a user."""
    nanos = amount("--balance-usd", balance_usd)
    user = UserConfig(str(checked("NAME", name, read.name)), balance_nanos=nanos)
    with store_of(data, make=True) as database:
        identifier = database.write(lambda connection: create_user(connection, user, now_ms()))
    if json:
        print_json({"name": user.name, "id": identifier, "balance_usd": usd_from_nanos(nanos)})
    else:
        typer.echo(f"{user.name}: made, with {usd_from_nanos(nanos)} USD")
    push_changes(data, quiet=True)


@app.command("list", epilog=example("switchgear users list"))
def list_(data: Data = DATA_DEFAULT, json: Json = False) -> None:
    """List all users. The balance counts what relay workers hold on lease as well."""
    with store_of(data) as database:
        users, leased = database.read(
            lambda connection: (list_users(connection), balances(connection, "lease:wallet:"))
        )
    rows = []
    for user in users:
        held = leased_of(user.wallet, leased)
        rows.append(
            {
                "name": user.name,
                "id": user.id,
                "status": user.status,
                "balance_usd": usd_from_nanos(user.balance_nanos + held),
                "of_it_leased_usd": usd_from_nanos(held),
                "created_at": moment_text(user.created_at_ms),
            }
        )
    if json:
        for row in rows:
            print_json(row)
        return
    header = ("name", "status", "balance_usd", "of_it_leased_usd", "created_at")
    print_table(
        header, [[row[column] for column in header] for row in rows], ("created_at", "of_it_leased_usd")
    )


@app.command(epilog=example("switchgear users topup acme 12.50 --ref invoice-17"))
def topup(
    name: Name,
    usd: Annotated[str, typer.Argument(help="Dollars, such as 12.50.", metavar="USD")],
    ref: Annotated[
        str | None, typer.Option(help="Your reference of the payment; the same one is booked only once.")
    ] = None,
    data: Data = DATA_DEFAULT,
    json: Json = False,
) -> None:
    """Put money into a user's wallet."""
    nanos = amount("USD", usd)
    if nanos == 0:
        raise typer.BadParameter("0 would change nothing", param_hint="USD")

    def book(connection: Connection) -> int:
        return top_up_user(connection, name, nanos, ref or new_id(), now_ms())

    with store_of(data) as database:
        balance = database.write(book)
    if json:
        print_json({"name": name, "balance_nanos": balance})
    else:
        typer.echo(f"{name}: {usd_from_nanos(balance)} USD in the wallet, leases not counted")
    push_changes(data, quiet=True)


@app.command(epilog=example("switchgear users disable acme", "switchgear users disable acme --now"))
def disable(name: Name, data: Data = DATA_DEFAULT, now: Now = False) -> None:
    """Refuse all keys of a user from now on, on running servers too. What runs may end by itself, but for
    --now."""
    user_id = _set_status(name, data, "disabled")
    if now:
        stop_running(data, StopCalls(user_id=user_id))


@app.command(epilog=example("switchgear users enable acme"))
def enable(name: Name, data: Data = DATA_DEFAULT) -> None:
    """Take a disabled user's keys again."""
    _set_status(name, data, "active")


@app.command("reset-password", epilog=example("switchgear users reset-password admin"))
def reset_password(
    name: Annotated[str, typer.Argument(help="Name of the administrator.", metavar="NAME")],
    data: Data = DATA_DEFAULT,
    json: Json = False,
) -> None:
    """Make a new password for an administrator and print it: it can't be shown again."""

    def reset(connection: Connection) -> str:
        known = list_admins(connection)
        if name not in known:
            raise ApplyError(f"there is no administrator {name!r}; known: {', '.join(known) or 'none'}")
        return reset_admin_password(connection, name)

    with store_of(data) as database:
        password = database.write(reset)
    if json:
        print_json({"name": name, "password": password})
    else:
        typer.echo(password)


def _set_status(name: str, data: Path, status: str) -> str:
    """Its id."""
    with store_of(data) as database:
        changed = database.write(lambda connection: set_user_status(connection, name, status))
        users = database.read(list_users)
    word = "enabled" if status == "active" else status
    typer.echo(f"{name}: {word}" if changed else f"{name}: already {word}")
    if changed:
        push_changes(data)
    return next(user.id for user in users if user.name == name)
