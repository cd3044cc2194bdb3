"""The server's half of a WebSocket handshake: whether an offer is one, and the 101 that takes it. Pure."""

from switchgear.net.websocket import WebSocketTerms
from switchgear.net.websocket_handshake import HANDSHAKE_HEADERS, Agreed, BadHandshake, answer_offer
from switchgear.relay.http1.heads import header_block, status_line


def answer_upgrade(
    method: str, headers: dict[str, str], terms: WebSocketTerms, date_line: bytes, *, offered: bool
) -> tuple[Agreed, bytes]:
    """What is agreed, and the head of the answer. Raises BadHandshake.

    ``offered``: the parser took the request for an offer, so that nothing of it is a body.
    """
    kept = [(name, headers[name]) for name in HANDSHAKE_HEADERS if name in headers]
    agreed, answer = answer_offer(method, kept, terms)
    if not offered or "content-length" in headers or "transfer-encoding" in headers:
        raise BadHandshake(400, "the request is no offer of a WebSocket that can be taken here")
    return agreed, b"".join((status_line(101), date_line, header_block(answer), b"\r\n"))
