"""Room on the disk. Without this a full disk would be known to nobody, or be taken for full for ever."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from switchgear.control.metrics import Metrics
from switchgear.control.retention import DiskWatch
from switchgear.kernel.limits import DISK_FREE_BYTES_MIN


async def test_a_disk_is_low_below_its_bound_and_each_change_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    metrics = Metrics()
    watch = DiskWatch(tmp_path, metrics)
    free = [DISK_FREE_BYTES_MIN, DISK_FREE_BYTES_MIN - 1, 0, DISK_FREE_BYTES_MIN]
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=free.pop(0), f_frsize=1))
    seen = []
    while free:
        await watch.look()
        seen.append(watch.is_low)
    assert seen == [False, True, True, False]
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert "disk_free_bytes 1.073741824e+09" in metrics.page()
