"""Signatures of the simulated vendors: what one has issued is known again, anything else is not."""

import base64
import hashlib
import hmac

SECRET = b"the simulators' own"
MAC_BYTES = 16


def seal(kind: str, text: str) -> str:
    """Standard base64 that holds ``text`` and proves who issued it. ``kind`` keeps the vendors apart."""
    payload = text.encode("utf-8", "surrogatepass")
    return base64.b64encode(_mac(kind, payload) + payload).decode()


def unseal(kind: str, sealed: object) -> str | None:
    """The text, or None if this was never issued or has been changed."""
    try:
        raw = base64.b64decode(str(sealed), validate=True)
    except ValueError:
        return None
    mac, payload = raw[:MAC_BYTES], raw[MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(kind, payload)):
        return None
    return payload.decode("utf-8", "surrogatepass")


def _mac(kind: str, payload: bytes) -> bytes:
    return hmac.digest(SECRET, kind.encode() + b"\0" + payload, hashlib.sha256)[:MAC_BYTES]
