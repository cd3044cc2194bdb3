"""API keys: kept as keyed digests, shown once, found by digest."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, select, update

from switchgear.kernel.config import KeyConfig
from switchgear.kernel.ids import mask_key, new_api_key, new_id
from switchgear.kernel.principal import Principal
from switchgear.kernel.secret import key_digest
from switchgear.ledger import chart
from switchgear.store.accounts import fund_declared
from switchgear.store.db import ApplyError
from switchgear.store.groups import require_group
from switchgear.store.rows import bump_config_version, change_lines, put_row
from switchgear.store.tables import keys, users
from switchgear.store.users import user_id


class KeyChange(msgspec.Struct, frozen=True):
    """What became of one wanted key: lines for the operator, and the plain key if it was made just now."""

    changes: tuple[str, ...]
    plain: str | None = None


def find_principal(connection: Connection, digest: bytes) -> Principal | None:
    """Who the key with this digest is; None if it is not known. Disabled keys are found, and say so."""
    row = connection.execute(_principals().where(keys.c.digest == digest)).one_or_none()
    return None if row is None else _principal(row)


def list_keys(connection: Connection) -> list[Principal]:
    """All keys by name."""
    return [_principal(row) for row in connection.execute(_principals().order_by(keys.c.name))]


def create_key(connection: Connection, pepper: bytes, key: KeyConfig, now_ms: int) -> str | None:
    """Makes a key; returns it in plain if it was generated, None if it was given.

    Raises ApplyError if the name or the key is taken, or the user or group is not there.
    """
    if connection.execute(select(keys.c.id).where(keys.c.name == key.name)).scalar() is not None:
        raise ApplyError(f"key {key.name!r}: already exists")
    change = put_key(connection, pepper, key, now_ms)
    bump_config_version(connection)
    return change.plain


def put_key(connection: Connection, pepper: bytes, key: KeyConfig, now_ms: int) -> KeyChange:
    """Makes or changes the key and funds its budget up to the declared quota. Raises as ``create_key``."""
    what = f"key {key.name!r}"
    require_group(connection, key.group, what)
    wanted = _wanted(key, user_id(connection, key.user, what))
    known = connection.execute(select(keys.c.id).where(keys.c.name == key.name)).scalar()
    identifier = new_id() if known is None else str(known)
    plain = key.key if key.key is not None or known is not None else new_api_key()
    if plain is not None:
        digest = key_digest(plain, pepper)
        _require_free(connection, digest, key.name)
        wanted |= {"digest": digest, "masked": mask_key(plain)}
    at_first: dict[str, Any] = {"id": identifier, "created_at_ms": now_ms}
    if key.disabled is None:
        at_first["disabled"] = False
    lines = change_lines("key", key.name, put_row(connection, keys, keys.c.name, wanted, at_first))
    if key.quota_nanos is not None:
        budget = chart.budget(identifier)
        booked = fund_declared(connection, budget, key.quota_nanos, what, now_ms)
        lines = (*lines, f"{what}: quota {booked:+d} nanos") if booked else lines
    return KeyChange(lines, plain if key.key is None else None)


def set_key_status(connection: Connection, name: str, disabled: bool) -> bool:
    """Disables or enables a key; False if it was so already. Raises ApplyError if there is no such key."""
    if connection.execute(select(keys.c.id).where(keys.c.name == name)).scalar() is None:
        raise ApplyError(f"there is no key {name!r}")
    statement = update(keys).where(keys.c.name == name, keys.c.disabled != disabled).values(disabled=disabled)
    if connection.execute(statement).rowcount == 0:
        return False
    bump_config_version(connection)
    return True


def _wanted(key: KeyConfig, owner: str) -> dict[str, Any]:
    wanted = {
        "name": key.name,
        "user_id": owner,
        "group_name": key.group,
        "has_quota": key.quota_nanos is not None,
        "models": list(key.models or ()),
        "allow_ips": list(key.allow_ips or ()),
        "rpm": key.rpm,
        "tpm": key.tpm,
        "concurrency": key.concurrency,
        "expires_at_ms": key.expires_at_ms,
    }
    return wanted if key.disabled is None else wanted | {"disabled": key.disabled}


def _require_free(connection: Connection, digest: bytes, name: str) -> None:
    holder = connection.execute(select(keys.c.name).where(keys.c.digest == digest)).scalar()
    if holder is not None and holder != name:
        raise ApplyError(f"key {name!r}: this key already belongs to {holder!r}")


def _principals() -> Select[Any]:
    return select(keys, users.c.name.label("user_name"), users.c.status.label("user_status")).join(users)


def _principal(row: Row[Any]) -> Principal:
    status = "key_disabled" if row.disabled else "active"
    return Principal(
        key_id=row.id,
        key_name=row.name,
        key_masked=row.masked,
        user_id=row.user_id,
        user_name=row.user_name,
        group=row.group_name,
        wallet=chart.wallet(row.user_id),
        budget=chart.budget(row.id) if row.has_quota else "",
        status=status if row.user_status == "active" else "user_disabled",
        expires_at_ms=row.expires_at_ms,
        models=tuple(row.models),
        allow_ips=tuple(row.allow_ips),
        rpm=row.rpm,
        tpm=row.tpm,
        concurrency=row.concurrency,
        slot=row.slot,
    )
