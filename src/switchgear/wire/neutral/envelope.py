"""Envelopes: opaque reasoning tokens of one vendor, carried through a client that speaks another dialect.

``relay1.`` + base64url(ciphertext), only characters of ``[A-Za-z0-9_.-]``. The content is encrypted and
authenticated (AES-SIV), with the owner bound in: an envelope opens only for the user whose answer it came
with, letter by letter as it was sealed. The same content gives the same text, so that caches of prompts hold.
"""

import base64
import binascii
import hashlib

import msgspec

from switchgear.kernel.limits import ENVELOPE_BYTES_MAX

_PREFIX = "relay1."
_KEY_BYTES_MIN, _KEY_BYTES_MAX = 16, 64
_SIV_KEY_BYTES = 64


class Sealed(msgspec.Struct, frozen=True, gc=False):
    """What is in an envelope."""

    vendor: str
    """Whose token it is; it goes back to this vendor only."""
    family: str
    """The model family that understands it."""
    kind: str
    """What the token is there, as the codec of its dialect calls it: a signature, encrypted reasoning …"""
    payload: str
    """The token, as the vendor wrote it."""


class _Content(msgspec.Struct, frozen=True, gc=False, array_like=True):
    vendor: str
    family: str
    kind: str
    payload: str


_decoder = msgspec.json.Decoder(_Content)


def seal(key: bytes, sealed: Sealed, owner: str = "") -> str:
    """The envelope as text. ``key``: 16 to 64 bytes.

    ValueError for another key, a text that is not Unicode, or an envelope over ENVELOPE_BYTES_MAX.
    """
    content = msgspec.json.encode(_Content(sealed.vendor, sealed.family, sealed.kind, sealed.payload))
    hidden = _cipher(key).encrypt(content, [owner.encode()])
    text = _PREFIX + base64.urlsafe_b64encode(hidden).decode().rstrip("=")
    if len(text) > ENVELOPE_BYTES_MAX:
        raise ValueError(f"an envelope would be longer than {ENVELOPE_BYTES_MAX} bytes")
    return text


def open_envelope(key: bytes, text: str, owner: str = "") -> Sealed | None:
    """What was sealed with this key for this owner; None for a foreign, cut, changed or too long text."""
    if not text.startswith(_PREFIX) or len(text) > ENVELOPE_BYTES_MAX or not text.isascii():
        return None
    hidden = _decoded(text[len(_PREFIX) :])
    if hidden is None:
        return None
    from cryptography.exceptions import InvalidTag

    try:
        content = _decoder.decode(_cipher(key).decrypt(hidden, [owner.encode()]))
    except (InvalidTag, ValueError, msgspec.DecodeError):
        return None  # of another key, owner or version
    return Sealed(content.vendor, content.family, content.kind, content.payload)


def seal_bytes(key: bytes, sealed: Sealed, owner: str = "") -> str:
    """The envelope for a field that holds bytes as base64; ValueError as ``seal``."""
    return base64.b64encode(seal(key, sealed, owner).encode()).decode()


def open_bytes(key: bytes, coded: str, owner: str = "") -> Sealed | None:
    """The reverse of ``seal_bytes``; None for everything else."""
    if len(coded) > ENVELOPE_BYTES_MAX * 4 // 3 + 4:
        return None
    try:
        text = base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError):
        return None
    if base64.b64encode(text).decode() != coded:
        return None  # base64 has idle bits at its end; one spelling is enough
    return open_envelope(key, text.decode("ascii", "replace"), owner)


def _decoded(coded: str) -> bytes | None:
    """The bytes of base64url without padding, in its one spelling."""
    try:
        hidden = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return hidden if base64.urlsafe_b64encode(hidden).decode().rstrip("=") == coded else None


def _cipher(key: bytes):  # type: ignore[no-untyped-def]  # cryptography's class is imported below
    """Imported when first needed: few workers carry reasoning between dialects, and it takes megabytes."""
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    if not _KEY_BYTES_MIN <= len(key) <= _KEY_BYTES_MAX:
        raise ValueError(f"the key of envelopes has {_KEY_BYTES_MIN} to {_KEY_BYTES_MAX} bytes")
    return AESSIV(hashlib.blake2b(key, digest_size=_SIV_KEY_BYTES, person=b"sg-envelope").digest())
