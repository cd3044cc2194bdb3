"""``switchgear serve``: configuration in, running server and its welcome text out."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from sqlalchemy import Connection

import switchgear
from switchgear.cli.banner import Started, banner
from switchgear.cli.commands.apply import read_config
from switchgear.cli.offers import Offer, credentials_of, offers
from switchgear.cli.opened import folder_problem, now_ms, secrets_of, store_of, vault_of
from switchgear.cli.options import DATA_DEFAULT, Data, example, new_app
from switchgear.cli.output import Failure
from switchgear.config.check import Checked
from switchgear.config.defaults import FIRST_NAME, first_config
from switchgear.config.server import resolve_server
from switchgear.kernel.config import Config, ServerConfig
from switchgear.kernel.home import Home
from switchgear.kernel.principal import Principal
from switchgear.serve.boot import Boot
from switchgear.serve.run import become_supervisor
from switchgear.serve.start import StartError, claim, listen
from switchgear.store.admins import ensure_admin
from switchgear.store.apply import apply_config
from switchgear.store.channels import list_channels
from switchgear.store.db import Database
from switchgear.store.keys import list_keys
from switchgear.store.prices import list_prices
from switchgear.store.unshown import Unshown, keep_unshown, read_unshown
from switchgear.store.users import list_users
from switchgear.vendors.shipped import shipped

app = new_app()


class Prepared(msgspec.Struct, frozen=True):
    """What the welcome text has to say of the data folder."""

    changes: tuple[str, ...]
    """What the configuration changed, a line for each object."""
    unshown: Unshown
    admin: str


@app.command(epilog=example("switchgear serve --config config.toml --data data --port 8080"))
def serve(
    config: Annotated[
        Path | None, typer.Option("--config", help="Configuration file.", metavar="FILE", readable=False)
    ] = None,
    data: Data = DATA_DEFAULT,
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes any free one.  [default: 8080]")] = None,
    workers: Annotated[int | None, typer.Option(help="Relay worker processes.  [default: 2]")] = None,
) -> None:
    """Start the server.

    It is one controller and the relay workers, and runs until SIGTERM or Ctrl-C; SIGHUP replaces the workers.

    Without a configuration file a first start makes a user, a key and the embedded model's channel, and a
    channel for each vendor whose key lies in the environment.
    """
    checked = Checked(Config(), ()) if config is None else read_config(config)
    wanted = None if config is None else checked.config
    server = settings(checked, {"host": host, "port": port, "workers": workers})
    host, workers = server.host or "", server.workers or 1
    try:
        lock = claim(Home(data))
        listener = listen(host, server.port or 0)
        prepared = prepare(data, wanted)
        welcome = banner(started(data, host, listener.getsockname()[1], workers, prepared))
        become_supervisor(Boot(str(data), server), listener.detach(), lock, welcome)
    except StartError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(folder_problem(data, error)) from error


def prepare(data: Path, wanted: Config | None) -> Prepared:
    """Brings database and configuration up to date; without a file, as a first start wants it."""
    with store_of(data, make=True) as database:
        secrets = secrets_of(data, database)
        config = wanted if wanted is not None else _unattended(database)

        def write(connection: Connection) -> Prepared:
            before = read_unshown(connection, Home(data), secrets.vault, secrets.pepper)
            report = apply_config(connection, secrets.vault, secrets.pepper, config, now_ms())
            admin, password = ensure_admin(connection)
            made = Unshown(report.created_keys, None if password is None else (admin, password))
            unshown = before.and_also(made)
            keep_unshown(Home(data), secrets.vault, unshown)
            return Prepared(report.changes, unshown, admin)

        return database.write(write)


def settings(checked: Checked, flags: Mapping[str, object]) -> ServerConfig:
    """The server's settings in force."""
    server, _, problems = resolve_server(checked.config.server, os.environ, flags, lines=checked.lines)
    if problems:
        raise Failure(problems[0].text())
    return server


def _unattended(database: Database) -> Config:
    """The first configuration; nothing, if the store was set up by a file or by hand."""
    names = {user.name for user in database.read(list_users)}
    return first_config(os.environ, shipped()) if names <= {FIRST_NAME} else Config()


def first_call(
    keys: list[Principal], plain: Mapping[str, str], found: list[Offer], embedded: Collection[str], at_ms: int
) -> tuple[str, str] | None:
    """A key and a model that work together: keys just made come first, and models that need no account."""
    callable_now = [offer for offer in found if offer.price is not None and _chats(offer.model)]
    callable_now.sort(key=lambda offer: offer.model not in embedded)
    for key in sorted(keys, key=lambda key: key.key_name not in plain):
        usable = key.status == "active" and not key.allow_ips and not 0 < key.expires_at_ms <= at_ms
        for offer in callable_now if usable else ():
            if key.group in offer.groups and (not key.models or offer.model in key.models):
                return plain.get(key.key_name, "$SWITCHGEAR_KEY"), offer.model
    return None


def _chats(name: str) -> bool:
    """Whether a model is for chat; one that the catalogue does not know is taken for one."""
    model = shipped().models.get(name)
    return model is None or "openai_chat" in model.endpoints


def started(data: Path, host: str, port: int, workers: int, prepared: Prepared) -> Started:
    """What the banner has to say."""
    with store_of(data) as database:
        vault = vault_of(data)
        keys, rows, overrides = database.read(
            lambda connection: (
                list_keys(connection),
                list_channels(connection, vault),
                list_prices(connection),
            )
        )
    found = offers(rows, overrides, shipped(), os.environ)
    vendors = [vendor.name for vendor in shipped().vendors.values() if vendor.embedded]
    embedded = tuple(model.id for name in vendors for model in shipped().models_of(name))
    return Started(
        version=switchgear.__version__,
        host=host,
        port=port,
        workers=workers,
        data=data,
        created_keys=prepared.unshown.keys,
        known_keys=tuple((key.key_name, key.key_masked) for key in keys if key.status == "active"),
        admin=prepared.admin,
        admin_password=prepared.unshown.admin[1] if prepared.unshown.admin else None,
        models=tuple(offer.model for offer in found if offer.price is not None),
        unpriced=tuple(offer.model for offer in found if offer.price is None),
        from_environment=tuple(
            (row.config.name, row.config.keys_env)
            for row in rows
            if row.enabled and row.config.keys_env and credentials_of(row.config)
        ),
        embedded_models=embedded,
        example=first_call(keys, dict(prepared.unshown.keys), found, embedded, now_ms()),
    )
