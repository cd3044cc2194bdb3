"""Secrets at rest: AES-256-GCM envelopes, the master key that opens them, and the pepper of key digests.

An envelope is one byte of key version, twelve of nonce, then the ciphertext. The record's id is associated
data, so an envelope that is moved to another record does not open.
"""

import base64
import binascii
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, select

from switchgear.kernel.home import Home
from switchgear.store.create_once import create_once
from switchgear.store.db import StoreError, insert_into
from switchgear.store.tables import meta

MASTER_KEY_ENV = "SWITCHGEAR_MASTER_KEY"
KEY_BYTES = 32
KEY_VERSION = 1
NONCE_BYTES = 12
_VAULT_CHECK = "vault_check"
_PEPPER_CHECK = "pepper_check"


class Vault:
    """Seals and opens secrets with one master key."""

    def __init__(self, master_key: bytes) -> None:
        self._cipher = AESGCM(master_key)

    def seal(self, record_id: str, text: str) -> bytes:
        """An envelope that opens only for the same record."""
        nonce = os.urandom(NONCE_BYTES)
        return bytes([KEY_VERSION]) + nonce + self._cipher.encrypt(nonce, text.encode(), record_id.encode())

    def open(self, record_id: str, blob: bytes) -> str:
        """Raises StoreError if the envelope was made by another key, for another record, or was altered."""
        if blob[:1] != bytes([KEY_VERSION]):
            raise StoreError(f"secret of {record_id}: sealed with a key version that is not known here")
        nonce, body = blob[1 : 1 + NONCE_BYTES], blob[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, record_id.encode()).decode()
        except (InvalidTag, ValueError):
            raise StoreError(f"secret of {record_id}: the master key does not open it") from None


def load_vault(home: Home) -> Vault:
    """The vault of a data folder: key from the environment (hex or base64) or ``secrets/master.key``.

    Makes the file at first use. Raises StoreError if the key can't be read or is not 32 bytes.
    """
    text = os.environ.get(MASTER_KEY_ENV)
    if text is not None:
        return Vault(_decoded(text, MASTER_KEY_ENV))
    return Vault(_key_file(home.master_key))


def load_pepper(home: Home) -> bytes:
    """32 bytes that key the digests of API keys; made at first use. Raises StoreError as ``load_vault``."""
    return _key_file(home.pepper)


def load_metrics_token(home: Home) -> str:
    """The token that opens the metrics, as hex; made at first use. Raises StoreError as ``load_vault``."""
    return _key_file(home.metrics_token).hex()


def bind_secrets(connection: Connection, vault: Vault, pepper: bytes) -> None:
    """Ties the database to its master key and pepper at first use, and checks them ever after.

    Raises StoreError if either is not the one that the database was made with.
    """
    sealed = _remembered(connection, _VAULT_CHECK, vault.seal(_VAULT_CHECK, _VAULT_CHECK).hex())
    try:
        vault.open(_VAULT_CHECK, bytes.fromhex(sealed))
    except StoreError:
        raise StoreError(
            f"the master key ({MASTER_KEY_ENV} or secrets/master.key) is not the one of this database"
        ) from None
    digest = hashlib.blake2b(_PEPPER_CHECK.encode(), key=pepper).hexdigest()
    if _remembered(connection, _PEPPER_CHECK, digest) != digest:
        raise StoreError("secrets/pepper.key is not this database's; with it no API key would be known")


def _remembered(connection: Connection, name: str, value: str) -> str:
    """What the database holds under ``name``; ``value`` if this is the first time."""
    query = select(meta.c.value).where(meta.c.name == name)
    known = connection.execute(query).scalar()
    if known is not None:
        return str(known)
    connection.execute(insert_into(connection, meta).values(name=name, value=value))
    return value


def _decoded(text: str, source: str) -> bytes:
    text = text.strip()
    try:
        key = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreError(f"{source}: must be {KEY_BYTES} bytes as hex or base64")
    return key


def _key_file(path: Path) -> bytes:
    """The 32 bytes in a file (as hex), made if it is not there. Another process may make it too."""
    try:
        create_once(path, os.urandom(KEY_BYTES).hex())
        return _decoded(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: {error}") from error
