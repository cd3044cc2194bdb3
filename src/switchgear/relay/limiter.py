"""Requests and tokens per minute and calls at once, counted exactly across the workers of one machine.

The counts live in one memory-mapped file that all workers share: a row for each key, guarded by a byte-range
lock on that row. A lock dies with its process, so does nothing else: a killed worker's column of running
calls is cleared by whoever takes its index next. No await, no round trip, and it works while the controller
is away.

Both rates are buckets (the generic cell rate algorithm): full at rest, refilled evenly, so a row needs one
figure for each: the monotonic nanosecond at which the bucket will be full again.
"""

import contextlib
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
_BUCKETS = struct.Struct("<qq")
_COLUMN = struct.Struct("<H")
"""The calls that run in one worker. Only that worker writes it, so that needs no lock."""
_ALL_COLUMNS = struct.Struct(f"<{COLUMNS}H")
_COLUMNS_AT = _BUCKETS.size
_read_buckets = _BUCKETS.unpack_from
_read_columns = _ALL_COLUMNS.unpack_from
_GROWTH_ROWS = 4096
_CALLS_MAX = 65_535
_LOCK_NOW = fcntl.LOCK_EX | fcntl.LOCK_NB
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
    ahead_ns: int
    """Until it is whole again."""

    @property
    def remaining(self) -> int:
        left: int = (MINUTE_NS - self.ahead_ns) // (MINUTE_NS // self.limit)
        return max(0, left)


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
        self._column_at = _COLUMNS_AT + 2 * (worker_index % COLUMNS)
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
        rpm, tpm, concurrency = who.rpm, who.tpm, who.concurrency
        if not (rpm or tpm or concurrency):
            return _UNLIMITED
        if who.slot >= self._rows:
            self._grow(who.slot)
        table, at = self._table, who.slot * ROW_BYTES
        taken = tokens if tokens < tpm else tpm
        request_ns = MINUTE_NS // rpm if rpm else 0
        taken_ns = taken * (MINUTE_NS // tpm) if tpm else 0
        locked = self._lock(at)
        try:
            requests_ns, tokens_ns = _read_buckets(table, at)
            requests_ns, tokens_ns = _sane(requests_ns, now_ns), _sane(tokens_ns, now_ns)
            running = sum(_read_columns(table, at + _COLUMNS_AT)) if concurrency else 0
            full_ns = now_ns + MINUTE_NS
            if (
                (not concurrency or running < concurrency)
                and (not rpm or requests_ns + request_ns <= full_ns)
                and (not tpm or tokens_ns + taken_ns <= full_ns)
            ):
                refused = None
                requests_ns += request_ns
                tokens_ns += taken_ns
                _BUCKETS.pack_into(table, at, requests_ns, tokens_ns)
                if concurrency:
                    self._count(at, 1)
            else:
                refused = _refusal(who, running, requests_ns + request_ns, tokens_ns + taken_ns, full_ns)
        finally:
            if locked:
                self._unlock(at)
        return State(
            None if refused else Permit(who.slot, taken, tpm, concurrency > 0),
            refused,
            Window(rpm, requests_ns - now_ns) if rpm else None,
            Window(tpm, tokens_ns - now_ns) if tpm else None,
        )

    def take_tokens(self, who: Principal, permit: Permit, tokens: int, now_ns: int) -> State:
        """Takes the tokens of a call that was let in before anything was known of them. A refused call gives
        its request back; its permit is still to be finished."""
        rpm, tpm = who.rpm, who.tpm
        table, at = self._table, who.slot * ROW_BYTES
        taken = tokens if tokens < tpm else tpm
        full_ns = now_ns + MINUTE_NS
        locked = self._lock(at)
        try:
            requests_ns, tokens_ns = _read_buckets(table, at)
            requests_ns, tokens_ns = _sane(requests_ns, now_ns), _sane(tokens_ns, now_ns)
            with_call_ns = tokens_ns + taken * (MINUTE_NS // tpm)
            fits = with_call_ns <= full_ns
            if fits:
                tokens_ns = with_call_ns
            elif rpm:
                requests_ns = max(now_ns, requests_ns - MINUTE_NS // rpm)
            _BUCKETS.pack_into(table, at, requests_ns, tokens_ns)
        finally:
            if locked:
                self._unlock(at)
        return State(
            Permit(who.slot, taken, tpm, permit.counted_call) if fits else None,
            None if fits else Refused("tokens", tpm, with_call_ns - full_ns),
            Window(rpm, requests_ns - now_ns) if rpm else None,
            Window(tpm, tokens_ns - now_ns),
        )

    def finish(self, permit: Permit, tokens: int, now_ns: int) -> None:
        """Ends a call and corrects its tokens from the estimate to what was used."""
        at = permit.slot * ROW_BYTES
        if permit.counted_call:
            self._count(at, -1)
        if permit.tokens_per_minute and tokens != permit.tokens:
            step = MINUTE_NS // permit.tokens_per_minute
            locked = self._lock(at)
            try:
                requests_ns, tokens_ns = _read_buckets(self._table, at)
                ahead_ns = _sane(tokens_ns, now_ns) + (tokens - permit.tokens) * step - now_ns
                _BUCKETS.pack_into(self._table, at, requests_ns, now_ns + min(ahead_ns, _AHEAD_NS_MAX))
            finally:
                if locked:
                    self._unlock(at)

    def _count(self, at: int, step: int) -> None:
        """Counts this worker's running calls of a row up or down, within what a column can say."""
        at += self._column_at
        (calls,) = _COLUMN.unpack_from(self._table, at)
        calls += step
        if 0 <= calls <= _CALLS_MAX:
            _COLUMN.pack_into(self._table, at, calls)

    def _grow(self, slot: int) -> None:
        rows = (slot // _GROWTH_ROWS + 1) * _GROWTH_ROWS
        if os.fstat(self._file).st_size < rows * ROW_BYTES:
            os.ftruncate(self._file, rows * ROW_BYTES)
        rows = os.fstat(self._file).st_size // ROW_BYTES
        outgrown, self._table = self._table, mmap.mmap(self._file, rows * ROW_BYTES)
        outgrown.close()
        self._rows = rows

    def _clear_column(self) -> None:
        """Forgets what this column still counts, left by a worker that was killed."""
        for at in range(self._column_at, self._rows * ROW_BYTES, ROW_BYTES):
            if self._table[at] or self._table[at + 1]:
                _COLUMN.pack_into(self._table, at, 0)

    def _lock(self, at: int) -> bool:
        """A worker that was stopped inside the few instructions of a row must not stop the others: after a
        bounded number of tries the row is used unlocked, which can at worst lose one count."""
        try:
            fcntl.lockf(self._file, _LOCK_NOW, 1, at)
            return True
        except OSError:
            return self._lock_patiently(at)

    def _lock_patiently(self, at: int) -> bool:
        for number in range(RATE_LOCK_TRIES):
            if number < _YIELDS:
                os.sched_yield()
            else:
                time.sleep(_LOCK_NAP_S)
            with contextlib.suppress(OSError):
                fcntl.lockf(self._file, _LOCK_NOW, 1, at)
                return True
        return False

    def _unlock(self, at: int) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, at)


def _sane(full_ns: int, now_ns: int) -> int:
    """When a bucket is full again: not in the past, and not later than a row can say. The clock restarts with
    the machine, so a figure far ahead is from before that."""
    return full_ns if now_ns < full_ns <= now_ns + _AHEAD_NS_MAX else now_ns


def _refusal(who: Principal, running: int, requests_ns: int, tokens_ns: int, full_ns: int) -> Refused:
    """Which limit is reached. The figures are with the call; beyond ``full_ns`` a bucket is overdrawn."""
    if who.concurrency and running >= who.concurrency:
        return Refused("calls", who.concurrency, 1_000_000_000)
    if who.rpm and requests_ns > full_ns:
        return Refused("requests", who.rpm, requests_ns - full_ns)
    return Refused("tokens", who.tpm, tokens_ns - full_ns)
