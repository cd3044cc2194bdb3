"""Journals into the database: records in batches, each with its transfers and the cursor in one transaction.

An epoch's journal lies in ``journals/<epoch>/<offset>.seg``. A live journal's torn end is a record still
being written; of a dead one it is cut off. What can't be read is kept in ``quarantine/``, counted, logged and
passed by.
"""

import logging
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import msgspec

from switchgear.kernel.home import Home
from switchgear.kernel.limits import INGEST_BATCH, INGEST_READ_BYTES, QUARANTINE_FILES_MAX
from switchgear.ledger.journal import scan, segment_name, segment_offset
from switchgear.ledger.record import UsageRecord, decode_record
from switchgear.store.db import Database
from switchgear.store.ingest import cursor, ingest

log = logging.getLogger(__name__)


class Step(msgspec.Struct, frozen=True):
    """What one batch came to."""

    records: int
    more: bool
    """Whether another step would get further at once."""
    lag_bytes: int
    """On disk and not ingested."""


class Ingest:
    """Reads journals. ``step`` runs on the writer thread; nothing else touches the cursors."""

    def __init__(self, home: Home, on_bad: Callable[[], None]) -> None:
        self._home = home
        self._on_bad = on_bad
        self._cursors: dict[str, int] = {}
        self._said_corrupt: set[tuple[str, int]] = set()

    def step(self, database: Database, epoch: str, ended: bool = False) -> Step:
        """Ingests the next batch of an epoch; ``ended`` when its worker is known to be dead.

        Raises StoreError; then nothing has moved, and the same step can be tried again.
        """
        position = self._cursors.get(epoch)
        if position is None:
            position = database.read(lambda connection: cursor(connection, epoch))
        self._cursors.pop(epoch, None)  # known again only when this step has not failed
        segments = self._segments(epoch)
        start = max((offset for offset in segments if offset <= position), default=None)
        following = min((offset for offset in segments if offset > position), default=None)
        payloads: tuple[bytes, ...] = ()
        consumed, stuck = position, start is None
        if start is not None:
            payloads, consumed, stuck = self._read(epoch, start, position, ended or following is not None)
        if not payloads and stuck and following is not None:
            if following > position:
                self._gap(epoch, start, position, following)
            consumed = following
        records = self._decoded(epoch, position, payloads)
        if consumed > position:
            database.write(lambda connection: ingest(connection, epoch, records, position, consumed))
        self._cursors[epoch] = consumed
        self._delete_ingested(epoch, segments, consumed)
        lag = max(0, self._end(epoch, segments) - consumed)
        return Step(len(records), consumed > position, lag)

    def forget(self, epoch: str) -> None:
        """Drops what is remembered of a buried epoch."""
        self._cursors.pop(epoch, None)
        self._said_corrupt = {(name, at) for name, at in self._said_corrupt if name != epoch}

    def _read(
        self, epoch: str, start: int, position: int, closed: bool
    ) -> tuple[tuple[bytes, ...], int, bool]:
        """(payloads, offset after them, whether the segment holds no more). ``closed``: no one writes it."""
        path = self._path(epoch, start)
        with path.open("rb", buffering=0) as file:
            # Asked for no more than is there: a megabyte taken ten times a second leaves holes in the heap.
            left = os.fstat(file.fileno()).st_size - (position - start)
            data = os.pread(file.fileno(), max(0, min(left, INGEST_READ_BYTES)), position - start)
        found = scan(data, 0, INGEST_BATCH)
        if found.payloads:
            return found.payloads, position + found.consumed, False
        if found.state == "clean":
            return (), position, True
        if (found.state == "corrupt" or closed) and (epoch, position) not in self._said_corrupt:
            self._said_corrupt.add((epoch, position))
            if found.state == "corrupt":
                self._bad(epoch, position, data, "a journal can't be read from here on")
            else:
                log.warning("a torn record ends a journal", extra={"epoch": epoch, "offset": position})
        return (), position, closed

    def _decoded(self, epoch: str, position: int, payloads: tuple[bytes, ...]) -> list[UsageRecord]:
        records = []
        for payload in payloads:
            try:
                records.append(decode_record(payload))
            except (msgspec.DecodeError, ValueError) as fault:
                self._bad(epoch, position, payload, f"a record can't be read: {fault}")
        return records

    def _gap(self, epoch: str, start: int | None, position: int, following: int) -> None:
        """Bytes before the next segment will never be read: said once, as the cursor moves on."""
        size = self._path(epoch, start).stat().st_size if start is not None else 0
        lost_from = max(position, (start or 0) + size)
        if lost_from < following:
            self._bad(epoch, position, b"", f"{following - lost_from} bytes of a journal are missing")

    def _bad(self, epoch: str, offset: int, data: bytes, message: str) -> None:
        """Loud, and kept for a person to look at."""
        self._on_bad()
        kept = ""
        folder = self._home.path / "quarantine"
        folder.mkdir(mode=0o700, exist_ok=True)
        if len(list(folder.iterdir())) < QUARANTINE_FILES_MAX:
            file = folder / f"{epoch}-{offset:016x}.bin"
            file.write_bytes(data)
            kept = str(file)
        log.error(message, extra={"epoch": epoch, "offset": offset, "kept": kept})

    def _segments(self, epoch: str) -> list[int]:
        """Start offsets, ascending."""
        try:
            names = [entry.name for entry in (self._home.journals / epoch).iterdir()]
        except FileNotFoundError:
            return []
        return sorted(segment_offset(name) for name in names if name.endswith(".seg"))

    def _end(self, epoch: str, segments: list[int]) -> int:
        if not segments:
            return 0
        return segments[-1] + self._path(epoch, segments[-1]).stat().st_size

    def _delete_ingested(self, epoch: str, segments: list[int], consumed: int) -> None:
        for offset, following in pairwise(segments):
            if following <= consumed:
                self._path(epoch, offset).unlink(missing_ok=True)

    def _path(self, epoch: str, offset: int) -> Path:
        return self._home.journals / epoch / segment_name(offset)
