"""Without this, a silent stream would be cut by networks between, or a stuck client would hold memory for
ever."""

import asyncio

import pytest

from switchgear.relay import heartbeat
from switchgear.relay.heartbeat import COMMENT, Pulse
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
        self.something = asyncio.Event()

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
        self.something.set()


def pulse_for(reply: Reply, left: asyncio.Event) -> Pulse:
    return Pulse(reply, lambda: reply.start_stream(200, []), left.set)


async def test_silence_is_filled_with_comments_that_count_as_nothing_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_INTERVAL_S", 0.01)
    reply = Reply()
    pulse = pulse_for(reply, asyncio.Event())
    await asyncio.wait_for(reply.something.wait(), 5)
    assert reply.sent[0] == COMMENT
    assert pulse.delivered_bytes == 0
    await pulse.send(b"data: x\n\n")
    assert pulse.delivered_bytes == 9
    pulse.stop()


async def test_content_waits_for_a_comment_that_is_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_INTERVAL_S", 0.01)
    reply = Reply()
    reply.room.clear()
    pulse = pulse_for(reply, asyncio.Event())
    while not reply.writers:  # noqa: ASYNC110 - the comment's own task is what is waited for
        await asyncio.sleep(0)
    content = asyncio.create_task(pulse.send(b"content"))
    await asyncio.sleep(0)
    reply.room.set()
    await content
    assert reply.sent == [COMMENT, b"content"]
    pulse.stop()


async def test_a_client_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_INTERVAL_S", 0.01)
    monkeypatch.setattr(heartbeat, "CLIENT_STALL_TIMEOUT_S", 0.02)
    reply, left = Reply(), asyncio.Event()
    reply.room.clear()
    pulse = pulse_for(reply, left)
    stuck = asyncio.create_task(pulse.send(b"content"))
    await asyncio.wait_for(left.wait(), 5)
    stuck.cancel()
    pulse.stop()


async def test_a_comment_finds_out_that_the_client_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_INTERVAL_S", 0.01)
    reply, left = Reply(), asyncio.Event()
    reply.gone = True
    pulse = pulse_for(reply, left)
    await asyncio.wait_for(left.wait(), 5)
    pulse.stop()
