"""``switchgear keys``: make, list, disable and enable API keys."""

import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from switchgear.cli.opened import now_ms, secrets_of, store_of
from switchgear.cli.options import DATA_DEFAULT, Data, Json, Now, example, new_app
from switchgear.cli.output import Failure, moment_text, print_json, print_table
from switchgear.cli.pushed import push_changes, stop_running
from switchgear.config import read
from switchgear.config.read import BadValue, Reader
from switchgear.kernel.config import DEFAULT_GROUP, KeyConfig
from switchgear.kernel.limits import CONCURRENCY_CAP_MAX, RATE_PER_MINUTE_MAX
from switchgear.kernel.money import usd_from_nanos
from switchgear.link.protocol import StopCalls
from switchgear.link.snapshot import Principal
from switchgear.store.accounts import balances
from switchgear.store.keys import create_key, list_keys, set_key_status

app = new_app("Make, list, disable and enable API keys.")

_FIRST_TO_GO = ("allow_ips", "expires_at", "tpm", "rpm", "models", "group", "user", "key")
"""Columns of a list that a narrow terminal has no room for."""

Name = Annotated[str, typer.Argument(help="Name of the key.", metavar="NAME")]


def _rate(what: str, most: int = RATE_PER_MINUTE_MAX) -> Any:
    """An option that limits something, within the bounds of the configuration file."""
    return typer.Option(help=f"{what}; 0 = no limit.", min=0, max=most)


@app.command(epilog=example("switchgear keys create ci --user acme --quota-usd 5 --model gpt-5.2 --rpm 600"))
def create(
    name: Name,
    user: Annotated[str, typer.Option(help="User whose wallet pays.")] = "default",
    group: Annotated[str, typer.Option(help="Group whose channels and ratio are used.")] = DEFAULT_GROUP,
    quota_usd: Annotated[str | None, typer.Option(help="All that the key may ever spend.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Model it may call; repeat for more.")] = None,
    allow_ip: Annotated[list[str] | None, typer.Option(help="Network it may be used from; repeat.")] = None,
    rpm: Annotated[int, _rate("Requests per minute")] = 0,
    tpm: Annotated[int, _rate("Tokens per minute")] = 0,
    concurrency: Annotated[int, _rate("Calls at the same time", CONCURRENCY_CAP_MAX)] = 0,
    expires_at: Annotated[
        str | None, typer.Option(help="From then on it is refused, such as 2027-01-01T00:00:00Z.")
    ] = None,
    data: Data = DATA_DEFAULT,
    json: Json = False,
) -> None:
    """Make a key and print it: it can't be shown again."""
    key = KeyConfig(
        name=str(checked("NAME", name, read.name)),
        user=user,
        group=group,
        quota_nanos=None if quota_usd is None else amount("--quota-usd", quota_usd),
        models=tuple(str(checked("--model", name, read.model_name)) for name in model or ()),
        allow_ips=tuple(str(checked("--allow-ip", network, read.cidr)) for network in allow_ip or ()),
        rpm=rpm,
        tpm=tpm,
        concurrency=concurrency,
        expires_at_ms=0 if expires_at is None else _moment("--expires-at", expires_at),
    )
    with store_of(data, make=True) as database:
        pepper = secrets_of(data, database).pepper

        def make(connection: Connection) -> str | None:
            return create_key(connection, pepper, key, now_ms())

        plain = database.write(make)
    if json:
        print_json({"name": key.name, "user": key.user, "key": plain})
    else:
        typer.echo(plain)
    push_changes(data, quiet=True)


@app.command("list", epilog=example("switchgear keys list"))
def list_(data: Data = DATA_DEFAULT, json: Json = False) -> None:
    """List all keys, masked."""
    with store_of(data) as database:
        keys, held, leased = database.read(
            lambda connection: (
                list_keys(connection),
                balances(connection, "budget:key:"),
                balances(connection, "lease:budget:key:"),
            )
        )
    rows = [_row(key, held.get(key.budget, 0) + leased_of(key.budget, leased)) for key in keys]
    if json:
        for row in rows:
            print_json(row)
        return
    header = (
        "name",
        "key",
        "user",
        "group",
        "status",
        "quota_left_usd",
        "models",
        "allow_ips",
        "rpm",
        "tpm",
        "expires_at",
    )
    print_table(header, [[_cell(row[column]) for column in header] for row in rows], _FIRST_TO_GO)


@app.command(epilog=example("switchgear keys disable ci", "switchgear keys disable ci --now"))
def disable(name: Name, data: Data = DATA_DEFAULT, now: Now = False) -> None:
    """Refuse a key from now on, on running servers too. What runs for it may end by itself, but for --now."""
    key_id = _set_status(name, data, disabled=True)
    if now:
        stop_running(data, StopCalls(key_id=key_id))


@app.command(epilog=example("switchgear keys enable ci"))
def enable(name: Name, data: Data = DATA_DEFAULT) -> None:
    """Take a disabled key again."""
    _set_status(name, data, disabled=False)


def checked(option: str, value: object, reader: Reader) -> object:
    """A value of the command line, read as the configuration file would."""
    try:
        return reader(value)
    except BadValue as bad:
        hint = f" ({bad.suggestion})" if bad.suggestion else ""
        raise Failure(f"{option}: {bad.message}{hint}") from bad


def amount(option: str, text: str) -> int:
    """Dollars on the command line → nanos."""
    nanos = checked(option, text, read.usd)
    return nanos if isinstance(nanos, int) else 0


def _moment(option: str, text: str) -> int:
    """A date or date-time on the command line → Unix milliseconds."""
    try:
        value: object = datetime.datetime.fromisoformat(text)
    except ValueError:
        value = text
    at_ms = checked(option, value, read.moment)
    return at_ms if isinstance(at_ms, int) else 0


def _set_status(name: str, data: Path, *, disabled: bool) -> str:
    """Its id."""
    with store_of(data) as database:
        changed = database.write(lambda connection: set_key_status(connection, name, disabled))
        keys = database.read(list_keys)
    word = "disabled" if disabled else "enabled"
    typer.echo(f"{name}: {word}" if changed else f"{name}: already {word}")
    if changed:
        push_changes(data)
    return next(key.key_id for key in keys if key.key_name == name)


def leased_of(account: str, leased: dict[str, int]) -> int:
    """Nanos of an account that relay workers hold on lease."""
    return sum(nanos for name, nanos in leased.items() if name.startswith(f"lease:{account}:"))


def _row(key: Principal, quota_left_nanos: int) -> dict[str, object]:
    return {
        "name": key.key_name,
        "key": key.key_masked,
        "id": key.key_id,
        "user": key.user_name,
        "group": key.group,
        "status": key.status,
        "quota_left_usd": usd_from_nanos(quota_left_nanos) if key.budget else None,
        "models": key.models,
        "allow_ips": key.allow_ips,
        "rpm": key.rpm,
        "tpm": key.tpm,
        "concurrency": key.concurrency,
        "expires_at": moment_text(key.expires_at_ms) if key.expires_at_ms else None,
    }


def _cell(value: object) -> object:
    return ",".join(map(str, value)) if isinstance(value, tuple) else value
