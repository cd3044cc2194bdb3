"""Without this, a finished reply could go unbilled: a half-written record, a lost segment, or two writers."""

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from switchgear.kernel import limits
from switchgear.kernel.charge import Charge
from switchgear.kernel.usage import Usage
from switchgear.ledger.journal import scan, segment_offset
from switchgear.ledger.record import UsageRecord, decode_record
from switchgear.relay import journal as journal_module
from switchgear.relay.journal import Journal, JournalBroken


def record(number: int) -> UsageRecord:
    return UsageRecord(
        f"{number:032x}",
        0,
        "u",
        "k",
        "default",
        "openai_chat",
        "openai_chat",
        "m",
        "complete",
        "reported",
        Usage(input_uncached=1),
        Charge(7),
        "wallet:u",
    )


def read_all(folder: Path) -> list[UsageRecord]:
    segments = sorted(folder.glob("*.seg"), key=lambda path: segment_offset(path.name))
    data = b"".join(path.read_bytes() for path in segments)
    return [decode_record(payload) for payload in scan(data).payloads]


def test_records_are_on_disk_as_soon_as_append_returns_over_many_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "JOURNAL_SEGMENT_BYTES", 400)
    journal = Journal(tmp_path / "epoch")
    for number in range(10):
        journal.append(record(number))
        assert read_all(journal.folder)[-1] == record(number)
    segments = [segment_offset(path.name) for path in journal.folder.glob("*.seg")]
    assert len(segments) > 3
    assert max(segments) <= journal.end_offset
    journal.close()


def test_the_lock_is_held_while_the_worker_lives(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "epoch")
    lock = os.open(journal.folder / "lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    journal.close()
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(lock)


def test_a_short_write_leaves_no_half_record_and_the_next_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "epoch")
    journal.append(record(1))
    whole_write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: whole_write(file, data[: len(data) // 2]))
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: 0)
    with pytest.raises(JournalBroken):
        journal.append(record(2))
    assert journal.broken
    monkeypatch.setattr(os, "write", whole_write)
    journal.append(record(3))
    assert not journal.broken
    assert read_all(journal.folder) == [record(1), record(3)]
    journal.close()


def test_a_full_disk_is_an_error_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    journal = Journal(tmp_path / "epoch")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", no_space)
        with pytest.raises(JournalBroken):
            journal.append(record(1))
    journal.append(record(2))
    assert read_all(journal.folder) == [record(2)]
    journal.close()


def test_after_a_full_disk_no_call_is_taken_until_there_is_room_for_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would be paid for at its upstream, and answered with an error."""
    looked = threading.Event()

    def no_space(file: int, data: bytes, at: int = 0) -> int:
        if len(data) == limits.JOURNAL_ROOM_BYTES:
            looked.set()
        raise OSError(28, "No space left on device")

    journal = Journal(tmp_path / "epoch")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", no_space)
        patch.setattr(os, "pwrite", no_space)
        with pytest.raises(JournalBroken):
            journal.append(record(1))
        assert looked.wait(10)
        assert journal.refuses()
    deadline = time.monotonic() + 10
    while journal.refuses():  # nobody appends anything
        assert time.monotonic() < deadline
        looked.clear()
        looked.wait(0.01)
    assert (journal.folder / "lock").stat().st_size == 0
    journal.close()


def test_a_segment_that_can_not_be_begun_leaves_the_old_one_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "JOURNAL_SEGMENT_BYTES", 400)
    journal = Journal(tmp_path / "epoch")

    def too_many(*_: object) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", too_many)
        for number in range(10):
            journal.append(record(number))
        journal.sync()
    for number in range(10, 20):
        journal.append(record(number))
    assert read_all(journal.folder) == [record(number) for number in range(20)]
    assert len(list(journal.folder.glob("*.seg"))) > 1
    journal.close()


def test_a_journal_that_nobody_ingests_says_when_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "JOURNAL_BYTES_MAX", 1000)
    journal = Journal(tmp_path / "epoch")
    assert not journal.refuses()
    while journal.end_offset <= 1000:
        journal.append(record(0))
    assert journal.refuses()
    journal.close()
    assert limits.JOURNAL_BYTES_MAX > limits.JOURNAL_SEGMENT_BYTES
