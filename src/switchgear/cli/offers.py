"""What can be called now, and at which price: enabled channels with a credential, times priced models."""

import os
from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection

from switchgear.catalog.price import Price
from switchgear.kernel.config import ChannelConfig
from switchgear.store.channels import ChannelRow, list_channels
from switchgear.store.prices import list_prices
from switchgear.store.vault import Vault
from switchgear.vendors.shipped import Shipped


class Offer(msgspec.Struct, frozen=True):
    """One model that clients may name."""

    model: str
    price: Price | None
    """None: it is refused until it is priced."""
    channels: tuple[str, ...]
    groups: tuple[str, ...]


def channels_of(connection: Connection, vault: Vault) -> list[ChannelRow]:
    """All channels by name."""
    return list_channels(connection, vault)


def offers(channels: list[ChannelRow], overrides: list[Price], data: Shipped) -> list[Offer]:
    """Models of the enabled channels, by name, with the price that holds for them."""
    prices = {**data.prices, **{price.model: price for price in overrides}}
    by_model: dict[str, list[ChannelConfig]] = {}
    for row in channels:
        if row.enabled:
            for model in models_of(row.config, data):
                by_model.setdefault(model, []).append(row.config)
    return [
        Offer(
            model,
            prices.get(model),
            tuple(channel.name for channel in serving),
            tuple(sorted({group for channel in serving for group in channel.groups})),
        )
        for model, serving in sorted(by_model.items())
    ]


def current_offers(connection: Connection, vault: Vault, data: Shipped) -> list[Offer]:
    """The same out of the database."""
    return offers(channels_of(connection, vault), list_prices(connection), data)


def models_of(channel: ChannelConfig, data: Shipped) -> tuple[str, ...]:
    """What a channel serves: its own list, else the vendor's catalogue."""
    if channel.models is not None:
        return channel.models
    return tuple(model.id for model in data.models_of(channel.vendor))


def credentials_of(channel: ChannelConfig, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The channel's secrets; from the environment when it says so."""
    if channel.keys_env is not None:
        value = environ.get(channel.keys_env, "").strip()
        return (value,) if value else ()
    return channel.keys
