"""Configuration files for tests of the whole product: TOML tables from Python values."""

import json
from typing import Any

from switchgear.kernel.ids import new_api_key

UPSTREAM_KEY = "sk-sim-upstream"
PRICES = {"input_usd_per_mtok": "1.75", "cache_read_usd_per_mtok": "0.175", "output_usd_per_mtok": "14"}


def table(name: str, /, **values: Any) -> str:
    """One element of an array of tables; values that are None are left out."""
    lines = [f"[[{name}]]"]
    lines += [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
    return "\n".join(lines) + "\n"


def group(name: str = "default", ratio: str = "1.0") -> str:
    return table("groups", name=name, ratio=ratio)


def user(name: str = "acme", balance_usd: str = "1000") -> str:
    return table("users", name=name, balance_usd=balance_usd)


def key(secret: str, name: str = "ci", owner: str = "acme", **values: Any) -> str:
    return table("keys", name=name, user=owner, key=secret, **values)


def channel(base_url: str, models: list[str], name: str = "main", **values: Any) -> str:
    return table(
        "channels",
        name=name,
        vendor="compatible",
        base_url=base_url,
        keys=[UPSTREAM_KEY],
        models=models,
        **values,
    )


def price(model: str, **rates: str) -> str:
    return table("prices", model=model, **(rates or PRICES))


def server(**values: Any) -> str:
    """The ``[server]`` table."""
    return "[server]\n" + "".join(f"{name} = {_toml(value)}\n" for name, value in values.items())


def usual(base_url: str, models: list[str], secret: str, **channel_values: Any) -> str:
    """One group, one user with money enough, one key, one channel, and a price for each model."""
    parts = [group(), user(), key(secret), channel(base_url, models, **channel_values)]
    return "\n".join(parts + [price(model) for model in models])


def fresh_key() -> str:
    """An API key such as an operator would write into the file."""
    return new_api_key()


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {_toml(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value)
