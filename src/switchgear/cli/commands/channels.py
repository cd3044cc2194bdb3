"""``switchgear channels``: list upstreams, disable and enable them, and try each with one tiny real call."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from switchgear.cli.offers import credentials_of, models_of
from switchgear.cli.opened import store_of, vault_of
from switchgear.cli.options import DATA_DEFAULT, Data, Json, example, new_app
from switchgear.cli.output import Failure, print_json, print_table
from switchgear.cli.probe import probe_all
from switchgear.cli.pushed import push_changes
from switchgear.kernel.home import Home
from switchgear.kernel.ids import mask_key
from switchgear.store.channels import ChannelRow, list_channels, set_channel_enabled
from switchgear.vendors.shipped import shipped

app = new_app("List, disable and enable channels, and try them with one tiny real call each.")

Name = Annotated[str, typer.Argument(help="Name of the channel.", metavar="NAME")]


@app.command("list", epilog=example("switchgear channels list"))
def list_(data: Data = DATA_DEFAULT, json: Json = False) -> None:
    """List all channels; secrets are masked."""
    rows = [_row(row) for row in _channels(data)]
    if json:
        for row in rows:
            print_json(row)
        return
    header = (
        "name",
        "vendor",
        "dialects",
        "enabled",
        "base_url",
        "credential",
        "models",
        "groups",
        "priority",
        "weight",
    )
    print_table(
        header,
        [
            [
                len(cell)
                if column == "models" and isinstance(cell := row[column], tuple)
                else _cell(row[column])
                for column in header
            ]
            for row in rows
        ],
        ("weight", "priority", "groups", "dialects", "base_url", "credential"),
    )


@app.command(epilog=example("switchgear channels disable main"))
def disable(name: Name, data: Data = DATA_DEFAULT) -> None:
    """Send no further calls to a channel, on running servers too. What runs there ends by itself.

    A configuration file that says `enabled = true` for it brings it back when it is applied.
    """
    _set_enabled(name, data, enabled=False)


@app.command(epilog=example("switchgear channels enable main"))
def enable(name: Name, data: Data = DATA_DEFAULT) -> None:
    """Send calls to a disabled channel again."""
    _set_enabled(name, data, enabled=True)


@app.command("test", epilog=example("switchgear channels test main"))
def try_channels(
    name: Annotated[str | None, typer.Argument(help="Only this channel.", metavar="[NAME]")] = None,
    data: Data = DATA_DEFAULT,
    json: Json = False,
) -> None:
    """Ask each enabled channel for one token, and print status, time and error.

    The call goes to the upstream itself, past relay and ledger: the vendor may bill a few tokens. Exits with
    1 if a channel failed. The embedded model needs a running server.
    """
    rows = [row for row in _channels(data) if row.config.name == name or (name is None and row.enabled)]
    if name is not None and not rows:
        raise Failure(f'there is no channel "{name}"')
    probes = asyncio.run(probe_all(Home(data), rows, shipped()))
    if json:
        for probe in probes:
            print_json(probe)
    else:
        print_table(
            ("channel", "model", "status", "ms", "result"),
            [(p.channel, p.model, p.status or "", p.ms, p.error or "ok") for p in probes],
        )
    if any(probe.error for probe in probes):
        raise typer.Exit(1)


def _set_enabled(name: str, data: Path, *, enabled: bool) -> None:
    with store_of(data) as database:
        changed = database.write(lambda connection: set_channel_enabled(connection, name, enabled))
    word = "enabled" if enabled else "disabled"
    typer.echo(f"{name}: {word}" if changed else f"{name}: already {word}")
    if changed:
        push_changes(data)


def _channels(data: Data) -> list[ChannelRow]:
    with store_of(data) as database:
        vault = vault_of(data)
        return database.read(lambda connection: list_channels(connection, vault))


def _row(row: ChannelRow) -> dict[str, object]:
    channel = row.config
    keys = ", ".join(mask_key(key) for key in channel.keys)
    if channel.keys_env is not None:
        keys = f"${channel.keys_env}" if credentials_of(channel) else f"${channel.keys_env} (not set here)"
    vendor = shipped().vendors.get(channel.vendor)
    return {
        "name": channel.name,
        "id": row.id,
        "vendor": channel.vendor,
        "dialects": channel.dialects or (vendor.dialects if vendor else ()),
        "enabled": row.enabled,
        "base_url": channel.base_url or (vendor.base_url if vendor else ""),
        "credential": keys,
        "models": models_of(channel, shipped()),
        "groups": channel.groups,
        "priority": channel.priority,
        "weight": channel.weight,
    }


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, tuple) else value
