"""Reads the data files of the package, or of other folders: the one place here that touches files."""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

from switchgear.catalog.calls import CallFamily, load_call_families, with_call_rates
from switchgear.catalog.document import CatalogError, suggestion
from switchgear.catalog.facts import Family, facts_for, load_families
from switchgear.catalog.loader import check_priced, load_models, load_prices
from switchgear.catalog.modes import ModeFamily, load_mode_families, with_modes
from switchgear.catalog.price import Price
from switchgear.catalog.schema import Model
from switchgear.kernel.facts import ModelFacts
from switchgear.vendors.loader import load_vendors
from switchgear.vendors.schema import Vendor

PRICE_ORDER = ("generated.toml", "own.toml")
"""Later files override earlier ones, so our own figures stand above generated ones."""


class Shipped(msgspec.Struct, frozen=True):
    """All data files, loaded and cross-checked."""

    models: dict[str, Model]
    prices: dict[str, Price]
    vendors: dict[str, Vendor]
    unpriced: tuple[str, ...]
    """Models that are listed but refused until an operator prices them."""
    families: tuple[Family, ...] = ()
    """What is known of models by their upstream names; see ``catalog.facts``."""
    call_families: tuple[CallFamily, ...] = ()
    """What hosted tools cost by models' names; see ``catalog.calls``."""
    mode_families: tuple[ModeFamily, ...] = ()
    """What modes cost, likewise; see ``catalog.modes``."""

    def completed(self, price: Price) -> Price:
        """A price with its family's rates for hosted tools and modes where it has none itself."""
        return with_modes(with_call_rates(price, self.call_families), self.mode_families)

    def facts_of(self, vendor: str, upstream_model: str) -> ModelFacts:
        """What is known of a model at a vendor's place."""
        return facts_for(vendor, upstream_model, self.families, self.models)

    def models_of(self, vendor: str) -> list[Model]:
        """The models that a channel of the vendor serves by default, by id."""
        return [model for _, model in sorted(self.models.items()) if model.vendor == vendor]


@cache
def shipped() -> Shipped:
    """The files inside the package; read once, in less than 100 ms."""
    return load_folders(files("switchgear.catalog") / "data", files("switchgear.vendors") / "data")


def load_folders(catalogue: Traversable | Path, vendors: Traversable | Path) -> Shipped:
    """``models/`` and ``prices/`` of one folder and the vendor files of another, cross-checked.

    Raises CatalogError and OSError.
    """
    loaded = load_vendors(_texts(vendors))
    model_texts = _texts(catalogue / "models")
    models = load_models(model_texts)
    price_texts = _texts(catalogue / "prices", PRICE_ORDER)
    calls = load_call_families(price_texts)
    modes = load_mode_families(price_texts)
    prices = {
        name: with_modes(with_call_rates(price, calls), modes)
        for name, price in load_prices(price_texts).items()
    }
    for model in models.values():
        vendor = loaded.get(model.vendor)
        place = f'models."{model.id}"'
        if vendor is None:
            problem = f'unknown vendor "{model.vendor}"{suggestion(model.vendor, loaded)}'
            raise CatalogError("models", place, problem)
        if not set(model.endpoints) & set(vendor.endpoints):
            raise CatalogError("models", place, f'vendor "{vendor.name}" serves none of its endpoints')
    unpriced = check_priced(models.values(), prices)
    return Shipped(models, prices, loaded, unpriced, load_families(model_texts), calls, modes)


def _texts(folder: Traversable | Path, order: tuple[str, ...] = ()) -> dict[str, str]:
    """File name → text of the folder's TOML files: those of ``order`` first, the others by name."""
    names = sorted(
        (entry.name for entry in folder.iterdir() if entry.name.endswith(".toml")),
        key=lambda name: (order.index(name) if name in order else len(order), name),
    )
    return {name: (folder / name).read_text(encoding="utf-8") for name in names}
