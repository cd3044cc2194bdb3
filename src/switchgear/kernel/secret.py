"""A string that does not show itself, and the keyed digest that API keys are stored as."""

import hashlib

DIGEST_BYTES = 32


class Secret:
    """Wraps a secret so that logs, reprs and tracebacks show only stars."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself; call it only where it goes onto the wire or into the vault."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__


def key_digest(api_key: str, pepper: bytes) -> bytes:
    """Keyed BLAKE2b of an API key. Equal digests are found by look-up, so no comparison can leak time."""
    return hashlib.blake2b(api_key.encode(), digest_size=DIGEST_BYTES, key=pepper).digest()
