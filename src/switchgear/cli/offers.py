"""What can be called now, and at which price: enabled channels with a credential, times priced models."""

import os
from collections.abc import Mapping

import msgspec

from switchgear.catalog.price import Price
from switchgear.kernel.config import ChannelConfig
from switchgear.store.channels import ChannelRow
from switchgear.vendors.shipped import Shipped


class Offer(msgspec.Struct, frozen=True):
    """One model that clients may name."""

    model: str
    price: Price | None
    """None: it is refused until it is priced."""
    channels: tuple[str, ...]
    groups: tuple[str, ...]


def offers(
    channels: list[ChannelRow], overrides: list[Price], data: Shipped, environ: Mapping[str, str]
) -> list[Offer]:
    """Models of the channels that are in use, by name, with the price that holds for them."""
    prices = {**data.prices, **{price.model: price for price in overrides}}
    by_model: dict[str, list[ChannelConfig]] = {}
    for row in channels:
        if row.enabled and has_credential(row.config, data, environ):
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


def has_credential(channel: ChannelConfig, data: Shipped, environ: Mapping[str, str]) -> bool:
    """Whether the channel has what its vendor asks for; without it the controller leaves it out."""
    vendor = data.vendors.get(channel.vendor)
    if vendor is None:
        return False
    return vendor.embedded or not vendor.auth_header or bool(credentials_of(channel, environ))


def models_of(channel: ChannelConfig, data: Shipped) -> tuple[str, ...]:
    """What a channel serves: its own list, else the vendor's catalogue, and what its map names beside."""
    named = channel.models
    if named is None:
        named = tuple(model.id for model in data.models_of(channel.vendor))
    return tuple(dict.fromkeys((*named, *channel.model_map)))


def credentials_of(channel: ChannelConfig, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The channel's secrets; from the environment when it says so."""
    if channel.keys_env is not None:
        value = environ.get(channel.keys_env, "").strip()
        return (value,) if value else ()
    return channel.keys
