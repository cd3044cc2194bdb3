"""Which transport carries a request: the lean one by default, the other for proxies and HTTP/2."""

import os
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from switchgear.kernel.limits import ROUTES_REMEMBERED_MAX
from switchgear.net.guard import literal_address
from switchgear.net.proxies import Proxies, is_loopback
from switchgear.net.transport import Timeouts, Transport, UpstreamRequest, UpstreamResponse


class RoutedTransport:
    """A Transport over two. ``other`` is made on first need: it brings its own threads."""

    def __init__(
        self, lean: Transport, other: Callable[[], Transport], http2_hosts: frozenset[str] = frozenset()
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
