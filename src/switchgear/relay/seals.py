"""Seals opaque reasoning tokens with a key that every worker of an installation has, so that the next turn
may come to any of them, and for one user, so that it opens for nobody else."""

import hashlib
from collections.abc import Callable

from msgspec import ValidationError, convert

from switchgear.kernel.limits import ENVELOPE_BYTES_MAX
from switchgear.wire.neutral.envelope import Sealed, open_bytes, open_envelope, seal
from switchgear.wire.neutral.request import Opaque


class EnvelopeSeals:
    """Of one worker."""

    def __init__(self, pepper: Callable[[], bytes]) -> None:
        """``pepper``: the installation's secret, known once the controller was met."""
        self._pepper = pepper
        self._made_from = b""
        self._key = b""

    def of(self, owner: str) -> "OwnersSeals":
        """For one user's calls."""
        pepper = self._pepper()
        if pepper != self._made_from:
            self._made_from = pepper
            self._key = hashlib.blake2b(pepper, digest_size=32, person=b"switchgear-seal").digest()
        return OwnersSeals(self._key, owner)


class OwnersSeals:
    """``wire.neutral.request.Seals`` by ``wire.neutral.envelope``."""

    __slots__ = ("_key", "_owner")

    def __init__(self, key: bytes, owner: str) -> None:
        self._key = key
        self._owner = owner

    def seal(self, opaque: Opaque) -> str:
        """Empty for a token that is too long for an envelope: then the reasoning is lost, and not the
        answer."""
        if len(opaque.payload) > ENVELOPE_BYTES_MAX // 2:
            return ""
        return seal(self._key, Sealed(opaque.origin, "", opaque.kind, opaque.payload), self._owner)

    def open(self, text: str) -> Opaque | None:
        sealed = open_envelope(self._key, text, self._owner) or open_bytes(self._key, text, self._owner)
        try:
            return None if sealed is None else convert([sealed.vendor, sealed.kind, sealed.payload], Opaque)
        except ValidationError:
            return None  # of a kind that this version does not know
