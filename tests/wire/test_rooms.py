"""The four dialects can be read side by side. Without this, a role could have one name in one folder and
another in the next, and a direction could mean opposite ends."""

from pathlib import Path

import pytest

import switchgear.wire
from switchgear.kernel.dialects import DIALECTS

WIRE = Path(switchgear.wire.__file__).parent
ROLES = (
    *("account_ids", "carries", "dialect", "errors", "frames", "hosted_calls", "peek", "usage", "values"),
    *("passing/request", "passing/tap", "passing/reply"),
    *("from_client/request", "from_client/parts", "from_client/tools"),
    *("to_upstream/request", "to_upstream/turns", "to_upstream/tools"),
    *("from_upstream/reader", "from_upstream/parts"),
    "to_client/writer",
)
ROOMS = {"passing", "from_client", "to_upstream", "from_upstream", "to_client"}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_has_the_same_rooms_and_names_its_roles_alike(dialect: str) -> None:
    folder = WIRE / dialect
    assert {path.name for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"} == ROOMS
    assert [role for role in ROLES if not (folder / f"{role}.py").is_file()] == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_direction_stands_in_the_room_alone(dialect: str) -> None:
    named = [path.stem for path in (WIRE / dialect).rglob("*.py") if path.stem.endswith(("_in", "_out"))]
    assert named == []
