"""The worker's journal on disk: append now, sync soon, and hold the lock that says this worker lives.

``write`` is made before the reply's end goes out, so a kill of the process loses nothing; ``fdatasync``
follows within JOURNAL_SYNC_INTERVAL_S in a side thread, so a power cut loses at most that, in the customer's
favour.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path

from switchgear.kernel.limits import (
    JOURNAL_BYTES_MAX,
    JOURNAL_ROOM_BYTES,
    JOURNAL_SEGMENT_BYTES,
    JOURNAL_SYNC_INTERVAL_S,
)
from switchgear.ledger.journal import frame, segment_name, segment_offset
from switchgear.ledger.record import UsageRecord, encode_record


class JournalBroken(OSError):
    """A record could not be written whole: the reply that it belongs to must not be shown as ended."""


class Journal:
    """Append-only segments of one worker epoch. Offsets are absolute over all segments."""

    def __init__(self, folder: Path, grew: Callable[[], None] = lambda: None) -> None:
        """Makes the folder and takes its lock; ``grew`` is called after each record. Raises OSError when
        either fails."""
        folder.mkdir(mode=0o700)
        self.folder = folder
        self._lock_file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.end_offset = 0
        self.broken = False
        self._segment_start = 0
        self._file = self._open_segment()
        self._unsynced: list[int] = []
        self._dirty = False
        self._grew = grew
        self._stopping = threading.Event()
        self._wake = threading.Event()
        """There is something for the side thread to do."""
        self._oldest_offset = 0
        self._thread = threading.Thread(target=self._sync_often, name="journal-sync", daemon=True)
        self._thread.start()

    def append(self, record: UsageRecord) -> None:
        """Writes one record. Raises JournalBroken and leaves no half of it behind."""
        data = frame(encode_record(record))
        try:
            written = os.write(self._file, data)
        except OSError as error:
            self._break()
            raise JournalBroken(*error.args) from error
        if written != len(data):
            self._break()
            os.ftruncate(self._file, self.end_offset - self._segment_start)
            raise JournalBroken("the disk took only a part of a record")
        self.broken = False
        self.end_offset += written
        if not self._dirty:
            self._dirty = True
            self._wake.set()
        self._grew()
        if self.end_offset - self._segment_start >= JOURNAL_SEGMENT_BYTES:
            self._next_segment()

    def refuses(self) -> bool:
        """Whether no new call should be taken: the last record could not be written, and there is no room for
        others yet; or so much waits to be ingested."""
        return self.broken or self.end_offset - self._oldest_offset > JOURNAL_BYTES_MAX

    def sync(self) -> None:
        """Everything appended so far is on the disk when this returns."""
        while self._unsynced:
            old = self._unsynced.pop()
            os.fdatasync(old)
            os.close(old)
        if self._dirty:
            self._dirty = False
            os.fdatasync(self._file)

    def close(self) -> None:
        """Syncs and lets go of the lock."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()
        self.sync()
        os.close(self._file)
        os.close(self._lock_file)

    def _open_segment(self) -> int:
        path = self.folder / segment_name(self._segment_start)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _next_segment(self) -> None:
        before, self._segment_start = self._segment_start, self.end_offset
        try:
            file = self._open_segment()
        except OSError:
            self._segment_start = before  # it goes on in the old one; the next record tries again
            return
        self._unsynced.append(self._file)
        self._file = file

    def _break(self) -> None:
        self.broken = True
        self._wake.set()

    def _is_behind(self) -> bool:
        """Whether so much waits to be ingested that it must be seen when it is."""
        return self.end_offset - self._oldest_offset > JOURNAL_SEGMENT_BYTES

    def _sync_often(self) -> None:
        while not self._stopping.is_set():
            if not (self.broken or self._is_behind()):
                self._wake.wait()
            if self._stopping.wait(JOURNAL_SYNC_INTERVAL_S):
                return
            self._wake.clear()
            # A failing sync leaves what the page cache holds; the next append or sync will say so.
            with contextlib.suppress(OSError):
                self.sync()
            if self.broken:
                self._look_for_room()
            if self._is_behind():
                self._see_what_is_ingested()

    def _look_for_room(self) -> None:
        """A disk that was full may have room again. No call is taken to find out, as its upstream would be
        paid whether or not its record can be written."""
        with contextlib.suppress(OSError):
            try:
                written = os.pwrite(self._lock_file, bytes(JOURNAL_ROOM_BYTES), 0)
            finally:
                os.ftruncate(self._lock_file, 0)
            self.broken = written < JOURNAL_ROOM_BYTES

    def _see_what_is_ingested(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            names = [name for name in os.listdir(self.folder) if name.endswith(".seg")]
            self._oldest_offset = min(map(segment_offset, names), default=0)
