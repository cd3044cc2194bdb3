"""Arguments of a call: JSON text in the neutral form, an object in this dialect."""

from typing import Any

import msgspec

_decode_any = msgspec.json.Decoder().decode
RAW_KEY = "_raw"
"""Holds the text of arguments that are no object; a call is never left out for them."""


def input_of(arguments: str) -> dict[str, Any]:
    """The object; empty for no text."""
    if not arguments.strip():
        return {}
    try:
        found = _decode_any(arguments.encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return {RAW_KEY: arguments}
    return found if isinstance(found, dict) else {RAW_KEY: arguments}
