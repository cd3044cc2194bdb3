"""Without it docs/promises.md could name a test that is gone, and a promise would have no proof."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_promise_names_tests_that_exist() -> None:
    rows = [
        line for line in (ROOT / "docs" / "promises.md").read_text().splitlines() if line.startswith("| P")
    ]
    assert len(rows) >= 10
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, f"no test named: {row[:60]}"
        for file, name in named:
            assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.M), f"{file}::{name}"
