"""Without this, a silent stream would be cut by networks between, or a stuck client would hold memory for
ever."""

import asyncio

from switchgear.kernel.limits import CLIENT_STALL_TIMEOUT_S, HEARTBEAT_INTERVAL_S
from switchgear.relay.heartbeat import COMMENT, NS, Pulse
from switchgear.relay.http import ClientGone, DisconnectCallback, Headers


class Reply:
    """Remembers what was sent; ``room`` unset makes it a client that takes nothing."""

    def __init__(self) -> None:
        self.started = False
        self.sent: list[bytes] = []
        self.room = asyncio.Event()
        self.room.set()
        self.writers = 0
        self.gone = False

    def on_disconnect(self, callback: DisconnectCallback) -> None: ...

    def send_whole(self, status: int, headers: Headers, body: bytes) -> None: ...

    def start_stream(self, status: int, headers: Headers) -> None:
        self.started = True

    def finish(self) -> None: ...

    async def send(self, data: bytes) -> None:
        assert self.started
        assert not self.writers, "one writer at a time"
        self.writers += 1
        await self.room.wait()
        self.writers -= 1
        if self.gone:
            raise ClientGone
        self.sent.append(data)


class Clock:
    ns = 10**12

    def now_ns(self) -> int:
        return self.ns

    def pass_s(self, seconds: float) -> int:
        self.ns += int(seconds * NS)
        return self.ns


def pulse_for(reply: Reply, left: list[bool], clock: Clock) -> Pulse:
    return Pulse(reply, lambda: reply.start_stream(200, []), lambda: left.append(True), clock.now_ns)


async def test_silence_is_filled_with_comments_that_count_as_nothing_delivered() -> None:
    reply, clock = Reply(), Clock()
    pulse = pulse_for(reply, [], clock)
    pulse.look(clock.pass_s(HEARTBEAT_INTERVAL_S - 0.1))
    await asyncio.sleep(0)
    assert reply.sent == []
    pulse.look(clock.pass_s(0.1))
    await asyncio.sleep(0)
    assert reply.sent == [COMMENT]
    pulse.look(clock.pass_s(1))
    await pulse.send(b"data: x\n\n")
    assert reply.sent == [COMMENT, b"data: x\n\n"]
    assert pulse.delivered_bytes == 9


async def test_content_waits_for_a_comment_that_is_being_written() -> None:
    reply, clock = Reply(), Clock()
    reply.room.clear()
    pulse = pulse_for(reply, [], clock)
    pulse.look(clock.pass_s(HEARTBEAT_INTERVAL_S))
    await asyncio.sleep(0)
    assert reply.writers == 1
    content = asyncio.create_task(pulse.send(b"content"))
    await asyncio.sleep(0)
    reply.room.set()
    await content
    assert reply.sent == [COMMENT, b"content"]


async def test_a_client_that_takes_nothing_is_let_go() -> None:
    reply, clock = Reply(), Clock()
    left: list[bool] = []
    reply.room.clear()
    pulse = pulse_for(reply, left, clock)
    stuck = asyncio.create_task(pulse.send(b"content"))
    await asyncio.sleep(0)
    pulse.look(clock.pass_s(CLIENT_STALL_TIMEOUT_S - 1))
    assert left == []
    pulse.look(clock.pass_s(1))
    assert left == [True]
    stuck.cancel()


async def test_a_comment_finds_out_that_the_client_has_left() -> None:
    reply, clock = Reply(), Clock()
    left: list[bool] = []
    reply.gone = True
    pulse = pulse_for(reply, left, clock)
    pulse.look(clock.pass_s(HEARTBEAT_INTERVAL_S))
    await asyncio.sleep(0)
    assert left == [True]
