"""Chunks that pass the parser by. Without it: a body that another parser would read in another way, bytes of
an earlier read in a later one, a stream that loses its place between chunks, or a silence without an end.
"""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.net.test_lean_connection import Rig
from tests.sim.calls import CHUNKED

from switchgear.net.lean_chunk import ReadBuffer

HEAD = CHUNKED[: CHUNKED.index(b"\r\n\r\n") + 4]
EVENT = b"data: x\n\n"
SMALL = st.sampled_from(
    [b"\n", b"\n\n", b"\r\n", b"\r", b"a", b"5", b"\n\n\r\n", EVENT, b"2\r\n", b"0\r\n\r\n"]
)
DATA = st.lists(SMALL, min_size=1, max_size=4).map(b"".join)
LINES = st.sampled_from(["{:x}", "{:X}", "0{:x}", "{:x};a=b", "{:x} ", "+{:x}", "0x{:x}", "{:x}_", "{:x}\n"])


def chunk(data: bytes, line: str = "{:x}") -> bytes:
    return line.format(len(data)).encode() + b"\r\n" + data + b"\r\n"


class Parser:
    """The connection's parser, with a count of what it was fed."""

    def __init__(self, rig: Rig) -> None:
        self.parser = rig.connection._parser
        self.fed: list[bytes] = []
        rig.connection._parser = self

    def feed_data(self, data: memoryview) -> None:
        self.fed.append(bytes(data))
        self.parser.feed_data(data)

    def should_keep_alive(self) -> bool:
        return bool(self.parser.should_keep_alive())

    def get_status_code(self) -> int:
        return int(self.parser.get_status_code())


class Pump:
    """Somebody who waits in ``pump``, on a rig that has its head."""

    def __init__(self, straight: bool = True) -> None:
        self.rig = Rig()
        self.parser = Parser(self.rig)
        self.rig.receive(HEAD)
        self.straight = straight
        self.got: list[bytes] = []
        self.wait()

    def wait(self) -> None:
        self.rig.exchange._wait_for_piece()
        self.rig.exchange.sink = self.take

    def take(self, data: bytes) -> bool:
        self.got.append(data)
        return True

    def receive(self, read: bytes) -> None:
        if not self.straight:
            self.rig.connection._between_chunks = False
        if not self.rig.transport.aborted:
            self.rig.receive(read)

    def seen(self) -> tuple[bytes, object, bool, int]:
        exchange = self.rig.exchange
        return b"".join(self.got), self.rig.fault, exchange.ended, len(self.rig.released)


def test_lone_chunks_pass_the_parser_by_once_it_stands_between_two() -> None:
    pump = Pump()
    fed = len(pump.parser.fed)
    for number in range(20):
        pump.receive(chunk(b"data: %d\n\n" % number, "{:X}" if number % 2 else "{:x}"))
    assert pump.got == [b"data: %d\n\n" % number for number in range(20)]
    assert len(pump.parser.fed) == fed + 1
    pump.receive(chunk(EVENT)[:7])
    pump.receive(chunk(EVENT)[7:])
    pump.receive(chunk(EVENT))
    assert len(pump.parser.fed) == fed + 3, "back on the short way after a chunk that came in two reads"
    pump.receive(b"0\r\n\r\n")
    assert pump.rig.exchange.ended
    assert pump.rig.released == [pump.rig.connection]


def test_two_chunks_in_one_read_go_through_the_parser() -> None:
    pump = Pump()
    pump.receive(chunk(EVENT))
    pump.receive(chunk(EVENT) * 2)
    pump.receive(chunk(EVENT))
    assert b"".join(pump.got) == EVENT * 4
    assert len(pump.parser.fed) == 3


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_the_short_way_reads_what_the_parser_reads(data: st.DataObject) -> None:
    short, long = Pump(), Pump(straight=False)
    for pump in (short, long):
        pump.receive(chunk(EVENT))
    for _ in range(data.draw(st.integers(1, 5))):
        read = b"".join(
            chunk(data.draw(DATA), data.draw(LINES) if data.draw(st.integers(0, 4)) == 0 else "{:x}")
            for _ in range(data.draw(st.integers(1, 2)))
        )
        read += data.draw(st.sampled_from([b"", b"", b"0\r\n\r\n", b"0\r\nx: y\r\n\r\n"]))
        cut = data.draw(st.one_of(st.just(0), st.integers(0, len(read))))
        for part in (read[:cut], read[cut:]):
            for pump in (short, long) if part else ():
                pump.receive(part)
        assert short.seen() == long.seen()


