"""Without this the gauge of drift, which runs all the time, could need more memory with every transfer."""

import os
import subprocess
import sys
from pathlib import Path

from switchgear.store.db import insert_many, open_database
from switchgear.store.tables import accounts, transfers

ROOT = Path(__file__).resolve().parents[2]
TRANSFERS = 100_000
GROWTH_KIB_MAX = 4096
"""Page caches and one chunk; keeping all the rows takes 15 MiB."""
MEASURE = r"""
import re, sys
from pathlib import Path
from switchgear.store.auditing import drift
from switchgear.store.db import open_database
peak_kib = lambda: int(re.search(r'VmHWM:\s+(\d+)', Path('/proc/self/status').read_text())[1])
database = open_database(sys.argv[1])
database.read(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM transfers").all())
before = peak_kib()
print(database.read(drift), peak_kib() - before)
"""


def test_memory_does_not_grow_with_the_transfers(tmp_path: Path) -> None:
    database = open_database(tmp_path / "books.db")
    names = ("id", "debit", "credit", "nanos", "kind", "ref", "at_ms")
    rows = [
        (f"{n:026d}", f"lease:wallet:{n % 50}", "revenue", 5, "settle", f"{n:026d}", 1)
        for n in range(TRANSFERS)
    ]
    stored = [(f"lease:wallet:{n}", -5 * TRANSFERS // 50) for n in range(50)]
    stored.append(("revenue", 5 * TRANSFERS - 7))
    database.write(lambda connection: insert_many(connection, transfers, names, rows))
    database.write(lambda connection: insert_many(connection, accounts, ("id", "balance"), stored))
    database.close()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "books.db")],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    off, growth_kib = map(int, done.stdout.split())
    print(f"{growth_kib} KiB")
    assert off == 14
    assert growth_kib < GROWTH_KIB_MAX, f"{growth_kib} KiB for {TRANSFERS} transfers"
