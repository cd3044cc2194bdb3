"""WebSocket sessions as the relay sees them, the same towards clients and upstreams.

Implementation: ``websocket_session``, on the framing of the websockets library. Both handshakes are in
``websocket_handshake``.
"""

from typing import Protocol

import msgspec

from switchgear.kernel.limits import WEBSOCKET_PING_S, WEBSOCKET_SEND_S
from switchgear.net.transport import FaultKind, Timeouts, UpstreamRequest, UpstreamResponse

NORMAL = 1000
GOING_AWAY = 1001
INVALID_TEXT = 1007
POLICY = 1008
INTERNAL = 1011
NO_ROOM = 1013
NO_STATUS = 1005
"""Stands for a close frame without a code; never on the wire."""
CUT = 1006
"""Stands for an end without a close frame; never on the wire."""
_UNSENDABLE = frozenset((1004, CUT, 1015))


class Message(msgspec.Struct, frozen=True, gc=False):
    """One whole message. Text is valid UTF-8."""

    data: bytes
    is_text: bool


class WebSocketClosed(Exception):
    """The session has ended. ``code`` and ``reason`` are the peer's, or ours where we ended it; 1005 for a
    close frame without a code, 1006 for no close frame. ``kind`` says what went wrong, None after a proper
    close frame of either side."""

    def __init__(self, code: int, reason: str = "", kind: FaultKind | None = None) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code
        self.reason = reason
        self.kind: FaultKind | None = kind


class HandshakeRefused(Exception):
    """An upstream answered an offer of a WebSocket with an ordinary response, which must be closed."""

    def __init__(self, response: UpstreamResponse) -> None:
        super().__init__(f"status {response.status}")
        self.response = response


class Allowance(Protocol):
    """Room for what a session buffers beyond WEBSOCKET_BUFFER_BYTES_MAX; a relay's ``Holding`` is one."""

    bytes: int

    def take(self, amount: int) -> bool:
        """Whether there is room for so many bytes more."""

    def shrink(self, amount: int) -> None:
        """Gives so many bytes back."""


class WebSocketTerms(msgspec.Struct, frozen=True):
    """What one side of a session allows. Times are in seconds."""

    idle_s: float
    """Without a message in either direction; then it is closed with 1008."""
    total_s: float
    """From the handshake; likewise."""
    subprotocols: tuple[str, ...] = ()
    """Offered to a server, or those of which a client's offer may be taken, the best first."""
    deflate: bool = False
    """Whether permessage-deflate is offered or taken."""
    allowance: Allowance | None = None
    """None: a message larger than the buffer is refused with 1013."""
    ping_s: float = WEBSOCKET_PING_S
    send_s: float = WEBSOCKET_SEND_S


class WebSocket(Protocol):
    """A session. One reader and one sender at a time; ``close`` may be called by anybody, more than once."""

    subprotocol: str | None
    """The one that both sides chose."""

    async def receive(self) -> Message:
        """The next message; its room is held until the next call. Raises WebSocketClosed behind the last."""

    async def send(self, message: Message) -> None:
        """Returns when the message is on its way and the next may follow. Raises WebSocketClosed.

        Cancelled in the middle of a message, it cuts the connection: nothing could follow.
        """

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Sends a close frame; what the peer still sends is dropped. 1005: a frame without a code.

        Raises ValueError for a code that must not be sent. A reason is cut to 123 bytes.
        """

    async def wait_closed(self) -> None:
        """Returns when the connection is gone."""


class WebSocketTransport(Protocol):
    """Opens sessions with upstreams."""

    async def open_ws(self, request: UpstreamRequest, timeouts: Timeouts, terms: WebSocketTerms) -> WebSocket:
        """Sends the handshake and waits for its answer. ``ws`` and ``wss`` URLs are taken, too.

        ``timeouts`` bound the way to the answer, ``terms`` the session. Raises TransportFault and
        HandshakeRefused.
        """


def code_to_pass(code: int) -> int:
    """The code for the other side of a pump when one side ended with ``code``."""
    return INTERNAL if code in _UNSENDABLE else code


def is_sendable(code: int) -> bool:
    """Whether a close frame may carry the code."""
    return (1000 <= code <= 1014 and code not in (NO_STATUS, *_UNSENDABLE)) or 3000 <= code <= 4999
