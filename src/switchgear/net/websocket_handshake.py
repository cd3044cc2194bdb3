"""Both handshakes of a WebSocket: what is offered, what is taken. Framing of HTTP is done elsewhere. Pure.

The rules are the websockets library's; here its words are ours.
"""

from collections.abc import Iterable, Sequence

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from switchgear.net.websocket import WebSocketTerms

HANDSHAKE_HEADERS = (
    "connection",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
)
"""Of a request, in lower case: those that the handshake is about."""


class Agreed:
    """What both sides settled on."""

    __slots__ = ("extensions", "subprotocol")

    def __init__(self, extensions: Sequence[Extension], subprotocol: str | None) -> None:
        self.extensions = extensions
        self.subprotocol = subprotocol


class BadHandshake(Exception):
    """An offer or an answer that is no WebSocket handshake. ``status`` and ``headers`` suit an answer to a
    client; ``reason`` is a sentence."""

    def __init__(self, status: int, reason: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = tuple(headers)


def answer_offer(
    method: str, headers: Iterable[tuple[str, str]], terms: WebSocketTerms
) -> tuple[Agreed, list[tuple[str, str]]]:
    """What is agreed with a client, and the headers of the 101. Raises BadHandshake. Whose page it comes
    from (``Origin``) is the caller's to judge."""
    factories = [_server_deflate()] if terms.deflate else None
    protocol = ServerProtocol(extensions=factories, select_subprotocol=_chooser(terms.subprotocols))
    response = protocol.accept(Request("/", Headers(list(headers)), method))
    if response.status_code != 101:
        raise BadHandshake(response.status_code, _reason(protocol.handshake_exc), _hints(response))
    kept = [(name, value) for name, value in response.headers.raw_items() if name.lower() != "date"]
    return Agreed(protocol.extensions, protocol.subprotocol), kept


class Offer:
    """A handshake with an upstream: ``headers`` of the request, then the answer to it."""

    def __init__(self, terms: WebSocketTerms) -> None:
        subprotocols = [Subprotocol(name) for name in terms.subprotocols]
        self._protocol = ClientProtocol(
            WebSocketURI(True, "upstream", 443, "/", ""),
            extensions=[_client_deflate()] if terms.deflate else None,
            subprotocols=subprotocols or None,
        )
        request = self._protocol.connect()
        self.headers = [(name, value) for name, value in request.headers.raw_items() if name != "Host"]

    def accept(self, headers: Iterable[tuple[str, str]]) -> Agreed:
        """What an upstream's 101 agreed to. Raises BadHandshake."""
        try:
            self._protocol.process_response(Response(101, "", Headers(list(headers))))
        except InvalidHandshake as fault:
            raise BadHandshake(101, _reason(fault)) from None
        return Agreed(self._protocol.extensions, self._protocol.subprotocol)


def _chooser(known: tuple[str, ...]):  # type: ignore[no-untyped-def]
    def choose(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return next((Subprotocol(name) for name in known if name in offered), None)

    return choose


def _server_deflate() -> ServerPerMessageDeflateFactory:
    # Without a context from one message to the next, an idle session holds no compressor.
    return ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)


def _client_deflate() -> ClientPerMessageDeflateFactory:
    return ClientPerMessageDeflateFactory(
        server_no_context_takeover=True, client_no_context_takeover=True, client_max_window_bits=True
    )


def _reason(fault: BaseException | None) -> str:
    parts = []
    while fault is not None:
        parts.append(str(fault))
        fault = fault.__cause__
    return "; ".join(parts) or "the handshake failed"


def _hints(response: Response) -> list[tuple[str, str]]:
    """Headers that say what would be taken."""
    hints = [(name, response.headers[name]) for name in ("Allow", "Upgrade") if name in response.headers]
    if response.status_code in (400, 426):
        hints.append(("Sec-WebSocket-Version", "13"))
    return hints
