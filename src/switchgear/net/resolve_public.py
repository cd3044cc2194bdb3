"""Resolving for the guarded fetch: the addresses of a host, all of them fit to be connected to, or a refusal.

A host is resolved once and the connection goes to what was judged, so a name can't change in between.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from switchgear.kernel.limits import FETCH_RESOLVER_THREADS
from switchgear.net.guard import Address, is_metadata, is_public
from switchgear.net.lean_connect import Found
from switchgear.net.lean_request import Origin
from switchgear.net.transport import TransportFault


class NotPublic(TransportFault):
    """No address of the host may be connected to, or it has none: the two look alike from outside, so that
    nobody can ask us for the names of an inner network."""

    def __init__(self) -> None:
        super().__init__("connect", "not_sent", "the host has no public address")


class PublicResolver:
    """Finds addresses for ``dial``. ``allow`` says which may be connected to; metadata services never."""

    def __init__(self, allow: Callable[[Address], bool]) -> None:
        self._allow = allow
        self._threads = ThreadPoolExecutor(FETCH_RESOLVER_THREADS, thread_name_prefix="fetch-resolve")

    async def __call__(self, origin: Origin) -> Sequence[Found]:
        """Raises NotPublic if only one of the addresses is not allowed."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._threads, _addresses, origin.host, origin.port)
        except (OSError, UnicodeError):
            raise NotPublic from None
        if not found or not all(self._fits(address) for *_, address in found):
            raise NotPublic
        return found

    def close(self) -> None:
        """Does not wait for names that nobody answers for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fits(self, sockaddr: tuple[object, ...]) -> bool:
        try:
            address = ipaddress.ip_address(str(sockaddr[0]).partition("%")[0])
        except ValueError:
            return False
        return self._allow(address) and not is_metadata(address)


def is_elsewhere(address: Address) -> bool:
    """Whether the address is public and another machine's: this one's own, reached from inside, would pass by
    its firewall."""
    return is_public(address) and not is_own(address)


def is_own(address: Address) -> bool:
    """Whether the address is this machine's: then it is also the one that its kernel would send from."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))  # sends nothing
            return ipaddress.ip_address(str(probe.getsockname()[0]).partition("%")[0]) == address
    except OSError:
        return False  # no way leads there


def _addresses(host: str, port: int) -> Sequence[Found]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
