"""Dialling: the addresses of a host, TCP to the first that answers, TLS on top."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from switchgear.kernel.limits import ADDRESSES_PER_HOST_MAX
from switchgear.net.lean_request import Origin
from switchgear.net.own_lack import is_own_lack
from switchgear.net.transport import FaultKind, TransportFault

P = TypeVar("P", bound=asyncio.BaseProtocol)
Found = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]
"""A row of ``getaddrinfo``."""
Resolve = Callable[[Origin], Awaitable[Sequence[Found]]]


def default_ssl_context() -> ssl.SSLContext:
    """Verifies certificate and host name, and speaks HTTP/1.1 only."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


async def resolve_any(origin: Origin) -> Sequence[Found]:
    """The addresses of any host. Raises socket.gaierror."""
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)


async def dial(
    origin: Origin,
    factory: Callable[[], P],
    ssl_context: ssl.SSLContext | None,
    connect_s: float,
    resolve: Resolve = resolve_any,
) -> P:
    """A connected protocol. ``connect_s`` covers name, TCP and TLS together.

    ``resolve`` is asked once, and only what it finds is connected to. Raises TransportFault ``connect``,
    ``connect_timeout``, ``tls`` or ``no_room``, all ``not_sent``, and what ``resolve`` raises of that kind.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(connect_s):
            until = loop.time() + connect_s
            sock = await _connect_first(loop, await resolve(origin), until)
            try:
                _, protocol = await loop.create_connection(
                    factory,
                    sock=sock,
                    ssl=ssl_context,
                    server_hostname=origin.host if ssl_context is not None else None,
                )
            except BaseException:
                sock.close()
                raise
            return protocol
    except TimeoutError:
        raise TransportFault("connect_timeout", "not_sent", "no connection within its time") from None
    except ssl.SSLCertVerificationError as fault:
        detail = f"certificate refused: {fault.verify_message}"
        raise TransportFault("tls", "not_sent", detail) from None
    except ssl.SSLError as fault:
        raise TransportFault("tls", "not_sent", f"handshake failed: {fault.reason}") from None
    except socket.gaierror as fault:
        kind: FaultKind = "no_room" if is_own_lack(fault) else "connect"
        raise TransportFault(kind, "not_sent", f"name not resolved: {fault.strerror}") from None
    except OSError as fault:
        kind = "no_room" if is_own_lack(fault) else "connect"
        raise TransportFault(kind, "not_sent", fault.strerror or type(fault).__name__) from None


async def _connect_first(
    loop: asyncio.AbstractEventLoop, found: Sequence[Found], until: float
) -> socket.socket:
    """TCP to the first address that answers; each gets an equal share of the time that is left."""
    addresses = list(dict.fromkeys(found))[:ADDRESSES_PER_HOST_MAX]
    last: OSError = OSError("the name has no address")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        left = len(addresses) - number
        share = (until - loop.time()) / left
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if left == 1:
                await loop.sock_connect(sock, address)
            else:
                async with asyncio.timeout(share):
                    await loop.sock_connect(sock, address)
            return sock
        except OSError as fault:  # TimeoutError is one
            sock.close()
            if number == 0 or not is_own_lack(fault):
                last = fault  # an address of a kind that this machine lacks says nothing of the others
        except BaseException:
            sock.close()
            raise
    raise last
