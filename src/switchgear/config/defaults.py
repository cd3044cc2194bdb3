"""The configuration of a start without a file: one user, one key, the embedded model, and a channel for each
vendor whose key lies in the environment."""

from collections.abc import Mapping

from switchgear.kernel.config import ChannelConfig, Config, GroupConfig, KeyConfig, UserConfig
from switchgear.kernel.money import NANOS_PER_USD
from switchgear.vendors.env import channels_from_env
from switchgear.vendors.shipped import Shipped

FIRST_NAME = "default"
"""Name of the first group, user and key."""
START_CREDIT_USD = 100


def first_config(environ: Mapping[str, str], data: Shipped) -> Config:
    """What is applied when no file is given; applying it again adds at most channels for newly found keys."""
    embedded = [vendor.name for vendor in data.vendors.values() if vendor.embedded]
    channels = [ChannelConfig(name=name, vendor=name, models=priced_models(name, data)) for name in embedded]
    channels += [
        ChannelConfig(name=vendor, vendor=vendor, keys_env=variable, models=priced_models(vendor, data))
        for vendor, variable in channels_from_env(environ, data.vendors)
    ]
    return Config(
        groups=(GroupConfig(FIRST_NAME),),
        users=(UserConfig(FIRST_NAME, balance_nanos=START_CREDIT_USD * NANOS_PER_USD),),
        keys=(KeyConfig(FIRST_NAME, user=FIRST_NAME),),
        channels=tuple(channel for channel in channels if channel.models),
    )


def priced_models(vendor: str, data: Shipped) -> tuple[str, ...]:
    """The vendor's catalogue models that may be called: those with a price."""
    return tuple(model.id for model in data.models_of(vendor) if model.id in data.prices)
