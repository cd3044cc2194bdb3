"""Applying a config file: by name, in one transaction, and without effect the second time."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection

from switchgear.kernel.config import Config
from switchgear.store.channels import put_channel
from switchgear.store.db import ApplyError
from switchgear.store.groups import put_group
from switchgear.store.keys import put_key
from switchgear.store.prices import put_price
from switchgear.store.rows import bump_config_version
from switchgear.store.users import put_user
from switchgear.store.vault import Vault

__all__ = ["ApplyError", "ApplyReport", "apply_config"]


class ApplyReport(msgspec.Struct, frozen=True):
    """What an apply did."""

    created_keys: tuple[tuple[str, str], ...]
    """(name, key in plain) of keys that were generated: the only time that they are told."""
    changes: tuple[str, ...]
    """One line for each object that changed, never a secret; empty: all was so already."""


def apply_config(
    connection: Connection, vault: Vault, pepper: bytes, config: Config, now_ms: int
) -> ApplyReport:
    """Makes the database say what the file says; objects that the file does not name are left alone.

    Balances and quotas are declared totals: the difference to what configuration has funded before is booked.
    Bumps the config version if anything changed. Raises ApplyError, naming the object, if a user or group is
    not there, or a name or key is said twice; the caller's transaction must then be given up.
    """
    for kind, names in _names(config):
        _require_distinct(kind, names)
    changes: list[str] = []
    for group in config.groups:
        changes += put_group(connection, group)
    for user in config.users:
        changes += put_user(connection, user, now_ms)
    created: list[tuple[str, str]] = []
    for key in config.keys:
        change = put_key(connection, pepper, key, now_ms)
        changes += change.changes
        if change.plain is not None:
            created.append((key.name, change.plain))
    for channel in config.channels:
        changes += put_channel(connection, vault, channel)
    for price in config.prices:
        changes += put_price(connection, price)
    if changes:
        bump_config_version(connection)
    return ApplyReport(tuple(created), tuple(changes))


def _names(config: Config) -> Iterable[tuple[str, list[str]]]:
    yield "group", [group.name for group in config.groups]
    yield "user", [user.name for user in config.users]
    yield "key", [key.name for key in config.keys]
    yield "channel", [channel.name for channel in config.channels]
    yield "price", [price.model for price in config.prices]


def _require_distinct(kind: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ApplyError(f"{kind} {name!r}: defined twice")
        seen.add(name)
