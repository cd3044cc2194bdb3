"""Which transport carries a request: the lean one by default, the other for proxies and HTTP/2."""

import os
from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import urlsplit

from switchgear.kernel.limits import ROUTES_REMEMBERED_MAX
from switchgear.net.guard import literal_address
from switchgear.net.proxies import Proxies, is_loopback
from switchgear.net.transport import (
    Timeouts,
    Transport,
    TransportFault,
    UpstreamRequest,
    UpstreamResponse,
)
from switchgear.net.websocket import WebSocket, WebSocketTerms, WebSocketTransport


class DirectTransport(Transport, WebSocketTransport, Protocol):
    """Opens both kinds, straight to the upstream."""


class RoutedTransport:
    """A Transport over two. ``other`` is made on first need: it brings its own threads."""

    def __init__(
        self, lean: DirectTransport, other: Callable[[], Transport], http2_hosts: frozenset[str] = frozenset()
    ) -> None:
        """``http2_hosts``: lower-case hosts of channels that ask for HTTP/2. Proxies are read from the
        environment once, here."""
        self._lean = lean
        self._make_other = other
        self._other: Transport | None = None
        self._http2_hosts = http2_hosts
        self._proxies = Proxies(os.environ)
        self._special: dict[str, bool] = {}
        self._plain = not http2_hosts and not self._proxies

    def open(self, request: UpstreamRequest, timeouts: Timeouts) -> Awaitable[UpstreamResponse]:
        """See Transport.open."""
        if self._plain or not self._needs_other(request.url):
            return self._lean.open(request, timeouts)
        if self._other is None:
            self._other = self._make_other()
        return self._other.open(request, timeouts)

    async def open_ws(self, request: UpstreamRequest, timeouts: Timeouts, terms: WebSocketTerms) -> WebSocket:
        """See WebSocketTransport.open_ws. Always HTTP/1.1 and direct: a proxy in the way is a fault."""
        if self._is_proxied(request.url):
            raise TransportFault("protocol", "not_sent", "WebSockets through a proxy are not supported")
        return await self._lean.open_ws(request, timeouts, terms)

    async def close(self) -> None:
        """Closes both."""
        await self._lean.close()
        if self._other is not None:
            await self._other.close()

    def _needs_other(self, url: str) -> bool:
        origin = "/".join(url.split("/", 3)[:3])
        special = self._special.get(origin)
        if special is None:
            if len(self._special) >= ROUTES_REMEMBERED_MAX:
                self._special.clear()
            special = self._special[origin] = self._judge(origin)
        return special

    def _judge(self, origin: str) -> bool:
        try:
            parts = urlsplit(origin)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return False  # the lean transport refuses it with a reason
        if is_loopback(host, literal_address(host)):
            return False  # the other transport would ask the environment's proxy for it
        return host in self._http2_hosts or self._proxies.carries(parts.scheme, host, port)

    def _is_proxied(self, url: str) -> bool:
        scheme, _, rest = url.partition("://")
        http_scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
        try:
            parts = urlsplit(f"{http_scheme}://{rest}")
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return False  # likewise
        direct = is_loopback(host, literal_address(host))
        return not direct and self._proxies.carries(http_scheme, host, port)
