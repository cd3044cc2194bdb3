"""Requests and tokens per minute and calls at once, counted exactly across the workers of one machine.

The counts live in one memory-mapped file that all workers share: a row for each key, guarded by a byte-range
lock on that row. A lock dies with its process, so does nothing else: a killed worker's column of running
calls is cleared by whoever takes its index next. No await, no round trip, and it works while the controller
is away.

Both rates are buckets (the generic cell rate algorithm): full at rest, refilled evenly, so a row needs one
figure for each: the monotonic nanosecond at which the bucket will be full again.
"""

import fcntl
import mmap
import os
import struct
import time
from pathlib import Path

import msgspec

from switchgear.kernel.limits import RATE_LOCK_TRIES, WORKERS_MAX
from switchgear.link.snapshot import Principal

MINUTE_NS = 60_000_000_000
ROW_BYTES = 128
COLUMNS = 2 * WORKERS_MAX
"""Twice the workers: while one is replaced, its old self still finishes calls."""
_ROW = struct.Struct("<qqi")
"""Both buckets, and the calls that run in all workers together."""
_COLUMN = struct.Struct("<H")
"""The calls that run in one worker: what to take off the sum when it dies."""
_ALL_COLUMNS = struct.Struct(f"<{COLUMNS}H")
_COLUMNS_AT = 24
_GROWTH_ROWS = 4096
_CALLS_MAX = 65_535
_YIELDS = 50
_LOCK_NAP_S = 0.0002
_AHEAD_NS_MAX = 2 * MINUTE_NS
"""A call that used more than its estimate can't block its key for longer."""


class Permit(msgspec.Struct, frozen=True, gc=False):
    """A call that was let in; hand it back to ``finish`` exactly once."""

    slot: int
    tokens: int
    tokens_per_minute: int
    counted_call: bool


