"""Without this: secrets that open for the wrong record, keys others can read, a lost key seen too late."""

from pathlib import Path

import pytest

from switchgear.kernel.home import Home
from switchgear.store.db import Database, StoreError
from switchgear.store.vault import MASTER_KEY_ENV, Vault, bind_secrets, load_pepper, load_vault


def test_what_was_sealed_opens_for_its_record_only(vault: Vault) -> None:
    blob = vault.seal("channel:1", "sk-upstream ü")
    assert vault.open("channel:1", blob) == "sk-upstream ü"
    assert vault.seal("channel:1", "sk-upstream ü") != blob
    with pytest.raises(StoreError, match="channel:2"):
        vault.open("channel:2", blob)
    with pytest.raises(StoreError):
        Vault(b"x" * 32).open("channel:1", blob)


def test_no_altered_byte_opens(vault: Vault) -> None:
    blob = vault.seal("r", "secret")
    for position in range(len(blob)):
        altered = bytearray(blob)
        altered[position] ^= 1
        with pytest.raises(StoreError):
            vault.open("r", bytes(altered))
        with pytest.raises(StoreError):
            vault.open("r", blob[:position])


def test_keys_are_made_once_and_for_the_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MASTER_KEY_ENV, raising=False)
    home = Home(tmp_path / "data")
    blob = load_vault(home).seal("r", "secret")
    assert load_vault(home).open("r", blob) == "secret"
    assert len(load_pepper(home)) == 32
    assert load_pepper(home) == load_pepper(home)
    for path in (home.master_key, home.pepper):
        assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in home.secrets.iterdir()) == ["master.key", "pepper.key"]


def test_the_environment_may_hold_the_master_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "data")
    monkeypatch.setenv(MASTER_KEY_ENV, "ab" * 32)
    blob = load_vault(home).seal("r", "secret")
    assert not home.master_key.exists()
    monkeypatch.setenv(MASTER_KEY_ENV, "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=")
    assert load_vault(home).open("r", blob) == "secret"
    for bad in ("", "short", "ab" * 31, "zz" * 32):
        monkeypatch.setenv(MASTER_KEY_ENV, bad)
        with pytest.raises(StoreError, match=MASTER_KEY_ENV):
            load_vault(home)


def test_a_damaged_key_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MASTER_KEY_ENV, raising=False)
    home = Home(tmp_path / "data")
    load_vault(home)
    for content in (b"", b"ab", b"\xff\xfe"):
        home.master_key.write_bytes(content)
        with pytest.raises(StoreError, match=r"master\.key"):
            load_vault(home)


def test_another_master_key_or_pepper_is_noticed_at_once(
    database: Database, vault: Vault, pepper: bytes
) -> None:
    database.write(lambda c: bind_secrets(c, vault, pepper))
    database.write(lambda c: bind_secrets(c, vault, pepper))
    with pytest.raises(StoreError, match="master key"):
        database.write(lambda c: bind_secrets(c, Vault(b"x" * 32), pepper))
    with pytest.raises(StoreError, match=r"pepper\.key"):
        database.write(lambda c: bind_secrets(c, vault, b"x" * 32))
