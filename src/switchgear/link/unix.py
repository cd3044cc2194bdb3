"""The link over a unix socket: the worker's end, which reconnects by itself, and the controller's."""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Callable

from switchgear.kernel.home import Home
from switchgear.kernel.limits import (
    LINK_BACKLOG,
    LINK_CALL_TIMEOUT_S,
    LINK_CONNECT_TIMEOUT_S,
    LINK_CONNECTIONS_MAX,
    LINK_RECONNECT_S_MAX,
    LINK_RECONNECT_S_MIN,
)
from switchgear.link.peer import LinkAway, Peer
from switchgear.link.protocol import (
    Answer,
    Call,
    ControllerCall,
    Failed,
    Frame,
    Hello,
    Notice,
    Refresh,
    Refreshed,
    Result,
    StopCalls,
    Stopped,
    Welcome,
    WorkerCall,
    WorkerNotice,
)

__all__ = ["LinkAway", "LinkClient", "LinkServer", "Peer", "call_once", "refresh", "stop_calls"]


class LinkClient:
    """A worker's end. States: ``away`` → ``greeting`` (Hello sent) → ``welcome`` → ``away`` or ``refused``.

    The callbacks run on the loop and must not block. ``on_call`` answers the controller's calls;
    ``on_refused(reason)`` means that this epoch is over and the worker has to exit.
    """

    def __init__(self) -> None:
        self._peer: Peer | None = None
        self._task: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self._welcomed = asyncio.Event()
        self._was_welcome = False
        self._refused = False

    def connect(
        self,
        address: str,
        hello_factory: Callable[[], Hello],
        on_welcome: Callable[[Welcome], None],
        on_call: Callable[[ControllerCall], Result],
        on_disconnect: Callable[[str], None],
        on_refused: Callable[[str], None] | None = None,
    ) -> None:
        """Starts connecting, and reconnecting after each loss, until ``close``. To be called on the loop."""
        self.expect(hello_factory, on_welcome, on_call, on_disconnect, on_refused)
        self._task = asyncio.create_task(self._stay_connected(address), name="link")

    def expect(
        self,
        hello_factory: Callable[[], Hello],
        on_welcome: Callable[[Welcome], None],
        on_call: Callable[[ControllerCall], Result],
        on_disconnect: Callable[[str], None],
        on_refused: Callable[[str], None] | None = None,
    ) -> None:
        """Sets the callbacks without connecting; ``connect`` does both."""
        self._hello_factory = hello_factory
        self._on_welcome = on_welcome
        self._on_call = on_call
        self._on_disconnect = on_disconnect
        self._on_refused = on_refused

    @property
    def is_welcome(self) -> bool:
        return self._welcomed.is_set()

    async def wait_welcome(self) -> None:
        """Returns once the controller has welcomed this worker."""
        await self._welcomed.wait()

    async def call(self, body: WorkerCall, timeout_s: float = LINK_CALL_TIMEOUT_S) -> Result:
        """Asks the controller. Raises LinkAway when not connected, or when no answer comes in time."""
        if self._peer is None or not self.is_welcome:
            raise LinkAway("the controller is away")
        return await self._peer.call(body, timeout_s)

    def notify(self, body: WorkerNotice) -> None:
        """Tells the controller; dropped when it is away."""
        if self._peer is not None and self.is_welcome:
            with contextlib.suppress(LinkAway):
                self._peer.notify(body)

    async def close(self) -> None:
        """Sends what is queued, disconnects and stays away."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._peer is not None:
            self._peer.close()
            await self._lost.wait()

    def attach(self) -> Peer:
        """The protocol object of one connection; ``local.attach`` uses it for a socket pair."""
        self._lost.clear()
        return Peer(self._opened, self._frame, self._closed)

    async def _stay_connected(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        delay_s = LINK_RECONNECT_S_MIN
        while not self._refused:
            try:
                async with asyncio.timeout(LINK_CONNECT_TIMEOUT_S):
                    await loop.create_unix_connection(self.attach, address)
                await self._lost.wait()
            except (OSError, TimeoutError):
                delay_s = min(delay_s * 2, LINK_RECONNECT_S_MAX)
            else:
                longer_s = min(delay_s * 2, LINK_RECONNECT_S_MAX)
                delay_s = LINK_RECONNECT_S_MIN if self._was_welcome else longer_s
            await asyncio.sleep(delay_s)

    def _opened(self, peer: Peer) -> None:
        self._peer = peer
        self._was_welcome = False
        peer.send(self._hello_factory())

    def _frame(self, peer: Peer, frame: Frame) -> None:
        if isinstance(frame, Call):
            peer.answer(frame.seq, self._on_call(frame.body))  # type: ignore[arg-type]  # our server sends no other
        elif isinstance(frame, Welcome):
            self._was_welcome = True
            self._on_welcome(frame)
            self._welcomed.set()
        elif isinstance(frame, Answer) and isinstance(frame.body, Failed):
            self._refused = True
            peer.abort(frame.body.reason)
            if self._on_refused is not None:
                self._on_refused(frame.body.reason)
        else:
            peer.abort("a frame that a controller does not send")

    def _closed(self, peer: Peer, reason: str) -> None:
        self._peer = None
        self._welcomed.clear()
        self._lost.set()
        self._on_disconnect(reason)


class LinkServer:
    """The controller's end. Callbacks run on the loop: ``on_hello(peer, hello)``, ``on_close(peer, reason)``,
    ``on_notice(peer, body)``, and ``on_call(peer, seq, body)``, answered by ``peer.answer`` now or later."""

    def __init__(
        self,
        on_hello: Callable[[Peer, Hello], None],
        on_call: Callable[[Peer, int, WorkerCall], None],
        on_notice: Callable[[Peer, WorkerNotice], None],
        on_close: Callable[[Peer, str], None],
    ) -> None:
        self._on_hello = on_hello
        self._on_call = on_call
        self._on_notice = on_notice
        self._on_close = on_close
        self._server: asyncio.Server | None = None
        self.peers: set[Peer] = set()

    async def start(self, address: str) -> None:
        """Listens at ``address``, for the owner only; a stale socket there is replaced. Raises OSError."""
        _unlink_socket(address)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(address)
        os.chmod(address, 0o600)  # Nobody can connect before listen(), so nobody slips in before this.
        listener.setblocking(False)
        self._server = await asyncio.get_running_loop().create_unix_server(
            self.attach, sock=listener, backlog=LINK_BACKLOG
        )

    async def close(self) -> None:
        """Stops listening and closes every connection after sending what is queued."""
        if self._server is not None:
            self._server.close()
        for peer in list(self.peers):
            peer.close()
        if self._server is not None:
            await self._server.wait_closed()

    def attach(self) -> Peer:
        """The protocol object of one accepted connection."""
        return Peer(self._opened, self._frame, self._closed)

    def _opened(self, peer: Peer) -> None:
        if len(self.peers) >= LINK_CONNECTIONS_MAX:
            peer.abort("too many connections")
        self.peers.add(peer)

    def _frame(self, peer: Peer, frame: Frame) -> None:
        if isinstance(frame, Call):
            self._on_call(peer, frame.seq, frame.body)  # type: ignore[arg-type]  # a wrong body gets Failed there
        elif isinstance(frame, Notice):
            self._on_notice(peer, frame.body)
        elif isinstance(frame, Hello):
            self._on_hello(peer, frame)
        else:
            peer.abort("a frame that a worker does not send")

    def _closed(self, peer: Peer, reason: str) -> None:
        self.peers.discard(peer)
        self._on_close(peer, reason)


async def call_once(home: Home, body: WorkerCall, timeout_s: float = LINK_CALL_TIMEOUT_S) -> Result | None:
    """One call over a connection of its own, as the command line makes it; None when no server is running.

    Raises LinkAway when a server is there but does not answer.
    """
    done: asyncio.Event = asyncio.Event()
    peer = Peer(lambda _: None, lambda p, _: p.abort("an unexpected frame"), lambda _, __: done.set())
    try:
        await asyncio.get_running_loop().create_unix_connection(lambda: peer, home.link_address())
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    try:
        return await peer.call(body, timeout_s)
    except BaseException:
        peer.abort("given up")  # What the other end has not taken must not wait here until it does.
        raise
    finally:
        peer.close()
        await done.wait()


async def refresh(home: Home) -> Refreshed | None:
    """Has a running server push the changed configuration; None when none is running.

    Raises LinkAway when it does not answer, or can't compile what is in the database.
    """
    result = await call_once(home, Refresh())
    if isinstance(result, Refreshed) or result is None:
        return result
    raise LinkAway(result.reason if isinstance(result, Failed) else "an unexpected answer")


async def stop_calls(home: Home, wanted: StopCalls) -> int | None:
    """Has a running server end calls; how many it ended. None when none is running. Raises LinkAway."""
    result = await call_once(home, wanted)
    if isinstance(result, Stopped):
        return result.calls
    if result is None:
        return None
    raise LinkAway(result.reason if isinstance(result, Failed) else "an unexpected answer")


def _unlink_socket(address: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(address).st_mode):
            raise FileExistsError(f"{address} is in the way: it is not a socket")
        os.unlink(address)
