"""Configuration as values: what a config file says, already checked, money and ratios as integers.

The reader of the file makes these; the store applies them by name. Nothing here knows TOML or SQL.
"""

import msgspec

from switchgear.kernel.limits import (
    CLIENT_GONE_READ_S,
    DRAIN_S,
    FETCH_PORTS,
    RESPONSES_RETENTION_DAYS,
    USAGE_RETENTION_DAYS,
)
from switchgear.kernel.log import LogFormat
from switchgear.kernel.money import PPM

DEFAULT_GROUP = "default"


class ServerConfig(msgspec.Struct, frozen=True):
    """Where and how to listen; None: the command line or the default decides."""

    host: str | None = None
    port: int | None = None
    workers: int | None = None
    trusted_proxies: tuple[str, ...] = ()
    """CIDR of proxies whose ``x-forwarded-for`` is believed."""
    log_level: str = "info"
    """``debug``, ``info``, ``warning`` or ``error``."""
    log_format: LogFormat = "auto"
    """``text``, ``json``, or ``auto``: text on a terminal, else JSON."""
    drain_s: float = DRAIN_S
    """How long running calls get to finish after SIGTERM."""
    responses_retention_days: int = RESPONSES_RETENTION_DAYS
    """How long responses of the Responses dialect are kept for later calls to name; 0: not at all."""
    client_gone_read_s: float = CLIENT_GONE_READ_S
    """How long an answer is read on after its client left, to learn what it cost."""
    usage_retention_days: int = USAGE_RETENTION_DAYS
    """How long the record of each request is kept; after that only what it cost is, in sums by day."""
    fetch_ports: tuple[int, ...] = FETCH_PORTS
    """TCP ports that links in requests may name."""


class GroupConfig(msgspec.Struct, frozen=True):
    """A group of keys and channels, with the factor on its prices in parts per million."""

    name: str
    ratio_ppm: int = PPM
    upstream_objects: bool = False
    """Its keys may name anything of the upstream's account, made through the relay or not."""


class UserConfig(msgspec.Struct, frozen=True):
    """Somebody with a wallet."""

    name: str
    balance_nanos: int | None = None
    """All that the file has ever put into the wallet, not what is left; None: the file funds nothing."""
    status: str | None = None
    """``active`` or ``disabled``; None: the file does not say, so what an operator set by hand stays."""


class KeyConfig(msgspec.Struct, frozen=True):
    """One API key of a user."""

    name: str
    user: str
    key: str | None = None
    """The key itself; None: made once and told once."""
    group: str = DEFAULT_GROUP
    quota_nanos: int | None = None
    """All that the key may ever spend by the file's word; None: bounded by the wallet only."""
    models: tuple[str, ...] = ()
    """Empty: all."""
    allow_ips: tuple[str, ...] = ()
    """CIDR; empty: all."""
    rpm: int = 0
    tpm: int = 0
    concurrency: int = 0
    """0 = no cap, in all three."""
    expires_at_ms: int = 0
    """0 = never."""
    disabled: bool | None = None
    """None: the file does not say, so a key that was disabled by hand is not revived by the next start."""


class ChannelConfig(msgspec.Struct, frozen=True):
    """One upstream: vendor, place, credentials, what it serves and to whom."""

    name: str
    vendor: str
    base_url: str | None = None
    """None: the vendor's own."""
    keys: tuple[str, ...] = ()
    keys_env: str | None = None
    """Name of the environment variable that holds the credential; read by the controller, never stored."""
    models: tuple[str, ...] | None = None
    """None: all catalogue models of the vendor."""
    model_map: dict[str, str] = {}
    """Model as clients name it → model as the upstream names it."""
    groups: tuple[str, ...] = (DEFAULT_GROUP,)
    priority: int = 0
    weight: int = 1
    enabled: bool | None = None
    """None: the file does not say; a new channel is enabled."""
    timeouts: dict[str, float] = {}
    """Seconds; overrides of ``connect_s``, ``first_byte_stream_s``, ``first_byte_json_s``, ``idle_chunk_s``,
    ``total_s``."""
    concurrency: int = 0
    """Calls in flight per worker; 0 = no cap."""
    dialects: tuple[str, ...] = ()
    """What the host speaks (``kernel.dialects.DIALECTS``); empty: what its vendor speaks by default."""
    operations: tuple[str, ...] = ()
    """Of the operations of these dialects, the only ones to be used; empty: all."""
    headers: tuple[tuple[str, str], ...] = ()
    """Fixed request headers."""
    finish_on_client_gone: bool = False
    """Read on for CLIENT_GONE_FINISH_S after the client left, to learn the exact usage."""
    client_gone_read_s: float | None = None
    """Read on for so long instead; None: as ``finish_on_client_gone`` or the server says."""
    doubt_usage: bool = False
    """Charge our own count where a report is implausible beside its text."""
    only_streams: bool = False
    """The host answers only as a stream; whole replies are made of it."""
    asks_usage: bool = True
    """The host bears ``stream_options``, by which streams are asked for their usage."""
    gives_back_reasoning: bool = False
    """Chat models of which nothing is known get all earlier reasoning back, not only what they said."""


class PriceTierConfig(msgspec.Struct, frozen=True):
    """Rates for calls whose input has more than ``above_input_tokens`` tokens."""

    above_input_tokens: int
    rates: dict[str, int]


class PriceConfig(msgspec.Struct, frozen=True):
    """An operator's price of one model: nanos per million units, by unit of ``kernel.usage.Usage``."""

    model: str
    rates: dict[str, int]
    tiers: tuple[PriceTierConfig, ...] = ()
    """Ascending by ``above_input_tokens``."""


class Config(msgspec.Struct, frozen=True):
    """A whole file. Objects that it does not name are left as they are when it is applied."""

    server: ServerConfig = ServerConfig()
    groups: tuple[GroupConfig, ...] = ()
    users: tuple[UserConfig, ...] = ()
    keys: tuple[KeyConfig, ...] = ()
    channels: tuple[ChannelConfig, ...] = ()
    prices: tuple[PriceConfig, ...] = ()
