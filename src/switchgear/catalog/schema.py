"""The shapes of the catalogue's files, and of a model once loaded."""

import datetime
from typing import Any

import msgspec

from switchgear.kernel.dialects import OperationName


class Model(msgspec.Struct, frozen=True):
    """What is known of a model, whatever channel serves it."""

    id: str
    """As clients name it."""
    vendor: str
    """The vendor whose channels serve it unless an operator says otherwise."""
    owned_by: str
    endpoints: tuple[OperationName, ...]
    """Where it can be asked. Conversion carries a conversation from any dialect to any other, so the name of
    one stands for all four here."""
    created: int = 0
    """Unix seconds of its release day; 0 = unknown."""
    context_tokens: int = 0
    """0 = unknown."""
    output_tokens_max: int = 0
    """0 = unknown."""
    upstream_id: str = ""
    """As the vendor names it, where that differs from ``id``."""


class ModelEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table ``[models."<id>"]`` of a model file; what it leaves out is taken from the file's head."""

    endpoints: tuple[OperationName, ...] = ()
    owned_by: str = ""
    created: datetime.date | None = None
    context_tokens: int = 0
    output_tokens_max: int = 0
    upstream_id: str = ""


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``data/models/<vendor>.toml``."""

    vendor: str
    owned_by: str
    models: dict[str, ModelEntry] = {}
    endpoints: tuple[OperationName, ...] = ("openai_chat",)
    families: dict[str, dict[str, Any]] = {}
    """Pattern of upstream names → facts that hold wherever such a model is served; see ``catalog.facts``."""
    hosted: dict[str, dict[str, Any]] = {}
    """The same for what holds at this vendor only."""


class CallRates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices in US dollars per thousand calls of tools that the upstream runs itself; absent = no rate."""

    usd_per_1k_calls: str | None = None
    usd_per_1k_search_calls: str | None = None
    usd_per_1k_file_search_calls: str | None = None
    usd_per_1k_code_sessions: str | None = None
    usd_per_1k_image_calls: str | None = None


class Rates(CallRates, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those, and prices in US dollars per million tokens, as decimal strings; absent = no rate."""

    input_usd_per_mtok: str | None = None
    cache_read_usd_per_mtok: str | None = None
    cache_write_5m_usd_per_mtok: str | None = None
    cache_write_1h_usd_per_mtok: str | None = None
    audio_in_usd_per_mtok: str | None = None
    image_in_usd_per_mtok: str | None = None
    output_usd_per_mtok: str | None = None
    reasoning_usd_per_mtok: str | None = None
    audio_out_usd_per_mtok: str | None = None
    image_out_usd_per_mtok: str | None = None


UNIT_OF_KEY = {
    "input_usd_per_mtok": "input_uncached",
    "cache_read_usd_per_mtok": "cache_read",
    "cache_write_5m_usd_per_mtok": "cache_write_5m",
    "cache_write_1h_usd_per_mtok": "cache_write_1h",
    "audio_in_usd_per_mtok": "audio_in",
    "image_in_usd_per_mtok": "image_in",
    "output_usd_per_mtok": "output_text",
    "reasoning_usd_per_mtok": "reasoning",
    "audio_out_usd_per_mtok": "audio_out",
    "image_out_usd_per_mtok": "image_out",
    "usd_per_1k_calls": "calls",
    "usd_per_1k_search_calls": "search_calls",
    "usd_per_1k_file_search_calls": "file_search_calls",
    "usd_per_1k_code_sessions": "code_sessions",
    "usd_per_1k_image_calls": "image_calls",
}


class TierEntry(Rates, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[price.tier]]``: rates of the whole call once its input has more tokens than this."""

    above_input_tokens: int


class PriceEntry(Rates, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[price]]``: what one model costs."""

    model: str
    since: datetime.date | None = None
    source: str = ""
    """Where this figure is from, if that is more than the file's own source says."""
    tier: tuple[TierEntry, ...] = ()


class CallsEntry(CallRates, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[calls]]``: what tools that the upstream runs cost with every model whose name fits a pattern."""

    models: tuple[str, ...]
    """Patterns in lower case; ``*`` stands for any run of characters."""
    source: str


class ModesEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[modes]]``: what modes cost with every model whose name fits a pattern."""

    models: tuple[str, ...]
    """Patterns in lower case; ``*`` stands for any run of characters."""
    source: str
    ratios: dict[str, str]
    """Field and value, such as ``service_tier:flex`` → factor on the tokens' prices, as a decimal string."""


class PriceSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a price file's figures are from and on which day they were read."""

    name: str
    read_on: datetime.date
    version: str = ""


class PriceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``data/prices/<name>.toml``."""

    source: PriceSource
    price: tuple[PriceEntry, ...] = ()
    calls: tuple[CallsEntry, ...] = ()
    modes: tuple[ModesEntry, ...] = ()
