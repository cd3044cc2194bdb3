"""WebSockets on the lean transport's connections: the offer as a request, and the session after a 101."""

from typing import TYPE_CHECKING

from websockets.protocol import Side

from switchgear.net.lean_chunk import ReadBuffer
from switchgear.net.lean_request import Origin, RequestEncoder
from switchgear.net.transport import TransportFault, UpstreamRequest
from switchgear.net.websocket import WebSocketTerms
from switchgear.net.websocket_handshake import HANDSHAKE_HEADERS, BadHandshake, Offer
from switchgear.net.websocket_session import WebSocketSession

if TYPE_CHECKING:
    from switchgear.net.lean_connection import Connection
    from switchgear.net.lean_response import LeanResponse

_UPGRADE_LINES = "connection: Upgrade\r\nupgrade: websocket\r\n"
_SCHEMES = {"ws": "http", "wss": "https"}


def upgrade_request(encoder: RequestEncoder, request: UpstreamRequest, offer: Offer) -> tuple[Origin, bytes]:
    """Where it goes, and its bytes. Raises TransportFault(protocol, not_sent)."""
    if request.method != "GET" or request.body:
        raise TransportFault("protocol", "not_sent", "a WebSocket begins with a GET without a body")
    for name in (name.lower() for name, _ in request.headers):
        if name in HANDSHAKE_HEADERS:
            raise TransportFault("protocol", "not_sent", f"the header {name} is the transport's to set")
    scheme, mark, rest = request.url.partition("://")
    origin, first_lines = encoder.route("GET", _SCHEMES.get(scheme, scheme) + mark + rest)
    ours = [(name, value) for name, value in offer.headers if name.lower() not in ("connection", "upgrade")]
    return origin, encoder.encode(first_lines + _UPGRADE_LINES, "GET", (*request.headers, *ours), b"")


def session_after(
    connection: "Connection",
    exchange: "LeanResponse",
    offer: Offer,
    terms: WebSocketTerms,
    buffer: ReadBuffer,
) -> WebSocketSession:
    """The session that a 101 began. Raises TransportFault(protocol, answered) for a 101 that agrees to
    something else."""
    try:
        agreed = offer.accept(exchange.headers.items())
    except BadHandshake as fault:
        connection.fail("protocol", fault.reason)
        raise TransportFault("protocol", "answered", fault.reason) from None
    transport, rest = connection.hand_over()
    session = WebSocketSession(Side.CLIENT, agreed, terms, buffer, connection.connection_lost)
    session.start(transport, rest)
    return session
