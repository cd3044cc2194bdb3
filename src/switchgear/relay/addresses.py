"""Whose address a request came from, behind trusted proxies or not, and whether a key allows it."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from switchgear.kernel.limits import ADDRESSES_CACHED_MAX

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
UNKNOWN = "unknown"
"""In place of an address that nobody can tell."""


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """CIDR texts as networks; a bare address is a network of one. Raises ValueError."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


@lru_cache(maxsize=ADDRESSES_CACHED_MAX)
def parse_address(text: str) -> Address | None:
    """An address, with IPv4 inside IPv6 unwrapped; None for anything else."""
    try:
        address = ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def is_within(address: Address | None, networks: Sequence[Network]) -> bool:
    """Whether any of the networks holds the address; an unknown address is within none."""
    return address is not None and any(address in network for network in networks)


def _without_port(entry: str) -> str:
    """Some proxies write the client's port, too: ``203.0.113.7:4711``, ``[2001:db8::1]:4711``."""
    host, colon, port = entry.rpartition(":")
    has_port = colon and port.isdigit() and (host.endswith("]") or ":" not in host)
    return host if has_port else entry


def client_address(peer: str, forwarded_for: str | None, trusted: Sequence[Network]) -> str:
    """The client's address: the peer, or, when the peer is a trusted proxy, the right-most entry of
    ``x-forwarded-for`` that is not a trusted proxy itself. What stands further left is the client's own
    claim. ``unknown`` where a trusted proxy wrote what is no address: it must not pass for the proxy's own.
    IPv4 inside IPv6, as a listener on ``::`` sees it, comes unwrapped."""
    if peer.startswith("::ffff:"):
        peer = str(parse_address(peer) or peer)
    if not forwarded_for or not trusted or not is_within(parse_address(peer), trusted):
        return peer
    nearest = peer
    for entry in reversed(forwarded_for.split(",")[-32:]):
        address = parse_address(_without_port(entry.strip()))
        if address is None:
            return UNKNOWN
        nearest = str(address)
        if not is_within(address, trusted):
            return nearest
    return nearest
