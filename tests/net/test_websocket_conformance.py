"""Both sides of a WebSocket must pass this, against another's library and against bytes that no library
sends. Without it: messages cut, doubled or mixed up, codes lost, memory taken by a peer that is not read, and
sessions that hang when the other end is gone.
"""

import asyncio
import os
import zlib

import pytest
from tests.sim.websockets import binary, end_of, text, with_library, with_raw
from websockets.exceptions import ConnectionClosed

from switchgear.kernel.limits import (
    WEBSOCKET_BUFFER_BYTES_MAX,
    WEBSOCKET_FRAGMENT_BYTES,
    WEBSOCKET_MESSAGE_BYTES_MAX,
)
from switchgear.net.websocket import WebSocketClosed
from switchgear.relay.room import Holding, Room

TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10


@pytest.fixture(params=["server", "client"])
def side(request: pytest.FixtureRequest) -> str:
    """Which side is ours."""
    name: str = request.param
    return name


@pytest.fixture
def holding() -> Holding:
    return Holding(Room(64 << 20, "messages"), "key")


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return code.to_bytes(2) + reason


# Messages.

CONTENTS = [
    text(""),
    text("hello, wörld ☃"),
    binary(b""),
    binary(bytes(range(256))),
    text("é" * 40_000),
    binary(os.urandom(WEBSOCKET_FRAGMENT_BYTES)),
    binary(os.urandom(WEBSOCKET_FRAGMENT_BYTES + 1)),
    text("x" * 3_000_000),
]


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_messages_arrive_as_they_were_sent(
    side: str, deflate: bool, compression: str | None, holding: Holding
) -> None:
    theirs = {"compression": compression}
    async with with_library(side, theirs, deflate=deflate, allowance=holding) as (ours, other):
        assert bool(other.protocol.extensions) == (deflate and compression is not None)
        for message in CONTENTS:
            sending = asyncio.create_task(ours.send(message))
            got = await other.recv()
            await sending
            assert got == (message.data.decode() if message.is_text else message.data)
            sending = asyncio.create_task(other.send(got))
            assert await ours.receive() == message
            await sending


async def test_fragments_become_one_message(side: str) -> None:
    async with with_raw(side) as (ours, peer):
        snowman = "☃".encode()
        peer.frame(TEXT, b"a" + snowman[:1])
        peer.frame(FIN | PING, b"between")
        peer.frame(CONT, b"")
        peer.frame(CONT, snowman[1:2])
        peer.frame(FIN | CONT, snowman[2:] + b"z")
        peer.frame(FIN | BINARY, b"next")
        assert await ours.receive() == text("a☃z")
        assert await ours.receive() == binary(b"next")
        assert await peer.heard() == (FIN | PONG, b"between")


async def test_bytes_that_come_one_by_one(side: str) -> None:
    async with with_raw(side) as (ours, peer):
        frames: list[bytes] = []
        write, peer.writer.write = peer.writer.write, frames.append  # type: ignore[method-assign]
        peer.frame(FIN | TEXT, b"slow")
        for byte in b"".join(frames):
            write(bytes((byte,)))
            await peer.writer.drain()
            await asyncio.sleep(0)
        assert await ours.receive() == text("slow")


async def test_the_largest_message_takes_its_room_and_gives_it_back(side: str, holding: Holding) -> None:
    async with with_library(side, {}, allowance=holding) as (ours, other):
        largest = bytes(WEBSOCKET_MESSAGE_BYTES_MAX)
        sending = asyncio.create_task(other.send(largest))
        assert (await ours.receive()).data == largest
        assert holding.bytes >= WEBSOCKET_MESSAGE_BYTES_MAX - WEBSOCKET_BUFFER_BYTES_MAX
        await sending
        await other.close()
        await end_of(ours)
        assert holding.bytes == 0


