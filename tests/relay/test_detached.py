"""Without this a call in the background would die with its client, or be answered twice."""

import pytest

from switchgear.relay.detached import Detached
from switchgear.relay.http import ClientGone


class Client:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.gone = self.started = self.is_full = self.finished = False

    def on_disconnect(self, callback) -> None:
        self.callback = callback

    def send_whole(self, status, headers, body) -> None:
        self.started = True
        self.sent.append(body)

    def start_stream(self, status, headers) -> None:
        self.started = True

    def push(self, data) -> bool:
        if self.gone:
            raise ClientGone
        self.sent.append(data)
        return not self.is_full

    async def room(self) -> None:
        if self.gone:
            raise ClientGone

    def finish(self) -> None:
        self.finished = True


def test_the_first_answer_is_the_clients_and_the_result_goes_nowhere() -> None:
    client = Client()
    reply = Detached(client)
    reply.send_whole(200, [], b"queued")
    reply.send_whole(200, [], b"result")
    assert client.sent == [b"queued"]


async def test_a_stream_goes_on_when_its_client_left() -> None:
    client = Client()
    reply = Detached(client)
    reply.start_stream(200, [])
    assert reply.push(b"one")
    client.gone = True
    assert reply.push(b"two")
    await reply.room()
    assert reply.push(b"three")
    assert client.sent == [b"one"]


async def test_a_client_that_takes_nothing_holds_nothing_up() -> None:
    client = Client()
    reply = Detached(client)
    client.is_full = True
    assert not reply.push(b"one")
    assert reply.is_full
    reply.leave()
    assert not reply.is_full
    assert reply.push(b"two")
    await reply.room()
    assert client.sent == [b"one"]


@pytest.mark.parametrize("gone", [True, False])
def test_a_client_that_left_before_the_start_is_not_written_to(gone: bool) -> None:
    client = Client()
    reply = Detached(client)
    if gone:
        reply.leave()
    assert reply.started is gone
    reply.start_stream(200, [])
    assert client.started is not gone
