"""The link between workers and the controller over a real unix socket.

Without these a worker could stay away after a controller restart, wait for ever for an answer, be fed by
another user's process, or grow without bound when the other end stops reading.
"""

import asyncio
import os
import socket
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.kernel.home import Home
from switchgear.link import peer as peer_module
from switchgear.link import unix
from switchgear.link.local import attach
from switchgear.link.protocol import (
    Answer,
    Call,
    CountTokens,
    Failed,
    Hello,
    JournalGrew,
    LookupKey,
    NewSnapshot,
    Notice,
    Ok,
    Refresh,
    Refreshed,
    TokenCount,
    Welcome,
    encode_frame,
)
from switchgear.link.snapshot import Snapshot
from switchgear.link.unix import LinkAway, LinkClient, LinkServer, Peer, call_once, refresh

EMPTY = Snapshot(version=7, groups={}, channels=(), models={}, prices={})


class Controller:
    """Answers Hello with a welcome and CountTokens with the length of its text; keeps what it saw."""

    def __init__(self) -> None:
        self.server = LinkServer(self.hello, self.call, self.notice, self.lost)
        self.hellos: asyncio.Queue[tuple[Peer, Hello]] = asyncio.Queue()
        self.notices: asyncio.Queue[object] = asyncio.Queue()
        self.closes: asyncio.Queue[str] = asyncio.Queue()
        self.refusal = ""

    def hello(self, peer: Peer, hello: Hello) -> None:
        if self.refusal:
            peer.answer(0, Failed(self.refusal))
            peer.close()
            return
        peer.send(Welcome(b"pepper", EMPTY, ()))
        self.hellos.put_nowait((peer, hello))

    def call(self, peer: Peer, seq: int, body: object) -> None:
        if isinstance(body, CountTokens):
            peer.answer(seq, TokenCount(len(body.text)))
        elif isinstance(body, Refresh):
            peer.answer(seq, Failed("no") if self.refusal else Refreshed(3, 2))

    def notice(self, peer: Peer, body: object) -> None:
        self.notices.put_nowait(body)

    def lost(self, peer: Peer, reason: str) -> None:
        self.closes.put_nowait(reason)


class Worker:
    """A link client that keeps what it was told."""

    def __init__(self) -> None:
        self.client = LinkClient()
        self.welcomes: asyncio.Queue[Welcome] = asyncio.Queue()
        self.lost: asyncio.Queue[str] = asyncio.Queue()
        self.refused: asyncio.Queue[str] = asyncio.Queue()
        self.snapshots: list[int] = []

    def callbacks(self):
        def on_call(body):
            self.snapshots.append(body.snapshot.version)
            return Ok()

        return (
            lambda: Hello(epoch="e1", worker_index=0, pid=1, snapshot_version=0),
            self.welcomes.put_nowait,
            on_call,
            self.lost.put_nowait,
            self.refused.put_nowait,
        )

    def connect(self, address: str) -> None:
        self.client.connect(address, *self.callbacks())


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, 5)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.create()
    return home


async def test_a_call_a_notice_and_a_push_reach_the_other_end(home):
    controller, worker = Controller(), Worker()
    await controller.server.start(home.link_address())
    worker.connect(home.link_address())
    welcome = await soon(worker.welcomes.get())
    assert (welcome.pepper, welcome.snapshot.version) == (b"pepper", 7)
    answers = await asyncio.gather(*(worker.client.call(CountTokens("x" * n, "m")) for n in range(50)))
    assert [a.tokens for a in answers] == list(range(50))
    worker.client.notify(JournalGrew(5))
    assert await soon(controller.notices.get()) == JournalGrew(5)
    peer, _ = await soon(controller.hellos.get())
    assert await peer.call(NewSnapshot(msgspec.structs.replace(EMPTY, version=8))) == Ok()
    assert worker.snapshots == [8]
    await worker.client.close()
    await controller.server.close()


async def test_the_socket_is_for_its_owner_only_and_a_stale_one_is_replaced(home):
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(home.link_address())
    stale.close()
    controller = Controller()
    await controller.server.start(home.link_address())
    assert stat.S_IMODE(os.stat(home.link_socket).st_mode) == 0o600
    await controller.server.close()


async def test_a_file_in_the_socket_s_place_is_not_deleted(home):
    home.link_socket.write_text("mine")
    with pytest.raises(FileExistsError):
        await Controller().server.start(home.link_address())
    assert home.link_socket.read_text() == "mine"


async def test_a_deep_data_folder_still_has_an_address(tmp_path):
    home = Home(tmp_path / ("d" * 60) / ("e" * 60))
    home.create()
    controller, worker = Controller(), Worker()
    address = home.link_address()
    await controller.server.start(address)
    worker.connect(address)
    await soon(worker.welcomes.get())
    await worker.client.close()
    await controller.server.close()


async def test_the_client_comes_back_after_the_controller_restarts(home):
    worker = Worker()
    worker.connect(home.link_address())  # nobody listens yet
    first = Controller()
    await first.server.start(home.link_address())
    await soon(worker.welcomes.get())
    await first.server.close()
    await soon(worker.lost.get())
    with pytest.raises(LinkAway):
        await worker.client.call(LookupKey(b""))
    worker.client.notify(JournalGrew(1))  # dropped, not raised
    second = Controller()
    await second.server.start(home.link_address())
    await soon(worker.welcomes.get())
    assert (await worker.client.call(CountTokens("abc", "m"))).tokens == 3
    await worker.client.close()
    await second.server.close()


