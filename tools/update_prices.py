"""Writes data/prices/generated.toml for the models we list, from the installed genai-prices package, offline.

Same package and same day (``--on``), same bytes. ``--check`` compares with the file, on the day that it
records.
"""

import argparse
import datetime
import sys
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices.data import providers
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from switchgear.catalog.loader import load_models
from switchgear.catalog.schema import UNIT_OF_KEY, Model

TOOLS = Path(__file__).resolve().parent
DATA = TOOLS.parent / "src" / "switchgear" / "catalog" / "data"
GENERATED = DATA / "prices" / "generated.toml"
SOURCE = "genai-prices"
Dated = tuple[ModelPrice, datetime.date | None]
"""A price and the day since when it holds, None = not told."""

KEY_OF_THEIRS = {
    "input_mtok": "input_usd_per_mtok",
    "cache_read_mtok": "cache_read_usd_per_mtok",
    "cache_write_mtok": "cache_write_5m_usd_per_mtok",
    "cache_write_1h_mtok": "cache_write_1h_usd_per_mtok",
    "input_audio_mtok": "audio_in_usd_per_mtok",
    "input_image_mtok": "image_in_usd_per_mtok",
    "output_mtok": "output_usd_per_mtok",
    "output_audio_mtok": "audio_out_usd_per_mtok",
    "output_image_mtok": "image_out_usd_per_mtok",
}
# Searches, stored files, seconds and pages are no tokens; cached audio and images are billed as cached text.
LEFT_OUT = (
    "web_searches_kcount",
    "storage_searches_kcount",
    "cache_audio_read_mtok",
    "cache_image_read_mtok",
    "input_video_mtok",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", type=datetime.date.fromisoformat, help="take the prices of this day")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 if the file would change")
    options = parser.parse_args()
    if options.check:
        current = GENERATED.read_text(encoding="utf-8")
        same = render(tomllib.loads(current)["source"]["read_on"])[0] == current
        print("prices are as generated" if same else "the package gives other prices: make prices")
        return 0 if same else 1
    text, missing = render(options.on or datetime.datetime.now(datetime.UTC).date())
    GENERATED.write_text(text, encoding="utf-8")
    print(f"wrote {GENERATED.name}; no price for: {', '.join(missing)}")
    return 0


def render(on: datetime.date) -> tuple[str, list[str]]:
    """The file's text, and our models for which the package has no price."""
    sources = tomllib.loads((TOOLS / "price_sources.toml").read_text(encoding="utf-8"))
    folder = DATA / "models"
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.toml"))}
    models = load_models(texts)
    lines = [
        "# Written by tools/update_prices.py; own.toml stands above this file.",
        "",
        "[source]",
        f'name = "{SOURCE}"',
        f'version = "{version("genai-prices")}"',
        f"read_on = {on.isoformat()}",
    ]
    missing: list[str] = []
    for name, model in sorted(models.items()):
        found = find(model, sources)
        figures = figures_of(found[1], on) if found else None
        if found is None or figures is None:
            missing.append(name)
        else:
            lines += ["", *table(name, f"{found[0].id}/{found[1].id}", *figures)]
    return "\n".join(lines) + "\n", missing


def find(model: Model, sources: dict[str, Any]) -> tuple[Provider, ModelInfo] | None:
    """Their entry for one of our models: by our table, else as they match names of the vendor's providers."""
    by_id = {provider.id: provider for provider in providers}
    if model.id in sources["skip"]:
        return None
    exact = sources["models"].get(model.id)
    if exact is not None:
        provider_id, _, their_id = exact.partition("/")
        for info in by_id[provider_id].models:
            if info.id == their_id:
                return by_id[provider_id], info
        raise SystemExit(f"price_sources.toml: {exact} is not in this version of {SOURCE}")
    for provider_id in sources["providers"].get(model.vendor, []):
        match = by_id[provider_id].find_model(model.upstream_id or model.id)
        if match is not None:
            return by_id[provider_id], match
    return None


def figures_of(info: ModelInfo, on: datetime.date) -> Dated | None:
    """The price in force on the day, and since when. Of prices by hour of the day the dearest is taken."""
    if isinstance(info.prices, ModelPrice):
        found: Dated = (info.prices, None)
    else:
        found = max(_in_force(info.prices, on), key=lambda candidate: _rank(candidate[0]))
    return found if getattr(found[0], "input_mtok", None) is not None else None


def _in_force(prices: list[ConditionalPrice], on: datetime.date) -> Iterator[Dated]:
    """The last price by date, and those that hold at some hour of the day."""
    dated: Dated = (prices[0].prices, None)
    hourly: list[Dated] = []
    for entry in prices:
        if entry.constraint is None:
            dated = (entry.prices, None)
        elif isinstance(entry.constraint, StartDateConstraint):
            if entry.constraint.start_date <= on:
                dated = (entry.prices, entry.constraint.start_date)
        elif isinstance(entry.constraint, TimeOfDateConstraint):
            hourly.append((entry.prices, None))
        else:
            raise SystemExit(f"an unknown kind of constraint in {SOURCE}: {entry.constraint!r}")
    yield dated
    yield from hourly


def _rank(price: ModelPrice) -> Decimal:
    return sum((_base(getattr(price, key, None)) for key in ("input_mtok", "output_mtok")), Decimal(0))


def _base(value: Decimal | TieredPrices | None) -> Decimal:
    if isinstance(value, TieredPrices):
        return value.base
    return value if value is not None else Decimal(0)


def table(name: str, theirs: str, price: ModelPrice, since: datetime.date | None) -> Iterator[str]:
    """The lines of one ``[[price]]``."""
    figures: dict[str, Decimal | TieredPrices] = {}
    for key, value in vars(price).items():
        if value is None or key in LEFT_OUT:
            continue
        if key not in KEY_OF_THEIRS:
            raise SystemExit(f"{theirs}: {key} is a new kind of price; decide in tools/update_prices.py")
        figures[KEY_OF_THEIRS[key]] = value
    yield "[[price]]"
    yield f'model = "{name}"'
    yield f'source = "{SOURCE} {version("genai-prices")}, {theirs}"'
    if since is not None:
        yield f"since = {since.isoformat()}"
    for key in UNIT_OF_KEY:
        if key in figures:
            yield f'{key} = "{_plain(_base(figures[key]))}"'
    tiered = {key: value for key, value in figures.items() if isinstance(value, TieredPrices)}
    for start in sorted({tier.start for value in tiered.values() for tier in value.tiers}):
        yield "[[price.tier]]"
        yield f"above_input_tokens = {start}"
        for key in UNIT_OF_KEY:
            if key in tiered:
                yield f'{key} = "{_plain(_at(tiered[key], start))}"'


def _at(value: TieredPrices, start: int) -> Decimal:
    reached = [tier.price for tier in value.tiers if tier.start <= start]
    return reached[-1] if reached else value.base


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


if __name__ == "__main__":
    sys.exit(main())
