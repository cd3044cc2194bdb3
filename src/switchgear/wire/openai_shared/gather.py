"""The strings that a model reads out of the turns of a request, for a count where nobody reports one."""

from collections.abc import Callable, Collection
from typing import Any

import msgspec
from msgspec import Raw

_decode_any = msgspec.json.Decoder().decode

More = Callable[[dict[str, Any], list[str]], None]
"""Appends what else an object of the dialect says."""


def lenient(raw: Raw) -> Any:
    """The decoded value; None for what a strict parser refuses inside, such as a number out of range."""
    try:
        return _decode_any(raw)
    except (ValueError, RecursionError):
        return None


def gather(
    value: Any, texts: list[str], keys: Collection[str], skipped: Collection[str], more: More | None = None
) -> None:
    """Appends the strings of ``value``: of objects their role and what stands under ``keys``. Objects of a
    ``skipped`` type hold data that is no text."""
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, list):
        for item in value:
            gather(item, texts, keys, skipped, more)
    elif isinstance(value, dict):
        kind = value.get("type")
        if isinstance(kind, str) and kind in skipped:
            return
        if isinstance(role := value.get("role"), str):
            texts.append(role)
        for key in keys:
            if key in value:
                gather(value[key], texts, keys, skipped, more)
        if more is not None:
            more(value, texts)
