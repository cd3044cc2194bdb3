"""What has to be true before anything is started: the data folder is ours alone, and the port is free."""

import errno
import fcntl
import os
import socket

from switchgear.kernel.home import Home
from switchgear.kernel.limits import LISTEN_BACKLOG, SOCKET_UNSENT_BYTES_MAX


class StartError(Exception):
    """Why the server can't start, as one clear line."""


def claim(home: Home) -> int:
    """Makes the data folder and takes its lock; the descriptor holds it. Raises StartError."""
    try:
        home.create()
        if why := home.who_else_writes():
            raise StartError(f"the data folder {home.path} is not safe: {why}")
        descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(
            f"the data folder {home.path} can't be used: {os.strerror(error.errno or 0)}"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StartError(f"another Switchgear is already running on the data folder {home.path}") from None
    return descriptor


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, to be inherited by the workers. Raises StartError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )[0]
    except OSError:
        raise StartError(f"the host {host!r} can't be resolved to an address to listen on") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Inherited by connections: without it the kernel keeps megabytes for a client that reads nothing.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, SOCKET_UNSENT_BYTES_MAX)
        listener.bind(address)
        listener.listen(LISTEN_BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(_why(host, port, error)) from None
    listener.setblocking(False)
    return listener


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is already in use; choose another with --port (or PORT=… make run)"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"no permission to listen on port {port}; choose one above 1023 with --port"
    return f"can't listen on {host}:{port}: {os.strerror(error.errno or 0)}"
