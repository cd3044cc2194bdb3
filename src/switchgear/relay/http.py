"""The slot for HTTP servers: a request as the relay sees it, and how it answers one."""

from typing import Protocol

from switchgear.net.websocket import WebSocket, WebSocketTerms
from switchgear.relay.room import Holding

Headers = list[tuple[str, str]]


class Inbound(Protocol):
    """One request. ``header`` takes lower-case names and gives None for an absent one."""

    method: str
    path: str
    query: str
    peer_ip: str

    def header(self, name: str) -> str | None:
        """The value of one request header."""

    async def read_body(self, bytes_max: int, holding: Holding) -> bytes:
        """The whole body, for which ``holding`` takes the room. Raises ApiError: too large, badly framed, or
        no room for it."""


class Upgradable(Protocol):
    """An ``Inbound`` that may go on as a WebSocket, in place of a Reply."""

    @property
    def offers_websocket(self) -> bool:
        """Whether the client offers to."""

    def upgrade(self, terms: WebSocketTerms) -> WebSocket:
        """Answers 101 and takes the connection over; the session ends with the handler at the latest.

        Raises BadHandshake, with nothing sent, for an offer that is none; ClientGone. Whether the client's
        ``Origin`` is welcome is the caller's to say before.
        """


class Reply(Protocol):
    """The answer to one request: ``send_whole``, or ``start_stream``, ``push`` …, ``finish``."""

    @property
    def started(self) -> bool:
        """Whether a status has gone out."""

    def on_disconnect(self, callback: "DisconnectCallback") -> None:
        """Called once if the client leaves before the answer is complete."""

    def send_whole(self, status: int, headers: Headers, body: bytes) -> None:
        """The whole answer."""

    def start_stream(self, status: int, headers: Headers) -> None:
        """Status line and headers of a streamed answer."""

    def push(self, data: bytes) -> bool:
        """One piece of a streamed answer; whether there is room for another. Raises ClientGone."""

    @property
    def is_full(self) -> bool:
        """Whether the client should take something before the next piece."""

    async def room(self) -> None:
        """Returns when there is room for the next piece. Raises ClientGone."""

    def finish(self) -> None:
        """The answer is complete; lets the connection go on to its next request."""


class DisconnectCallback(Protocol):
    def __call__(self) -> None: ...


class ClientGone(Exception):
    """The client closed its connection, or takes nothing any more."""