@pytest.mark.parametrize("fragments", [0, 1], ids=["alone", "in fragments"])
async def test_a_larger_message_is_refused_at_its_head(side: str, fragments: int, holding: Holding) -> None:
    async with with_raw(side, allowance=holding) as (ours, peer):
        for _ in range(fragments):
            peer.frame(BINARY, b"!")
        size = WEBSOCKET_MESSAGE_BYTES_MAX + 1 - fragments
        mask = 0x80 if peer.is_masked else 0
        peer.writer.write(bytes((CONT if fragments else BINARY, mask | 127)) + size.to_bytes(8))
        end = await end_of(ours)
        assert (end.code, end.kind) == (1009, "protocol")
        assert holding.bytes == 0
        first, data = await peer.heard()
        assert (first, int.from_bytes(data[:2])) == (FIN | CLOSE, 1009)


async def test_a_large_message_of_ours_goes_in_fragments(side: str) -> None:
    async with with_raw(side) as (ours, peer):
        data = os.urandom(2 * WEBSOCKET_FRAGMENT_BYTES + 5)
        sending = asyncio.create_task(ours.send(binary(data)))
        frames = [await peer.heard() for _ in range(3)]
        await sending
        assert [first for first, _ in frames] == [BINARY, CONT, FIN | CONT]
        assert b"".join(content for _, content in frames) == data


async def test_without_room_for_a_message_it_is_refused(side: str) -> None:
    async with with_library(side, {}, allowance=None) as (ours, other):
        sending = asyncio.create_task(other.send(bytes(2 * WEBSOCKET_BUFFER_BYTES_MAX)))
        end = await end_of(ours)
        assert (end.code, end.kind) == (1013, "protocol")
        await asyncio.wait([sending])
        await other.wait_closed()
        assert other.close_code == 1013
        if sending.exception() is None:
            assert sending.result() is None


async def test_a_bomb_is_no_way_round_the_bound(side: str, holding: Holding) -> None:
    async with with_raw(side, deflate=True, allowance=holding) as (ours, peer):
        packer = zlib.compressobj(9, wbits=-15)
        bomb = packer.compress(bytes(4 * WEBSOCKET_MESSAGE_BYTES_MAX)) + packer.flush(zlib.Z_SYNC_FLUSH)
        peer.frame(FIN | RSV1 | BINARY, bomb[:-4])
        end = await end_of(ours)
        assert end.code == 1009
        assert await peer.heard()


# Closing.

PASSED_CODES = [
    1000,
    1001,
    1002,
    1003,
    1007,
    1008,
    1009,
    1010,
    1011,
    1012,
    1013,
    1014,
    3000,
    3999,
    4000,
    4999,
]


@pytest.mark.parametrize("code", PASSED_CODES)
async def test_codes_go_both_ways(side: str, code: int) -> None:
    async with with_library(side, {}) as (ours, other):
        await other.close(code, "wörds")
        end = await end_of(ours)
        assert (end.code, end.reason, end.kind) == (code, "wörds", None)
        await asyncio.wait_for(ours.wait_closed(), 5)
    async with with_library(side, {}) as (ours, other):
        ours.close(code, "ours")
        await asyncio.wait_for(other.wait_closed(), 5)
        assert (other.close_code, other.close_reason) == (code, "ours")
        assert (await end_of(ours)).code == code
        await asyncio.wait_for(ours.wait_closed(), 5)


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 65535])
async def test_codes_that_must_not_be_sent(side: str, code: int) -> None:
    async with with_raw(side) as (ours, peer):
        with pytest.raises(ValueError, match="no close code"):
            ours.close(code)
        peer.frame(FIN | CLOSE, close_frame(code))
        end = await end_of(ours)
        assert (end.code, end.kind) == (1002, "protocol")


async def test_a_close_frame_without_a_code(side: str) -> None:
    async with with_raw(side) as (ours, peer):
        peer.frame(FIN | CLOSE)
        end = await end_of(ours)
        assert (end.code, end.reason, end.kind) == (1005, "", None)
        assert await peer.heard() == (FIN | CLOSE, b"")
    async with with_raw(side) as (ours, peer):
        ours.close(1005)
        assert await peer.heard() == (FIN | CLOSE, b"")


