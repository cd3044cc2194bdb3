"""Channels: what an operator wants of an upstream, with its credentials sealed."""

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from switchgear.kernel.config import ChannelConfig
from switchgear.kernel.ids import new_id
from switchgear.store.db import ApplyError
from switchgear.store.groups import require_group
from switchgear.store.rows import bump_config_version, change_lines, put_row
from switchgear.store.tables import channel_secrets, channels
from switchgear.store.vault import Vault

_HEADERS = msgspec.json.Decoder(tuple[tuple[str, str], ...])


class ChannelRow(msgspec.Struct, frozen=True):
    """A channel of the database: its id, and its settings with the secrets opened."""

    id: str
    config: ChannelConfig

    @property
    def enabled(self) -> bool:
        return bool(self.config.enabled)


def put_channel(connection: Connection, vault: Vault, channel: ChannelConfig) -> tuple[str, ...]:
    """Makes or changes the channel and its secrets; returns what changed, in words.

    Raises ApplyError if one of its groups is not there.
    """
    for group in channel.groups:
        require_group(connection, group, f"channel {channel.name!r}")
    known = connection.execute(select(channels.c.id).where(channels.c.name == channel.name)).scalar()
    identifier = new_id() if known is None else str(known)
    at_first = {"id": identifier} | ({"enabled": True} if channel.enabled is None else {})
    changed = put_row(connection, channels, channels.c.name, _wanted(channel), at_first)
    secrets_changed = _put_secrets(connection, vault, identifier, channel)
    if changed is not None:
        changed += secrets_changed
    return change_lines("channel", channel.name, changed)


def list_channels(connection: Connection, vault: Vault) -> list[ChannelRow]:
    """All channels by name, enabled or not. Raises StoreError if a secret does not open."""
    rows = connection.execute(select(channels).order_by(channels.c.name)).mappings().all()
    return [_channel(row, _secrets(connection, vault, row["id"])) for row in rows]


def set_channel_enabled(connection: Connection, name: str, enabled: bool) -> bool:
    """Enables or disables a channel; False if it was so already. Raises ApplyError if there is none."""
    if connection.execute(select(channels.c.id).where(channels.c.name == name)).scalar() is None:
        raise ApplyError(f"there is no channel {name!r}")
    statement = update(channels).where(channels.c.name == name, channels.c.enabled != enabled)
    if connection.execute(statement.values(enabled=enabled)).rowcount == 0:
        return False
    bump_config_version(connection)
    return True


def _wanted(channel: ChannelConfig) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "name": channel.name,
        "vendor": channel.vendor,
        "base_url": channel.base_url,
        "keys_env": channel.keys_env,
        "models": None if channel.models is None else list(channel.models),
        "model_map": channel.model_map,
        "group_names": list(channel.groups),
        "priority": channel.priority,
        "weight": channel.weight,
        "timeouts": channel.timeouts,
        "concurrency": channel.concurrency,
        "dialects": list(channel.dialects),
        "operations": list(channel.operations),
        "finish_on_client_gone": channel.finish_on_client_gone,
        "client_gone_read_s": channel.client_gone_read_s,
        "doubt_usage": channel.doubt_usage,
        "only_streams": channel.only_streams,
        "asks_usage": channel.asks_usage,
        "gives_back_reasoning": channel.gives_back_reasoning,
    }
    return wanted if channel.enabled is None else wanted | {"enabled": channel.enabled}


def _plain_secrets(channel: ChannelConfig) -> dict[tuple[str, int], str]:
    """(kind, position) → text. Fixed headers are sealed too: credentials stand in them often enough."""
    plain = {("key", position): key for position, key in enumerate(channel.keys)}
    if channel.headers:
        plain["headers", 0] = msgspec.json.encode(channel.headers).decode()
    return plain


def _put_secrets(
    connection: Connection, vault: Vault, identifier: str, channel: ChannelConfig
) -> tuple[str, ...]:
    """Seals again only when something differs, so that applying a file twice writes nothing."""
    wanted = _plain_secrets(channel)
    if _secrets(connection, vault, identifier) == wanted:
        return ()
    connection.execute(delete(channel_secrets).where(channel_secrets.c.channel_id == identifier))
    rows = [
        {
            "channel_id": identifier,
            "kind": kind,
            "position": position,
            "sealed": vault.seal(_record_id(identifier, kind, position), text),
        }
        for (kind, position), text in wanted.items()
    ]
    if rows:
        connection.execute(insert(channel_secrets), rows)
    return ("secrets",)


def _secrets(connection: Connection, vault: Vault, identifier: str) -> dict[tuple[str, int], str]:
    query = select(channel_secrets).where(channel_secrets.c.channel_id == identifier)
    rows = connection.execute(query.order_by(channel_secrets.c.kind, channel_secrets.c.position))
    return {
        (row.kind, row.position): vault.open(_record_id(identifier, row.kind, row.position), row.sealed)
        for row in rows
    }


def _record_id(identifier: str, kind: str, position: int) -> str:
    return f"channel:{identifier}:{kind}:{position}"


def _channel(row: Any, secrets: dict[tuple[str, int], str]) -> ChannelRow:
    headers = secrets.get(("headers", 0))
    config = ChannelConfig(
        name=row["name"],
        vendor=row["vendor"],
        base_url=row["base_url"],
        keys=tuple(text for (kind, _), text in secrets.items() if kind == "key"),
        keys_env=row["keys_env"],
        models=None if row["models"] is None else tuple(row["models"]),
        model_map=row["model_map"],
        groups=tuple(row["group_names"]),
        priority=row["priority"],
        weight=row["weight"],
        enabled=row["enabled"],
        timeouts=row["timeouts"],
        concurrency=row["concurrency"],
        dialects=tuple(row["dialects"]),
        operations=tuple(row["operations"]),
        headers=() if headers is None else _HEADERS.decode(headers),
        finish_on_client_gone=row["finish_on_client_gone"],
        client_gone_read_s=row["client_gone_read_s"],
        doubt_usage=row["doubt_usage"],
        only_streams=row["only_streams"],
        asks_usage=row["asks_usage"],
        gives_back_reasoning=row["gives_back_reasoning"],
    )
    return ChannelRow(row["id"], config)
