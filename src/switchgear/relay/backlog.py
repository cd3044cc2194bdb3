"""How much of a streamed answer still waits in this process for its client, so that sending can wait too.

The HTTP server takes every piece of a stream at once and keeps it until the socket does: it says nothing of a
client that reads slowly. The kernel does: what it took of a connection is what the peer acknowledged plus
what is still queued. A short stream costs nothing: the socket is looked at after the first 16 KiB.
"""

import asyncio
import fcntl
import os
import select
import socket
import struct
import termios

from switchgear.kernel.limits import (
    KIB,
    SEND_AHEAD_BYTES_MAX,
    SEND_LOOK_INTERVAL_S_MAX,
    SEND_LOOK_INTERVAL_S_MIN,
)

_ACKNOWLEDGED_AT = 120
"""Offset of ``tcpi_bytes_acked``, a u64, in the kernel's struct tcp_info."""
_TCP_INFO_BYTES = _ACKNOWLEDGED_AT + 8
_FIRST_LOOK_BYTES = 16 * KIB
_LOOKS_TO_BE_SURE = 5
"""In vain, on a socket with room, before what seems to wait is taken for a miscount: HTTP/1.0 has no chunk
lines. A busy server thread takes less."""


class PeerSockets:
    """The descriptors of this process's connections by peer; found by looking at all, then remembered."""

    def __init__(self) -> None:
        self._by_peer: dict[str, int] = {}

    def find(self, peer: str) -> int | None:
        """Descriptor of the connection with ``"address:port"``; None when there is none (any more)."""
        known = self._by_peer.get(peer)
        if known is not None and _peer_of(known) == peer:
            return known
        descriptors = map(int, os.listdir("/proc/self/fd"))
        self._by_peer = {found: fd for fd in descriptors if (found := _peer_of(fd))}
        return self._by_peer.get(peer)


class SendBacklog:
    """Bytes of one stream that were handed to the HTTP server and that the kernel has not taken."""

    __slots__ = ("_looked", "_peer", "_sockets", "_taken", "bytes_waiting")

    def __init__(self, sockets: PeerSockets, peer: str) -> None:
        self._sockets = sockets
        self._peer = peer
        self._looked = False
        self._taken = 0
        self.bytes_waiting = 0
        """Counts what was sent before the first look, as nobody knows what the kernel had taken by then."""

    def add(self, size: int) -> bool:
        """One more piece was handed over; True when ``make_room`` has to be awaited."""
        # As a chunk of HTTP/1.1: its length in hexadecimal and two line ends.
        self.bytes_waiting += size + (size.bit_length() + 3) // 4 + 4
        return self.bytes_waiting > (SEND_AHEAD_BYTES_MAX if self._looked else _FIRST_LOOK_BYTES)

    async def make_room(self) -> None:
        """Returns when no more than ``SEND_AHEAD_BYTES_MAX`` wait, or when the connection is gone."""
        pause_s, looks = SEND_LOOK_INTERVAL_S_MIN, 0
        while self._look() and self.bytes_waiting > SEND_AHEAD_BYTES_MAX:
            before = self._taken
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, SEND_LOOK_INTERVAL_S_MAX)
            fd = self._sockets.find(self._peer)
            if fd is None or _bytes_taken(fd) != before:
                pause_s, looks = SEND_LOOK_INTERVAL_S_MIN, 0
            elif _has_room(fd):
                looks += 1
                if looks == _LOOKS_TO_BE_SURE:
                    self.bytes_waiting = 0

    def _look(self) -> bool:
        """Subtracts what the kernel took since the last look; False when the connection is gone."""
        fd = self._sockets.find(self._peer)
        taken = _bytes_taken(fd) if fd is not None else None
        if taken is None:
            return False
        if self._looked:
            self.bytes_waiting = max(self.bytes_waiting - (taken - self._taken), 0)
        self._looked, self._taken = True, taken
        return True


def _peer_of(fd: int) -> str:
    """In the form the HTTP server names peers; empty for what is no connection."""
    try:
        borrowed = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=fd)
    except OSError:
        return ""
    try:
        name = borrowed.getpeername()
    except OSError:
        return ""
    finally:
        borrowed.detach()
    if not isinstance(name, tuple):
        return ""
    host, port = name[0].partition("%")[0], name[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bytes_taken(fd: int) -> int | None:
    """All that the kernel ever took for this connection; None when it does not say."""
    try:
        borrowed = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=fd)
        try:
            facts = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        finally:
            borrowed.detach()
        (queued,) = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, b"\0\0\0\0"))
    except OSError:
        return None
    if len(facts) < _TCP_INFO_BYTES:
        return None
    acknowledged: int = struct.unpack_from("Q", facts, _ACKNOWLEDGED_AT)[0]
    return acknowledged + int(queued)


def _has_room(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return any(events & select.POLLOUT for _, events in poll.poll(0))