async def test_calls_in_flight_end_at_once_when_the_controller_goes(home):
    controller, worker = Controller(), Worker()
    await controller.server.start(home.link_address())
    worker.connect(home.link_address())
    await soon(worker.welcomes.get())
    call = asyncio.create_task(worker.client.call(LookupKey(b""), timeout_s=60))
    peer, _ = await soon(controller.hellos.get())
    await asyncio.sleep(0)
    peer.abort("gone")
    with pytest.raises(LinkAway):
        await soon(call)
    await worker.client.close()
    await controller.server.close()


async def test_a_silent_controller_costs_no_more_than_the_deadline(home):
    controller, worker = Controller(), Worker()
    await controller.server.start(home.link_address())
    worker.connect(home.link_address())
    await soon(worker.welcomes.get())
    with pytest.raises(LinkAway, match=r"0\.05 s"):
        await worker.client.call(LookupKey(b""), timeout_s=0.05)
    assert (await worker.client.call(CountTokens("ab", "m"))).tokens == 2
    await worker.client.close()
    await controller.server.close()


async def test_waiting_calls_are_bounded(home, monkeypatch):
    monkeypatch.setattr(peer_module, "LINK_CALLS_MAX", 3)
    controller, worker = Controller(), Worker()
    await attach_pair(controller, worker)
    waiting = [asyncio.create_task(worker.client.call(LookupKey(b""))) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(LinkAway, match="too many"):
        await worker.client.call(LookupKey(b""))
    await worker.client.close()
    assert all(isinstance(r, LinkAway) for r in await asyncio.gather(*waiting, return_exceptions=True))


async def test_a_reader_that_stops_is_cut_and_not_buffered_for(home, monkeypatch):
    monkeypatch.setattr(peer_module, "LINK_BUFFER_BYTES_MAX", 1 << 20)
    controller = Controller()
    await controller.server.start(home.link_address())
    stuck = socket.socket(socket.AF_UNIX)
    stuck.connect(home.link_address())
    stuck.sendall(encode_frame(Hello("e", 0, 1, 0)))
    peer, _ = await soon(controller.hellos.get())
    call = Call(1, CountTokens("x" * (1 << 18), "m"))
    for _ in range(4):
        peer.send(call)
    with pytest.raises(LinkAway, match="does not read"):
        [peer.send(call) for _ in range(96)]
    assert "does not read" in await soon(controller.closes.get())
    stuck.close()
    await controller.server.close()


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x03\xc1\xc1\xc1",
        b"\x00\x00\x00\x01\x80",
        encode_frame(Welcome(b"", EMPTY, ())),
    ],
    ids=["huge", "garbage", "no tag", "wrong direction"],
)
async def test_a_peer_that_breaks_the_protocol_is_cut(home, data):
    controller = Controller()
    await controller.server.start(home.link_address())
    _, writer = await asyncio.open_unix_connection(home.link_address())
    writer.write(data)
    assert await soon(controller.closes.get())
    writer.close()
    await controller.server.close()


async def test_a_refused_epoch_is_told_why_and_does_not_come_back(home):
    controller, worker = Controller(), Worker()
    controller.refusal = "this epoch was buried"
    await controller.server.start(home.link_address())
    worker.connect(home.link_address())
    assert await soon(worker.refused.get()) == "this epoch was buried"
    await soon(worker.client._task)  # the reconnecting task has ended by itself
    await worker.client.close()
    await controller.server.close()


async def test_refresh_says_none_without_a_server_and_the_figures_with_one(home):
    assert await refresh(home) is None
    controller = Controller()
    await controller.server.start(home.link_address())
    assert await refresh(home) == Refreshed(3, 2)
    controller.refusal = "no"
    with pytest.raises(LinkAway, match="no"):
        await refresh(home)
    await controller.server.close()
    assert await call_once(home, Refresh()) is None


async def attach_pair(controller: Controller, worker: Worker) -> None:
    worker.client.expect(*worker.callbacks())
    await attach(controller.server, worker.client)
    await soon(worker.welcomes.get())


async def test_the_local_link_behaves_like_the_socket():
    controller, worker = Controller(), Worker()
    await attach_pair(controller, worker)
    assert (await worker.client.call(CountTokens("abcd", "m"))).tokens == 4
    await worker.client.close()
    assert await soon(controller.closes.get())


FRAMES = [
    Notice(JournalGrew(1)),
    Call(4, CountTokens("hällo", "m")),
    Hello("e", 1, 2, 3),
    Answer(0, Failed("x")),
]


class Sink(asyncio.Transport):
    def abort(self) -> None:
        raise AssertionError("cut")


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, sum(len(encode_frame(f)) for f in FRAMES)), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_frames(cuts):
    async def feed() -> list[object]:
        seen: list[object] = []
        peer = Peer(lambda _: None, lambda _, frame: seen.append(frame), lambda _, __: None)
        peer.connection_made(Sink())
        data = b"".join(encode_frame(frame) for frame in FRAMES)
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
            peer.data_received(data[start:end])
        return seen

    assert asyncio.run(feed()) == FRAMES


def test_names_are_exported():
    assert all(hasattr(unix, name) for name in unix.__all__)
