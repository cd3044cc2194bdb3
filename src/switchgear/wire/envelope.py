"""Envelopes: opaque reasoning tokens of one vendor, carried through a client that speaks another dialect.

``relay1.`` + base64url(JSON) + ``.`` + base64url(MAC), only characters of ``[A-Za-z0-9_.-]``. The MAC covers
the text before it, so that an envelope which opens is one that we sealed, letter by letter.
"""

import base64
import binascii
import hashlib
import hmac

import msgspec

from switchgear.kernel.limits import ENVELOPE_BYTES_MAX

_PREFIX = "relay1."
_MAC_BYTES = 16
_KEY_BYTES_MIN, _KEY_BYTES_MAX = 16, 64


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


def seal(key: bytes, sealed: Sealed) -> str:
    """The envelope as text. ``key``: 16 to 64 bytes.

    ValueError for another key, a text that is not Unicode, or an envelope over ENVELOPE_BYTES_MAX.
    """
    content = msgspec.json.encode(_Content(sealed.vendor, sealed.family, sealed.kind, sealed.payload))
    front = _PREFIX + base64.urlsafe_b64encode(content).decode().rstrip("=")
    text = f"{front}.{_mac(key, front)}"
    if len(text) > ENVELOPE_BYTES_MAX:
        raise ValueError(f"an envelope would be longer than {ENVELOPE_BYTES_MAX} bytes")
    return text


def open_envelope(key: bytes, text: str) -> Sealed | None:
    """What was sealed with this key; None for a foreign, cut, changed or too long text."""
    if not text.startswith(_PREFIX) or len(text) > ENVELOPE_BYTES_MAX or not text.isascii():
        return None
    front, dot, mac = text.rpartition(".")
    if not dot or not hmac.compare_digest(_mac(key, front), mac):
        return None
    coded = front[len(_PREFIX) :]
    try:
        content = _decoder.decode(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)))
    except (ValueError, msgspec.DecodeError):
        return None  # sealed by another version with the same key
    return Sealed(content.vendor, content.family, content.kind, content.payload)


def seal_bytes(key: bytes, sealed: Sealed) -> str:
    """The envelope for a field that holds bytes as base64; ValueError as ``seal``."""
    return base64.b64encode(seal(key, sealed).encode()).decode()


def open_bytes(key: bytes, coded: str) -> Sealed | None:
    """The reverse of ``seal_bytes``; None for everything else."""
    if len(coded) > ENVELOPE_BYTES_MAX * 4 // 3 + 4:
        return None
    try:
        text = base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError):
        return None
    if base64.b64encode(text).decode() != coded:
        return None  # base64 has idle bits at its end; one spelling is enough
    return open_envelope(key, text.decode("ascii", "replace"))


def _mac(key: bytes, front: str) -> str:
    if not _KEY_BYTES_MIN <= len(key) <= _KEY_BYTES_MAX:
        raise ValueError(f"the key of envelopes has {_KEY_BYTES_MIN} to {_KEY_BYTES_MAX} bytes")
    mac = hashlib.blake2b(front.encode(), key=key, digest_size=_MAC_BYTES, person=b"sg-envelope")
    return base64.urlsafe_b64encode(mac.digest()).decode().rstrip("=")
