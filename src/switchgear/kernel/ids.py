"""Time-ordered identifiers: 48 bits of milliseconds, 80 bits of randomness, as 32 hex digits.

Sorting them sorts by creation time, which keeps database inserts at the right edge of the index.
"""

import random
import secrets
import time

KEY_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY_LENGTH = 48


def new_id() -> str:
    """A fresh identifier, 32 lower-case hex digits. Unique, but no secret: a process seeds it once."""
    return f"{time.time_ns() // 1_000_000:012x}{random.getrandbits(80):020x}"


def id_time_ms(identifier: str) -> int:
    """When the identifier was made, in Unix milliseconds."""
    return int(identifier[:12], 16)


def new_api_key() -> str:
    """A fresh API key: ``sk-`` and 48 letters and digits (285 bits). It never contains another ``-``."""
    return "sk-" + "".join(secrets.choice(KEY_ALPHABET) for _ in range(KEY_LENGTH))


def mask_key(key: str) -> str:
    """How a key is named in messages, lists and logs: ``sk-…abcd``."""
    return f"sk-…{key[-4:]}"
