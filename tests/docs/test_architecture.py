"""The walk through the code leads to files that exist. Without this, a moved file would strand its reader."""

import re
from pathlib import Path

from switchgear.kernel.dialects import DIALECTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/guide/architecture.md").read_text()
PATH = re.compile(r"`([a-z_<>/0-9*]+(?:/|\.py|\.toml))`")


def places(named: str) -> list[Path]:
    """Where a path of the page may lie; one for each dialect where it stands for all."""
    shown = [named.replace("<dialect>", dialect) for dialect in DIALECTS] if "<dialect>" in named else [named]
    return [ROOT / "src/switchgear" / path for path in shown]


def test_every_file_and_folder_that_the_walk_names_exists() -> None:
    named = {found for found in PATH.findall(PAGE) if "/" in found.rstrip("/") or found.endswith("/")}
    missing = []
    for path in sorted(named):
        for place in places(path):
            beside = [*ROOT.glob(path), *(ROOT / "src/switchgear/relay/http1").glob(path)]
            rooms = (ROOT / "src/switchgear/wire/openai_chat").glob(path)
            if not (list(place.parent.glob(place.name)) or beside or list(rooms)):
                missing.append(path)
    assert len(named) > 40
    assert missing == []