LOOKS_LIKE_ONE = b"5\r\nhello\r\n"
WITHIN = {
    "data that has an empty line and a CRLF": (b"15\r\n" + EVENT + b"\r\n", LOOKS_LIKE_ONE + b"\r\n"),
    "data that ends at a CRLF": (b"10\r\ndata\r\n", LOOKS_LIKE_ONE + b"\r\n"),
    "behind a size line": (chunk(EVENT) + b"a\r\n", LOOKS_LIKE_ONE + b"\r\n"),
    "behind an extension": (chunk(EVENT) + b"a;b=c\r\n", LOOKS_LIKE_ONE + b"\r\n"),
    "in trailers": (chunk(EVENT) + b"0\r\nx: y\r\n", LOOKS_LIKE_ONE + b"\r\n"),
}


@pytest.mark.parametrize("reads", WITHIN.values(), ids=WITHIN.keys())
def test_what_looks_like_a_chunk_elsewhere_is_none(reads: tuple[bytes, bytes]) -> None:
    short, long = Pump(), Pump(straight=False)
    for pump in (short, long):
        pump.receive(reads[0])
        pump.receive(reads[1][: len(LOOKS_LIKE_ONE)])
        pump.receive(reads[1][len(LOOKS_LIKE_ONE) :])
        pump.receive(chunk(b"end"))
    assert short.seen() == long.seen()
    assert LOOKS_LIKE_ONE in short.seen()[0] or short.rig.fault is not None


@pytest.mark.parametrize(
    "read",
    [
        b"5\r\nhello",
        b"5\r\nhello\r",
        b"5\r\nhelloab",
        b"5\nhello\r\n",
        b"4\r\nhello\r\n",
        b"6\r\nhello\r\n",
        b"0\r\n\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5;a\r\nhello\r\n",
        b"5\r\nhello\r\n5\r\nhello\r\n",
        b"zz\r\nX",
        b"\n",
        b"5",
    ],
)
def test_what_is_not_just_one_chunk(read: bytes) -> None:
    buffer = ReadBuffer()
    buffer.view[:40] = b"5\r\nhello\r\n" * 4  # of an earlier read
    buffer.view[: len(read)] = read
    assert buffer.only_chunk(len(read)) == b""
    buffer.view[:10] = b"5\r\nhello\r\n"
    assert buffer.only_chunk(10) == b"hello"
    assert buffer.lend(-1) is buffer.lend(65536) is buffer.view


@pytest.mark.parametrize("straight", [True, False])
def test_each_chunk_moves_the_idle_deadline_without_a_timer_of_its_own(straight: bool) -> None:
    pump = Pump(straight)
    loop = pump.rig.loop
    for _ in range(10):
        pump.receive(chunk(EVENT))
        loop.advance(4)
    assert pump.rig.fault is None
    assert len([timer for timer in loop.timers if not timer.cancelled]) == 1
    loop.advance(1.1)
    assert pump.rig.fault == ("idle_timeout", "answered")


def test_the_idle_deadline_goes_on_when_the_pump_is_given_up() -> None:
    rig = Rig()
    rig.receive(HEAD)
    pumping = rig.exchange.pump(lambda data: True)
    pumping.send(None)
    for _ in range(3):
        rig.loop.advance(4)
        rig.receive(chunk(EVENT))
    with pytest.raises(asyncio.CancelledError):
        pumping.throw(asyncio.CancelledError())
    rig.exchange._wait_for_piece()
    rig.loop.advance(4.9)
    assert rig.fault is None
    rig.loop.advance(0.2)
    assert rig.fault == ("idle_timeout", "answered")


def test_idle_time_counts_anew_after_a_slow_client() -> None:
    rig = Rig()
    rig.receive(HEAD)
    pumping = rig.exchange.pump(lambda data: False)
    pumping.send(None)
    rig.receive(chunk(EVENT))
    with pytest.raises(StopIteration):
        pumping.send(None)
    rig.loop.advance(30)
    rig.exchange.pump(lambda data: True).send(None)
    rig.loop.advance(4.9)
    assert rig.fault is None
    rig.loop.advance(0.2)
    assert rig.fault == ("idle_timeout", "answered")
