"""Without this: an API key or upstream credential that can be read out of the database or a backup of it."""

import base64
import re
from pathlib import Path

import pytest

from switchgear.kernel.config import ChannelConfig, Config, GroupConfig, KeyConfig, UserConfig
from switchgear.store.admins import ensure_admin
from switchgear.store.apply import apply_config
from switchgear.store.backup import backup
from switchgear.store.channels import list_channels
from switchgear.store.db import Database, StoreError, open_database
from switchgear.store.rows import config_version

GIVEN = "sk-" + "Q9z" * 16
UPSTREAM = "sk-upstream-credential-0123456789"
HEADER = "header-credential-0123456789"
CONFIG = Config(
    groups=(GroupConfig("default"),),
    users=(UserConfig("acme"),),
    keys=(KeyConfig("given", "acme", GIVEN), KeyConfig("generated", "acme")),
    channels=(ChannelConfig("main", "openai", keys=(UPSTREAM,), headers=(("x-key", HEADER),)),),
)


def _spellings(secret: str) -> list[bytes]:
    """Plain, hex, and base64 at each of the three offsets that it may have inside longer text."""
    plain = secret.encode()
    found = [plain, plain.hex().encode(), plain.hex().upper().encode()]
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + plain).decode().rstrip("=")
        found.append(encoded[shift + 1 if shift else 0 : -1].encode())
    return found


def test_no_secret_stands_in_any_file(database: Database, vault, pepper, tmp_path: Path) -> None:
    report = database.write(lambda c: apply_config(c, vault, pepper, CONFIG, 1))
    _, password = database.write(ensure_admin)
    backup(database, tmp_path / "copy.db")
    secrets = [GIVEN, UPSTREAM, HEADER, report.created_keys[0][1], password or ""]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"switchgear.db", "switchgear.db-wal", "copy.db"}
    data = b"".join(path.read_bytes() for path in files)
    assert b"acme" in data
    for secret in secrets:
        assert len(secret) >= 20
        for spelling in _spellings(secret):
            assert re.search(re.escape(spelling), data) is None


def test_a_backup_is_whole_private_and_never_overwrites(
    database: Database, vault, pepper, tmp_path: Path
) -> None:
    database.write(lambda c: apply_config(c, vault, pepper, CONFIG, 1))
    target = tmp_path / "copy.db"
    assert backup(database, target) == target.stat().st_size
    assert target.stat().st_mode & 0o777 == 0o600
    database.write(lambda c: apply_config(c, vault, pepper, Config(users=(UserConfig("later"),)), 2))
    with pytest.raises(StoreError, match="already exists"):
        backup(database, target)
    with pytest.raises(StoreError, match="No such file"):
        backup(database, tmp_path / "nowhere" / "copy.db")
    assert not list(tmp_path.glob("*.partial"))
    copy = open_database(target)
    assert copy.read(config_version) == 1
    assert copy.read(lambda c: list_channels(c, vault)) == database.read(lambda c: list_channels(c, vault))
    copy.close()