class Window(msgspec.Struct, frozen=True, gc=False):
    """A limit as the client is told of it."""

    limit: int
    remaining: int
    reset_ns: int
    """Until it is whole again."""


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Why a call was not let in: ``requests``, ``tokens`` or ``calls``, and when to come back."""

    kind: str
    limit: int
    retry_ns: int


class State(msgspec.Struct, frozen=True, gc=False):
    """What ``admit`` found: a permit or a refusal, and the windows either way."""

    permit: Permit | None
    refused: Refused | None
    requests: Window | None
    tokens: Window | None


_UNLIMITED = State(Permit(0, 0, 0, False), None, None, None)


class RateTable:
    """The shared file, seen by one worker."""

    def __init__(self, path: Path, worker_index: int) -> None:
        """Opens or makes the file and clears this worker's column. Raises OSError."""
        self._column = worker_index % COLUMNS
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._file, max(os.fstat(self._file).st_size, ROW_BYTES))
        self._table = mmap.mmap(self._file, ROW_BYTES)
        self._rows = 1
        self._grow(1)
        self._clear_column()

    def close(self) -> None:
        self._table.close()
        os.close(self._file)

    def admit(self, who: Principal, tokens: int, now_ns: int) -> State:
        """Takes one request, ``tokens`` tokens and one running call from the key's row: all of them or
        none."""
        if not (who.rpm or who.tpm or who.concurrency):
            return _UNLIMITED
        locked = self._lock(who.slot)
        try:
            return self._admit(who, tokens, now_ns)
        finally:
            if locked:
                self._unlock(who.slot)

    def finish(self, permit: Permit, tokens: int, now_ns: int) -> None:
        """Ends a call and corrects its tokens from the estimate to what was used."""
        if not permit.counted_call and (not permit.tokens_per_minute or tokens == permit.tokens):
            return
        locked = self._lock(permit.slot)
        try:
            requests_ns, tokens_ns, running = self._read(permit.slot)
            if permit.tokens_per_minute:
                step = MINUTE_NS // permit.tokens_per_minute
                ahead_ns = _sane(tokens_ns, now_ns) + (tokens - permit.tokens) * step - now_ns
                tokens_ns = now_ns + min(ahead_ns, _AHEAD_NS_MAX)
            if permit.counted_call:
                running -= self._move_column(permit.slot, -1)
            self._write(permit.slot, requests_ns, tokens_ns, running)
        finally:
            if locked:
                self._unlock(permit.slot)

    def _admit(self, who: Principal, tokens: int, now_ns: int) -> State:
        requests_ns, tokens_ns, running = self._read(who.slot)
        requests_ns, tokens_ns = _sane(requests_ns, now_ns), _sane(tokens_ns, now_ns)
        taken = min(tokens, who.tpm)
        if who.concurrency and running >= who.concurrency:
            # A kill between the two writes of a row leaves the sum off by one; before it can refuse, it is
            # made anew.
            running = self._sum_columns(who.slot)
        refused = _refusal(who, running, requests_ns, tokens_ns, taken, now_ns)
        if refused is None:
            if who.rpm:
                requests_ns += MINUTE_NS // who.rpm
            if who.tpm:
                tokens_ns += taken * (MINUTE_NS // who.tpm)
            if who.concurrency:
                running += self._move_column(who.slot, 1)
            self._write(who.slot, requests_ns, tokens_ns, running)
        return State(
            None if refused else Permit(who.slot, taken, who.tpm, bool(who.concurrency)),
            refused,
            _window(who.rpm, requests_ns - now_ns) if who.rpm else None,
            _window(who.tpm, tokens_ns - now_ns) if who.tpm else None,
        )

    def _read(self, slot: int) -> tuple[int, int, int]:
        if slot >= self._rows:
            self._grow(slot)
        return _ROW.unpack_from(self._table, slot * ROW_BYTES)

    def _write(self, slot: int, requests_ns: int, tokens_ns: int, running: int) -> None:
        _ROW.pack_into(self._table, slot * ROW_BYTES, requests_ns, tokens_ns, max(0, running))

    def _move_column(self, slot: int, step: int) -> int:
        """Counts this worker's running calls up or down, within bounds; gives by how much that was."""
        at = slot * ROW_BYTES + _COLUMNS_AT + 2 * self._column
        (calls,) = _COLUMN.unpack_from(self._table, at)
        before = int(calls)
        after = min(max(before + step, 0), _CALLS_MAX)
        _COLUMN.pack_into(self._table, at, after)
        return abs(after - before)

    def _sum_columns(self, slot: int) -> int:
        return sum(_ALL_COLUMNS.unpack_from(self._table, slot * ROW_BYTES + _COLUMNS_AT))

    def _grow(self, slot: int) -> None:
        rows = (slot // _GROWTH_ROWS + 1) * _GROWTH_ROWS
        if os.fstat(self._file).st_size < rows * ROW_BYTES:
            os.ftruncate(self._file, rows * ROW_BYTES)
        rows = os.fstat(self._file).st_size // ROW_BYTES
        outgrown, self._table = self._table, mmap.mmap(self._file, rows * ROW_BYTES)
        outgrown.close()
        self._rows = rows

    def _clear_column(self) -> None:
        """Takes what this column still counts, left by a worker that was killed, off every row."""
        for slot in range(self._rows):
            at = slot * ROW_BYTES + _COLUMNS_AT + 2 * self._column
            if not _COLUMN.unpack_from(self._table, at)[0]:
                continue
            locked = self._lock(slot)
            requests_ns, tokens_ns, running = self._read(slot)
            (calls,) = _COLUMN.unpack_from(self._table, at)
            _COLUMN.pack_into(self._table, at, 0)
            self._write(slot, requests_ns, tokens_ns, running - calls)
            if locked:
                self._unlock(slot)

    def _lock(self, slot: int) -> bool:
        """A worker that was stopped inside the few instructions of a row must not stop the others: after a
        bounded number of tries the row is used unlocked, which can at worst lose one count."""
        for number in range(RATE_LOCK_TRIES):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot * ROW_BYTES)
                return True
            except OSError:
                if number < _YIELDS:
                    os.sched_yield()
                else:
                    time.sleep(_LOCK_NAP_S)
        return False

    def _unlock(self, slot: int) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, slot * ROW_BYTES)


def _sane(full_ns: int, now_ns: int) -> int:
    """When a bucket is full again: not in the past, and not later than a row can say. The clock restarts with
    the machine, so a figure far ahead is from before that."""
    return now_ns if full_ns > now_ns + _AHEAD_NS_MAX else max(full_ns, now_ns)


def _refusal(
    who: Principal, running: int, requests_ns: int, tokens_ns: int, tokens: int, now_ns: int
) -> Refused | None:
    if who.concurrency and running >= who.concurrency:
        return Refused("calls", who.concurrency, 1_000_000_000)
    if who.rpm:
        over_ns = requests_ns + MINUTE_NS // who.rpm - now_ns - MINUTE_NS
        if over_ns > 0:
            return Refused("requests", who.rpm, over_ns)
    if who.tpm:
        over_ns = tokens_ns + tokens * (MINUTE_NS // who.tpm) - now_ns - MINUTE_NS
        if over_ns > 0:
            return Refused("tokens", who.tpm, over_ns)
    return None


def _window(limit: int, ahead_ns: int) -> Window:
    step = MINUTE_NS // limit
    ahead_ns = max(0, ahead_ns)
    return Window(limit, max(0, (MINUTE_NS - ahead_ns) // step), ahead_ns)
