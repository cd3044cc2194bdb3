"""Which hosts are called through a proxy of the environment: ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY``,
and ``NO_PROXY`` with names, domains, addresses and networks."""

import ipaddress
from collections.abc import Mapping

from switchgear.net.guard import Address, literal_address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """The environment's word on proxies, read once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        # As curl and others read them: a lower-case name counts before the same in capitals.
        values = {name.lower(): value for name, value in sorted(environ.items()) if value.strip()}
        self._schemes = frozenset(
            scheme for scheme in ("http", "https", "all") if values.get(f"{scheme}_proxy", "").strip()
        )
        entries = values.get("no_proxy", "").replace(",", " ").split()
        self._everything = "*" in entries
        self._networks = tuple(network for entry in entries if (network := _network(entry)) is not None)
        self._names = tuple(
            name for entry in entries if _network(entry) is None and (name := entry.lower().lstrip("*."))
        )

    def __bool__(self) -> bool:
        """Whether there is any proxy at all."""
        return bool(self._schemes)

    def carries(self, scheme: str, host: str, port: int | None) -> bool:
        """Whether a call goes through a proxy. Loopback never does: the embedded model's prompts and secret
        are nobody else's."""
        if not ({scheme, "all"} & self._schemes) or self._everything:
            return False
        host = host.lower().rstrip(".")
        address = literal_address(host)
        if is_loopback(host, address):
            return False
        if address is not None and any(_holds(network, address) for network in self._networks):
            return False
        port = port or (443 if scheme == "https" else 80)
        return not any(_matches(name, host, port) for name in self._names)


def is_loopback(host: str, address: Address | None) -> bool:
    """Whether a host is this machine itself by its very name or address, in any spelling."""
    if address is None:
        name = host.lower().rstrip(".")
        return name == "localhost" or name.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback or (mapped or address).is_unspecified)


def _network(entry: str) -> Network | None:
    """An address or network of ``NO_PROXY``; None for a name."""
    try:
        return ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None


def _holds(network: Network, address: Address) -> bool:
    mapped = getattr(address, "ipv4_mapped", None)
    return address in network or (mapped is not None and mapped in network)


def _matches(name: str, host: str, port: int) -> bool:
    """Whether an entry names the host, or a domain that it is in; with a port, only for that port."""
    bare, colon, wanted = name.rpartition(":")
    if colon and wanted.isdecimal():
        if int(wanted) != port:
            return False
        name = bare.strip("[]")
    return host == name or host.endswith(f".{name}")
