"""The lean connection without a socket, on a clock of its own: what can't be forced through a kernel.

Without it: a deadline that rings while a slow client is served, more bytes held for a stream than is stated,
or a body that depends on where its reads were split.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sim.calls import CHUNKED, OK

from switchgear.kernel.limits import STREAM_BUFFER_BYTES_MAX, UPSTREAM_HEADER_BYTES_MAX, UPSTREAM_READ_BYTES
from switchgear.net.lean_chunk import ReadBuffer
from switchgear.net.lean_connection import Connection
from switchgear.net.lean_response import LeanResponse
from switchgear.net.transport import Timeouts, TransportFault

TIMEOUTS = Timeouts(connect_s=1, first_byte_s=10, idle_chunk_s=5, total_s=60)
SAMPLE = b"HTTP/1.1 103 Hi\r\nlink: <a>\r\n\r\n" + CHUNKED[:-2] + b"x-sum: 1\r\n\r\n"


class FakeTransport:
    def __init__(self) -> None:
        self.written = b""
        self.aborted = self.reading_paused = False

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def pause_reading(self) -> None:
        self.reading_paused = True

    def resume_reading(self) -> None:
        self.reading_paused = False

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        assert high > low


class Timer:
    def __init__(self, at: float, ring: Callable[[], None]) -> None:
        self.at, self.ring, self.cancelled = at, ring, False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """A clock that a test turns, and futures that nobody awaits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, ring: Callable[[], None]) -> Timer:
        self.timers.append(Timer(when, ring))
        return self.timers[-1]

    def create_future(self) -> "FakeFuture":
        return FakeFuture()

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [timer for timer in self.timers if not timer.cancelled and timer.at <= until]:
            timer = min(due, key=lambda it: it.at)
            self.timers.remove(timer)
            self.now = timer.at
            timer.ring()
        self.now = until


class FakeFuture:
    def __init__(self) -> None:
        self.finished = False

    def done(self) -> bool:
        return self.finished

    def set_result(self, result: None) -> None:
        self.finished = True

    def __await__(self) -> Iterator[None]:
        yield


class Rig:
    """A connection with one exchange on it."""

    def __init__(self, timeouts: Timeouts = TIMEOUTS, head_only: bool = False) -> None:
        self.loop = FakeLoop()
        self.released: list[Connection] = []
        self.forgotten: list[Connection] = []
        self.connection = Connection(
            cast("asyncio.AbstractEventLoop", self.loop),
            ReadBuffer(),
            self.released.append,
            self.forgotten.append,
        )
        self.transport = FakeTransport()
        self.connection.connection_made(cast("asyncio.Transport", self.transport))
        self.start(timeouts, head_only)

    def start(self, timeouts: Timeouts = TIMEOUTS, head_only: bool = False) -> LeanResponse:
        total_at = self.loop.now + timeouts.total_s
        self.exchange = self.connection.start(b"request", timeouts, total_at, head_only)
        self.exchange.wait(timeouts.first_byte_s)
        return self.exchange

    def receive(self, data: bytes) -> None:
        for at in range(0, len(data), UPSTREAM_READ_BYTES):
            piece = data[at : at + UPSTREAM_READ_BYTES]
            self.connection.get_buffer(-1)[: len(piece)] = piece
            self.connection.buffer_updated(len(piece))

    def body(self) -> bytes:
        """What is there of the body now."""
        return b"".join(self.exchange.pieces)

    @property
    def fault(self) -> tuple[str, str] | None:
        fault = self.exchange.fault
        return None if fault is None else (fault.kind, fault.stage)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(min_value=1, max_value=len(SAMPLE) - 1), max_size=12))
def test_the_body_does_not_depend_on_the_splits(cuts: list[int]) -> None:
    rig = Rig()
    edges = [0, *sorted(set(cuts)), len(SAMPLE)]
    for start, end in pairwise(edges):
        assert not rig.exchange.ended
        rig.receive(SAMPLE[start:end])
    assert rig.body() == b"hello world"
    assert rig.exchange.ended
    assert rig.fault is None
    assert rig.released == [rig.connection]


def test_every_cut_is_a_fault_of_the_right_stage() -> None:
    head = SAMPLE.index(b"chunked\r\n\r\n") + 11
    for size in range(len(SAMPLE)):
        rig = Rig()
        rig.receive(SAMPLE[:size])
        rig.connection.connection_lost(None)
        kind = "reset" if size == 0 else "truncated"
        assert rig.fault == (kind, "maybe_served" if size < head else "answered"), size
        assert rig.released == []
        assert rig.forgotten == [rig.connection]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.integers(min_value=0, max_value=len(SAMPLE)))
def test_any_bytes_end_in_a_named_state(noise: bytes, after: int) -> None:
    rig = Rig()
    rig.receive(SAMPLE[:after])
    if not rig.transport.aborted:
        rig.receive(noise)
    if not rig.transport.aborted:
        rig.connection.connection_lost(None)
    assert rig.exchange.ended
    assert len(rig.released) <= 1


def test_a_stream_holds_no_more_than_its_bound() -> None:
    rig = Rig()
    rig.receive(CHUNKED[: CHUNKED.index(b"\r\n\r\n") + 4] + b"fffffff\r\n")
    received = 0
    while not rig.transport.reading_paused:
        rig.receive(b"x" * UPSTREAM_READ_BYTES)
        received += UPSTREAM_READ_BYTES
    assert received == rig.exchange.buffered <= STREAM_BUFFER_BYTES_MAX
    rig.exchange._take()
    assert not rig.transport.reading_paused