async def test_a_long_reason_is_cut_between_characters(side: str) -> None:
    async with with_raw(side) as (ours, peer):
        ours.close(4000, "é" * 100)
        assert await peer.heard() == (FIN | CLOSE, close_frame(4000, ("é" * 61).encode()))


async def test_what_came_before_the_close_is_still_read(side: str) -> None:
    async with with_library(side, {}) as (ours, other):
        for number in range(10):
            await other.send(str(number))
        await other.close(4123)
        assert [await ours.receive() for _ in range(10)] == [text(str(number)) for number in range(10)]
        for _ in range(2):
            with pytest.raises(WebSocketClosed) as raised:
                await ours.receive()
            assert raised.value.code == 4123
        with pytest.raises(WebSocketClosed):
            await ours.send(text("too late"))


async def test_a_peer_that_does_not_close_in_return_is_cut(
    side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("switchgear.net.websocket_session.WEBSOCKET_CLOSE_S", 0.1)
    async with with_raw(side) as (ours, _):
        ours.close(4000)
        assert (await end_of(ours)).code == 4000
        await asyncio.wait_for(ours.wait_closed(), 2)


# Ends without a close frame.


async def test_a_reset_is_noticed(side: str) -> None:
    async with with_raw(side) as (ours, peer):
        peer.frame(FIN | TEXT, b"last")
        assert await ours.receive() == text("last")
        peer.reset()
        end = await end_of(ours)
        assert (end.code, end.kind) == (1006, "reset")
        await asyncio.wait_for(ours.wait_closed(), 2)


@pytest.mark.parametrize("sent", [b"", b"\x81", b"\x01\x00"], ids=["between", "in a head", "in a message"])
async def test_a_half_closed_connection_has_ended(side: str, sent: bytes) -> None:
    async with with_raw(side) as (ours, peer):
        peer.writer.write(sent)
        peer.writer.write_eof()
        end = await end_of(ours)
        assert end.code in (1002, 1006)
        await asyncio.wait_for(ours.wait_closed(), 2)


async def test_a_peer_that_answers_no_ping_is_cut(side: str) -> None:
    async with with_raw(side, ping_s=0.05) as (ours, peer):
        end = await end_of(ours)
        assert (end.code, end.kind) == (1006, "idle_timeout")
        assert await peer.heard() == (FIN | PING, b"")


async def test_answers_to_pings_keep_a_quiet_session(side: str) -> None:
    async with with_library(side, {}, ping_s=0.05) as (ours, other):
        reading = asyncio.create_task(ours.receive())
        reply = asyncio.create_task(other.recv())
        await asyncio.wait([reading], timeout=0.3)
        assert not reading.done()
        await other.send("still here")
        assert await reading == text("still here")
        reply.cancel()


async def test_pings_are_no_way_round_the_idle_bound(side: str) -> None:
    async with with_library(side, {"ping_interval": 0.02}, idle_s=0.15) as (ours, other):
        end = await end_of(ours)
        assert (end.code, end.kind) == (1008, "idle_timeout")
        await asyncio.wait_for(other.wait_closed(), 5)
        assert other.close_code == 1008


async def test_the_total_bound_ends_a_busy_session(side: str) -> None:
    async with with_library(side, {}, total_s=0.2) as (ours, other):

        async def talk() -> None:
            while True:
                await other.send("on and on")
                await asyncio.sleep(0)

        talking = asyncio.create_task(talk())
        end = await end_of(ours)
        assert (end.code, end.kind) == (1008, "total_timeout")
        with pytest.raises(ConnectionClosed):
            await talking


# Back-pressure.


async def test_a_peer_is_held_back_while_nobody_reads(side: str, holding: Holding) -> None:
    async with with_library(side, {}, allowance=holding) as (ours, other):
        piece, sent = bytes(64 << 10), 0

        async def push() -> None:
            nonlocal sent
            for _ in range(512):
                await other.send(piece)
                sent += 1

        pushing = asyncio.create_task(push())
        await asyncio.wait([pushing], timeout=0.3)
        assert not pushing.done()
        assert sent * len(piece) < 16 << 20  # what two kernels hold, and ours
        assert holding.bytes == 0
        for _ in range(512):
            assert (await ours.receive()).data == piece
        await pushing


async def test_many_small_messages_are_counted_with_what_they_cost(side: str) -> None:
    async with with_raw(side) as (ours, peer):
        for _ in range(50_000):
            peer.frame(FIN | BINARY)
        for _ in range(50_000):
            assert await ours.receive() == binary(b"")


async def test_a_peer_that_takes_nothing_is_cut(side: str) -> None:
    async with with_raw(side, send_s=0.1) as (ours, _):
        with pytest.raises(WebSocketClosed) as raised:
            await ours.send(binary(bytes(16 << 20)))
        assert (raised.value.code, raised.value.kind) == (1006, "idle_timeout")


async def test_pings_of_a_peer_that_takes_nothing_take_no_memory(side: str) -> None:
    async with with_raw(side) as (ours, peer):

        async def flood() -> None:
            while True:
                peer.frame(FIN | PING, bytes(125))
                await peer.writer.drain()

        flooding = asyncio.create_task(flood())
        await asyncio.wait([flooding], timeout=0.5)
        assert ours._transport.get_write_buffer_size() < WEBSOCKET_BUFFER_BYTES_MAX  # type: ignore[attr-defined]
        flooding.cancel()


async def test_a_message_given_up_in_the_middle_cuts_the_connection(side: str) -> None:
    async with with_raw(side) as (ours, _):
        sending = asyncio.create_task(ours.send(binary(bytes(15 << 20))))
        await asyncio.wait([sending], timeout=0.1)
        assert not sending.done()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert (await end_of(ours)).code == 1006


# Violations.

Frames = list[tuple[int, bytes]]
VIOLATIONS: dict[str, tuple[Frames, int]] = {
    "first reserved bit": ([(FIN | RSV1 | TEXT, b"x")], 1002),
    "second reserved bit": ([(FIN | RSV2 | TEXT, b"x")], 1002),
    "third reserved bit": ([(FIN | RSV3 | TEXT, b"x")], 1002),
    "unknown kind of data": ([(FIN | 3, b"x")], 1002),
    "unknown kind of control": ([(FIN | 11, b"x")], 1002),
    "continuation of nothing": ([(FIN | CONT, b"x")], 1002),
    "message in a message": ([(TEXT, b"x"), (FIN | TEXT, b"y")], 1002),
    "ping in pieces": ([(PING, b"x")], 1002),
    "long ping": ([(FIN | PING, bytes(126))], 1002),
    "close of one byte": ([(FIN | CLOSE, b"\x03")], 1002),
    "reason that is not UTF-8": ([(FIN | CLOSE, b"\x03\xe8\xff")], 1007),
    "text that is not UTF-8": ([(FIN | TEXT, b"\xc3\x28")], 1007),
    "surrogate": ([(FIN | TEXT, b"\xed\xa0\x80")], 1007),
    "text cut in a character": ([(TEXT, b"\xe2"), (FIN | CONT, b"\x98")], 1007),
}


@pytest.mark.parametrize(("frames", "code"), VIOLATIONS.values(), ids=VIOLATIONS.keys())
async def test_violations_end_the_session(side: str, frames: Frames, code: int) -> None:
    async with with_raw(side) as (ours, peer):
        peer.frame(FIN | TEXT, b"before")
        for first, data in frames:
            peer.frame(first, data)
        assert await ours.receive() == text("before")
        end = await end_of(ours)
        assert (end.code, end.kind) == (code, "protocol")
        first, data = await peer.heard()
        assert (first, int.from_bytes(data[:2])) == (FIN | CLOSE, code)


async def test_masks_must_be_as_the_side_has_it(side: str) -> None:
    async with with_raw(side) as (ours, peer):
        peer.frame(FIN | TEXT, b"x", masked=not peer.is_masked)
        assert (await end_of(ours)).code == 1002


async def test_compressed_rubbish(side: str) -> None:
    async with with_raw(side, deflate=True) as (ours, peer):
        peer.frame(FIN | RSV1 | TEXT, b"\xff\xff\xff\xff")
        assert (await end_of(ours)).code == 1002
