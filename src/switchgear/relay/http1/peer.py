"""The other end of a client connection: who it is, and whether it is still there."""

import ipaddress
import socket

from switchgear.relay.addresses import parse_address

_CLOSE_WAIT = 8
"""State of a connection whose other end has said that it sends no more; after a reset it is another."""
_IPV6_PREFIX = 64
"""Bits of an address that tell one customer of a provider from the next."""


def has_left(client: socket.socket) -> bool:
    """Whether a client that closed its side is gone altogether."""
    try:
        return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _CLOSE_WAIT
    except OSError:
        return True


def counted_address(peer_ip: str) -> str:
    """Whose connection it counts as: an IPv4 address, or the network of an IPv6 address."""
    address = parse_address(peer_ip)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((address, _IPV6_PREFIX), strict=False))
    return str(address)
