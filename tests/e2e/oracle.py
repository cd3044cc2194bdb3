"""What a call must cost, worked out again from the upstream's rule and the price, with fractions."""

import math
from fractions import Fraction
from typing import Any

from tests.sim import replies

MILLION = 1_000_000
NANOS_PER_USD = 1_000_000_000


def charge_nanos(usage: dict[str, Any], rates: dict[str, str], ratio: str = "1") -> int:
    """Nanos for an OpenAI usage object; rates in US dollars per million tokens as in a config file.

    One rounding, half up, at the end; at least 1 nano when anything priced was used.
    """
    details = usage.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens", 0)
    input_rate = Fraction(rates["input_usd_per_mtok"])
    cache_rate = Fraction(rates.get("cache_read_usd_per_mtok", rates["input_usd_per_mtok"]))
    usd = (usage["prompt_tokens"] - cached) * input_rate + cached * cache_rate
    usd += usage.get("completion_tokens", 0) * Fraction(rates.get("output_usd_per_mtok", "0"))
    exact = usd * NANOS_PER_USD * Fraction(ratio) / MILLION
    return max(1, math.floor(exact + Fraction(1, 2))) if exact else 0


def usage_of(path: str, call: dict[str, Any]) -> dict[str, Any]:
    """The usage that the fake upstream reports for a call."""
    if path.endswith("/embeddings"):
        found: dict[str, Any] = replies.embeddings_reply(call)["usage"]
    elif path.endswith("/chat/completions"):
        found = replies.usage_of(call)
    else:
        found = replies.completion_usage(call)
    return found


def charged_nanos(row: dict[str, Any]) -> int:
    """The charge in a line of ``switchgear usage --json``."""
    return int(row["charge_nanos"])
