"""Without this, a silent stream would be cut by networks between, or a stuck client would hold memory for
ever."""

import asyncio

from switchgear.kernel.limits import CLIENT_STALL_TIMEOUT_S, HEARTBEAT_INTERVAL_S
from switchgear.relay.heartbeat import NS, Pulse
from switchgear.relay.http import ClientGone, DisconnectCallback, Headers

COMMENT = b": keep-alive\n\n"


class Reply:
    """Remembers what was pushed; ``is_full`` makes it a client that takes nothing."""

    def __init__(self) -> None:
        self.started = False
        self.is_full = False
        self.gone = False
        self.sent: list[bytes] = []

    def on_disconnect(self, callback: DisconnectCallback) -> None: ...

    def send_whole(self, status: int, headers: Headers, body: bytes) -> None: ...

    def start_stream(self, status: int, headers: Headers) -> None:
        self.started = True

    def push(self, data: bytes) -> bool:
        assert self.started
        if self.gone:
            raise ClientGone
        self.sent.append(data)
        return not self.is_full

    async def room(self) -> None: ...

    def finish(self) -> None: ...


class Clock:
    ns = 10**12

    def now_ns(self) -> int:
        return self.ns

    def pass_s(self, seconds: float) -> int:
        self.ns += int(seconds * NS)
        return self.ns


def pulse_for(reply: Reply, left: list[bool], clock: Clock, heartbeat: bytes = COMMENT) -> Pulse:
    return Pulse(
        reply, lambda: reply.start_stream(200, []), lambda: left.append(True), clock.now_ns, lambda: heartbeat
    )


def test_a_dialect_without_signs_of_life_is_left_in_silence() -> None:
    reply, clock = Reply(), Clock()
    pulse_for(reply, [], clock, b"").look(clock.pass_s(HEARTBEAT_INTERVAL_S))
    assert not reply.started
    assert reply.sent == []


def test_silence_is_filled_with_comments_that_count_as_nothing_delivered() -> None:
    reply, clock = Reply(), Clock()
    pulse = pulse_for(reply, [], clock)
    pulse.look(clock.pass_s(HEARTBEAT_INTERVAL_S - 0.1))
    assert reply.sent == []
    pulse.look(clock.pass_s(0.1))
    pulse.look(clock.pass_s(1))
    assert reply.sent == [COMMENT]
    pulse.push(b"data: x\n\n")
    pulse.look(clock.pass_s(HEARTBEAT_INTERVAL_S - 1))
    assert reply.sent == [COMMENT, b"data: x\n\n"]
    assert pulse.delivered_bytes == 9


def test_a_client_that_takes_nothing_gets_no_comments_and_is_let_go() -> None:
    reply, clock = Reply(), Clock()
    left: list[bool] = []
    pulse = pulse_for(reply, left, clock)
    reply.is_full = True
    pulse.look(clock.pass_s(1))
    pulse.look(clock.pass_s(CLIENT_STALL_TIMEOUT_S - 1))
    assert left == []
    reply.is_full = False
    pulse.push(b"x")
    pulse.look(clock.pass_s(1))
    reply.is_full = True
    pulse.look(clock.pass_s(1))
    pulse.look(clock.pass_s(CLIENT_STALL_TIMEOUT_S))
    assert left == [True]
    assert reply.sent == [b"x"]


def test_a_comment_finds_out_that_the_client_has_left() -> None:
    reply, clock = Reply(), Clock()
    left: list[bool] = []
    reply.gone = True
    pulse = pulse_for(reply, left, clock)
    pulse.look(clock.pass_s(HEARTBEAT_INTERVAL_S))
    assert left == [True]


async def test_a_client_that_is_given_up_holds_nothing_up_and_gets_nothing_more() -> None:
    class Stuck(Reply):
        async def room(self) -> None:
            await asyncio.Event().wait()

    reply, clock = Stuck(), Clock()
    left: list[bool] = []
    pulse = pulse_for(reply, left, clock)
    pulse.push(b"data: x\n\n")
    waiting = asyncio.create_task(pulse.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    pulse.leave()
    await waiting
    assert pulse.push(b"data: y\n\n")
    assert (reply.sent, pulse.delivered_bytes) == ([b"data: x\n\n"], 9)
    reply.is_full = True
    pulse.look(clock.pass_s(CLIENT_STALL_TIMEOUT_S))
    pulse.look(clock.pass_s(CLIENT_STALL_TIMEOUT_S))
    assert left == []
