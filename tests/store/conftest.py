"""A fresh database, fixed secrets, and records that look like those of a worker."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from switchgear.kernel.charge import Charge, ChargeLine
from switchgear.kernel.ids import new_id
from switchgear.kernel.usage import Usage
from switchgear.ledger.record import UsageRecord
from switchgear.store.db import Database, open_database
from switchgear.store.vault import Vault


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrated once; copying it is a hundred times faster."""
    path = tmp_path_factory.mktemp("empty") / "switchgear.db"
    open_database(path).close()
    return path


@pytest.fixture
def database(tmp_path: Path, empty_file: Path) -> Iterator[Database]:
    opened = open_database(shutil.copy(empty_file, tmp_path))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def vault() -> Vault:
    return Vault(b"m" * 32)


@pytest.fixture(scope="session")
def pepper() -> bytes:
    return b"p" * 32


@pytest.fixture(scope="session")
def make_record() -> Callable[..., UsageRecord]:
    """A record with a charge of ``nanos`` that its line explains; any field can be said otherwise."""

    def make(nanos: int = 1000, **fields: Any) -> UsageRecord:
        user, key = fields.pop("user_id", "u1"), fields.pop("key_id", "k1")
        values: dict[str, Any] = {
            "request_id": new_id(),
            "at_ms": 1_700_000_000_000,
            "user_id": user,
            "key_id": key,
            "group": "default",
            "dialect": "openai_chat",
            "operation": "openai_chat",
            "model": "gpt-5.2",
            "end_state": "complete",
            "usage_source": "reported",
            "usage": Usage(input_uncached=nanos, output_text=7),
            "charge": Charge(nanos, "price", 1_000_000, (ChargeLine("input_uncached", nanos, 1_000_000),)),
            "wallet": f"wallet:{user}",
            "budget": f"budget:key:{key}",
        }
        return UsageRecord(**(values | fields))

    return make
