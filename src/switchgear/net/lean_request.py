"""A request as HTTP/1.1 bytes: one buffer, checked so that nothing in it can start a second request. Pure."""

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import urlsplit

from switchgear.kernel.limits import ROUTES_REMEMBERED_MAX
from switchgear.net.transport import TransportFault

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VISIBLE = re.compile(r"[!-~]+")
_HOST = re.compile(r"[0-9A-Za-z._\-]+|[0-9A-Fa-f:.]+")
_FRAMING = frozenset(
    (
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "keep-alive",
    )
)
"""Ours to say: from a caller they could make the upstream see another request than we sent."""
_name_of = itemgetter(0)
_DEFAULT_PORT = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where a connection leads: connections are shared by equal origins only."""

    scheme: str
    host: str
    port: int


class RequestEncoder:
    """Turns requests into bytes. Remembers start lines by method and URL, and header names it has checked."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], tuple[Origin, str]] = {}
        self._names: set[str] = set()

    def route(self, method: str, url: str) -> tuple[Origin, str]:
        """The origin and the first two lines; TransportFault(protocol, not_sent) if they can't be sent."""
        route = self._routes.get((method, url))
        if route is None:
            if len(self._routes) >= ROUTES_REMEMBERED_MAX:
                self._routes.clear()
            route = self._routes[(method, url)] = _parse_route(method, url)
        return route

    def encode(self, first_lines: str, method: str, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
        """Head and body in one buffer. TransportFault(protocol, not_sent) for a header that could inject."""
        if not self._names.issuperset(map(_name_of, headers)):
            for name, _ in headers:
                self._admit(name)
        lines = list(map(": ".join, headers))
        told = "".join(lines)
        if "\n" in told or "\r" in told or "\0" in told:
            raise _refused("a header value has a line break or NUL")
        if body or method not in ("GET", "HEAD", "OPTIONS", "DELETE"):
            lines.append(f"content-length: {len(body)}")
        try:
            head = first_lines + "\r\n".join((*lines, "", ""))
            return head.encode("latin-1") + body
        except UnicodeEncodeError:
            raise _refused("a header value is not latin-1") from None

    def _admit(self, name: str) -> None:
        if not _TOKEN.fullmatch(name):
            raise _refused("a header name is not a token")
        if name.lower() in _FRAMING:
            raise _refused(f"the header {name.lower()} is the transport's to set")
        if len(self._names) < ROUTES_REMEMBERED_MAX:
            self._names.add(name)


def parse_origin(url: str) -> Origin:
    """Scheme, host and port of an absolute http(s) URL; TransportFault(protocol, not_sent) otherwise."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused("the URL can't be parsed") from None
    host = parts.hostname or ""
    if parts.scheme not in _DEFAULT_PORT or not _HOST.fullmatch(host) or "@" in parts.netloc:
        raise _refused("the URL is not a plain http or https URL")
    return Origin(parts.scheme, host, _DEFAULT_PORT[parts.scheme] if port is None else port)


def _parse_route(method: str, url: str) -> tuple[Origin, str]:
    origin = parse_origin(url)
    _, _, rest = url.partition("://")
    cut = min((at for at in (rest.find(mark) for mark in "/?#") if at >= 0), default=len(rest))
    target = rest[cut:].partition("#")[0]
    target = target if target.startswith("/") else f"/{target}"
    # urlsplit drops tabs and line breaks in silence; such a URL is not the one that the caller wrote.
    if not _TOKEN.fullmatch(method) or not _VISIBLE.fullmatch(url):
        raise _refused("the method or the URL has a character that HTTP does not allow")
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    if origin.port != _DEFAULT_PORT[origin.scheme]:
        host = f"{host}:{origin.port}"
    return origin, f"{method} {target} HTTP/1.1\r\nhost: {host}\r\n"


def _refused(detail: str) -> TransportFault:
    return TransportFault("protocol", "not_sent", detail)
