"""Which addresses and URLs may be connected to: the pure part of the outbound guard."""

import ipaddress
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA_HOSTS = frozenset(
    (
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "instance-data",
        "instance-data.ec2.internal",
        "metadata.azure.internal",
        "metadata.platformequinix.com",
    )
)
_METADATA_ADDRESSES = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "169.254.0.23",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "fe80::a9fe:a9fe",
    )
)
"""Where clouds hand out credentials of the machine."""
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_TRANSLATED = ipaddress.IPv6Network("::ffff:0:0:0/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that is given out of IPv6; what lies outside is special, or nobody's yet."""
# Written down here, as Python's own ``is_global`` differs between its versions.
_SPECIAL_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
"""IANA's special-purpose blocks and multicast. The few that are reachable (AS112, AMT) hold no files."""
_SPECIAL_V6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
"""Those within 2000::/3: protocol assignments with Teredo, ORCHID and AMT among them, documentation, 6to4."""
_ISATAP = (0x00005EFE, 0x02005EFE)


class UrlRefused(ValueError):
    """The URL may not be used; the text says why and is fit for an operator."""


def check_operator_url(url: str) -> str:
    """The base URL of a channel, without trailing slashes.

    Private addresses are an operator's right. UrlRefused for other schemes, user info, queries, fragments and
    metadata addresses.
    """
    if not url.isascii() or any(mark <= " " or mark in '\\"<>^`{|}\x7f' for mark in url):
        raise UrlRefused("a URL is written in plain ASCII, without blanks")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused("the URL can't be parsed") from None
    if parts.scheme not in ("http", "https"):
        raise UrlRefused("only http and https URLs are served")
    if "@" in parts.netloc:
        raise UrlRefused("a URL may not carry a user or password")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise UrlRefused("a base URL has no query and no fragment")
    host = (parts.hostname or "").rstrip(".")
    if not host or port == 0 or "%" in host:
        raise UrlRefused("the URL names no host")
    if host in _METADATA_HOSTS or is_metadata(literal_address(host)):
        raise UrlRefused("that is a cloud's metadata service")
    return url.rstrip("/")


def is_metadata(address: Address | None) -> bool:
    """Whether the address, or an IPv4 address inside it, belongs to a metadata service."""
    return address is not None and any(form in _METADATA_ADDRESSES for form in _forms(address))


def is_public(address: Address) -> bool:
    """Whether the address, and each IPv4 address inside it, is one of the public internet."""
    return all(_is_public_form(form) for form in _forms(address))


def literal_address(host: str) -> Address | None:
    """The address that a host name spells, in any form that resolvers take: also ``127.1``, ``0x7f.1``,
    ``017700000001``, ``2130706433``. None for a real name."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        pass
    pieces = host.rstrip(".").split(".")
    if not 1 <= len(pieces) <= 4:
        return None
    numbers = [_number(piece) for piece in pieces]
    value = 0
    for position, number in enumerate(numbers):
        last = position == len(numbers) - 1
        bound = 256 ** (5 - len(numbers)) if last else 256
        if number is None or number >= bound:
            return None
        value += number if last else number << (24 - 8 * position)
    return ipaddress.IPv4Address(value)


def _number(text: str) -> int | None:
    """A number as C's inet_aton reads it: hexadecimal after 0x, octal after 0."""
    text = text.lower()
    if not text.isascii() or not text.isalnum() or len(text) > 16:
        return None
    base = 16 if text.startswith("0x") else 8 if text.startswith("0") and text != "0" else 10
    try:
        return int(text.removeprefix("0x") or "0", base)
    except ValueError:
        return None


def _forms(address: Address) -> list[Address]:
    """The address and every IPv4 address that a gateway or tunnel would read out of it."""
    forms: list[Address] = [address]
    if isinstance(address, ipaddress.IPv4Address):
        return forms
    value = int(address)
    last = ipaddress.IPv4Address(value & 0xFFFFFFFF)
    if address.ipv4_mapped is not None:
        forms.append(address.ipv4_mapped)
    if address.sixtofour is not None:
        forms.append(address.sixtofour)
    if address.teredo is not None:
        forms.extend(address.teredo)
    embeds = any(address in network for network in (*_NAT64, _TRANSLATED))
    compatible = address in _COMPATIBLE and value > 1
    isatap = (value >> 32) & 0xFFFFFFFF in _ISATAP
    if embeds or compatible or isatap:
        forms.append(last)
    return forms


def _is_public_form(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address not in _METADATA_ADDRESSES and not any(address in block for block in _SPECIAL_V4)
    if address.ipv4_mapped is not None or address in _TRANSLATED or address in _NAT64[0]:
        return True  # judged by the address inside
    return address in _GLOBAL_UNICAST and not any(address in block for block in _SPECIAL_V6)