def test_an_open_stream_is_small() -> None:
    rig = Rig()
    rig.receive(CHUNKED[:-5])
    rig.exchange._take()
    held = sys.getsizeof(rig.exchange) + sys.getsizeof(rig.connection) + sys.getsizeof(rig.exchange.headers)
    held += sys.getsizeof(rig.connection.__dict__) + sys.getsizeof(rig.connection._parser)
    assert held < 8192


def test_idle_time_counts_only_while_the_reader_waits() -> None:
    rig = Rig()
    rig.receive(CHUNKED[:-20])
    rig.loop.advance(30)  # the client is slow, nobody waits
    assert rig.fault is None
    rig.exchange._wait_for_piece()
    rig.loop.advance(4.9)
    assert rig.fault is None
    rig.loop.advance(0.2)
    assert rig.fault == ("idle_timeout", "answered")
    assert rig.transport.aborted


def test_waiting_in_turns_does_not_move_the_idle_deadline() -> None:
    rig = Rig()
    rig.receive(CHUNKED[:-20])
    rig.exchange._take()
    for _ in range(3):
        rig.exchange._wait_for_piece()
        rig.loop.advance(2)
    assert rig.fault == ("idle_timeout", "answered")


def test_a_kept_connection_that_the_peer_closed_is_dead_at_once() -> None:
    rig = Rig()
    rig.receive(OK)
    rig.connection.eof_received()
    assert rig.connection.dead


def test_the_total_deadline_holds_while_nobody_waits() -> None:
    rig = Rig()
    rig.receive(CHUNKED[:-20])
    rig.loop.advance(61)
    assert rig.fault == ("total_timeout", "answered")


def test_the_first_byte_clock_starts_when_the_request_is_out() -> None:
    rig = Rig()
    rig.connection.pause_writing()
    rig.loop.advance(8)
    rig.connection.resume_writing()
    rig.loop.advance(8)
    assert rig.fault is None
    rig.loop.advance(3)
    assert rig.fault == ("first_byte_timeout", "maybe_served")


def test_a_timer_of_an_earlier_exchange_does_no_harm() -> None:
    rig = Rig()
    rig.receive(OK)
    rig.loop.advance(9)
    rig.start()
    rig.loop.advance(9)  # the first exchange's deadline passes
    assert rig.fault is None
    assert len([timer for timer in rig.loop.timers if not timer.cancelled]) == 1
    rig.loop.advance(2)
    assert rig.fault == ("first_byte_timeout", "maybe_served")


def test_a_sooner_deadline_rings_sooner() -> None:
    rig = Rig()
    rig.receive(OK)
    rig.start(Timeouts(1, 2, 2, 60))
    rig.loop.advance(2.1)
    assert rig.fault == ("first_byte_timeout", "maybe_served")


def test_bytes_on_an_idle_connection_end_it() -> None:
    rig = Rig()
    rig.receive(OK)
    rig.receive(b"HTTP/1.1 200 OK\r\n")
    assert rig.transport.aborted
    assert rig.connection.dead


def test_an_answer_before_the_request_is_out_ends_the_connection() -> None:
    rig = Rig()
    rig.connection.pause_writing()
    rig.receive(OK)
    assert rig.body() == b"hi"
    assert rig.fault is None
    assert rig.transport.aborted
    assert rig.released == []


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 200 OK\r\nx-a: " + b"x" * 9000,
        b"HTTP/1.1 200 OK\r\n" + b"x-a: b\r\n" * 1000,
        b"HTTP/1.1 100 Continue\r\nx-a: bbbbbbbb\r\n\r\n" * 300,
    ],
)
def test_heads_without_end_are_refused(endless: bytes) -> None:
    rig = Rig()
    rig.receive(endless)
    for _ in range(20):
        if not rig.transport.aborted:
            rig.receive(endless if endless.endswith(b"\n\r\n") else endless[16:])
    assert rig.fault is not None
    assert rig.fault[0] in ("header_too_large", "protocol")


def test_trailers_without_end_are_refused() -> None:
    rig = Rig()
    rig.receive(CHUNKED[:-2])
    sent = 0
    while not rig.transport.aborted:
        rig.receive(b"x-a: b\r\n" * 512)
        sent += 4096
        assert sent < 4 * UPSTREAM_HEADER_BYTES_MAX
    assert rig.fault == ("header_too_large", "answered")


def test_chunk_extensions_without_end_are_refused() -> None:
    rig = Rig()
    rig.receive(CHUNKED[:-20] + b"1")
    sent = 0
    while not rig.transport.aborted:
        rig.receive(b";a=bbbbbbbb" * 512)
        sent += 5632
        assert sent < 4 * UPSTREAM_HEADER_BYTES_MAX
    assert rig.fault is not None
    assert rig.fault[1] == "answered"


def test_a_head_reply_has_no_body_and_its_connection_is_not_kept() -> None:
    rig = Rig(head_only=True)
    rig.receive(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n")
    assert rig.exchange.ended
    assert rig.fault is None
    assert rig.released == []


async def test_buffered_pieces_come_before_the_fault() -> None:
    rig = Rig()
    rig.receive(CHUNKED[:-5])
    rig.connection.connection_lost(ConnectionResetError())
    assert await rig.exchange.next_chunk() == b"hello world"
    with pytest.raises(TransportFault) as raised:
        await rig.exchange.next_chunk()
    assert (raised.value.kind, raised.value.stage) == ("reset", "answered")
