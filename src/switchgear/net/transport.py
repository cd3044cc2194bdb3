"""The slot for upstream HTTP clients: what the relay asks of one, and how it says that something failed.

Implementations: ``transport_lean`` (our HTTP/1.1 pool on httptools), ``transport_pyreqwest`` (all the rest).
Both pass ``tests/net/test_transport_conformance.py``.
"""

from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Literal, Protocol

import msgspec

from switchgear.kernel.limits import REPLY_STEP_BYTES

FaultStage = Literal["not_sent", "maybe_served", "answered"]
"""How far a failed exchange got. ``not_sent``: the upstream can't have acted. ``maybe_served``: bytes of the
request left, no status came back. ``answered``: status line and headers came, the body did not end well."""

Grow = Callable[[int], Awaitable[None]]
"""Takes room for so many bytes more of a body; what it raises ends the reading."""

FaultKind = Literal[
    "no_room",
    "connect",
    "connect_timeout",
    "tls",
    "first_byte_timeout",
    "idle_timeout",
    "total_timeout",
    "reset",
    "truncated",
    "protocol",
    "header_too_large",
    "body_too_large",
    "encoding",
]


class TransportFault(Exception):
    """An exchange that did not end as HTTP says it should. ``no_room`` is this machine's own lack of
    descriptors, ports or memory, and no fault of the upstream's."""

    def __init__(self, kind: FaultKind, stage: FaultStage, detail: str = "") -> None:
        super().__init__(f"{kind} ({stage}) {detail}".strip())
        self.kind: FaultKind = kind
        self.stage: FaultStage = stage
        self.detail = detail


class Timeouts(msgspec.Struct, frozen=True, gc=False):
    """Deadlines of one exchange, in seconds."""

    connect_s: float
    first_byte_s: float
    """From the last byte of the request to the status line."""
    idle_chunk_s: float
    """Between two body chunks, while the reader is waiting for one."""
    total_s: float


class UpstreamRequest(msgspec.Struct, frozen=True, gc=False):
    """A request with every header it will have, except ``host``, ``content-length`` and ``connection``,
    which the transport adds."""

    method: str
    url: str
    """Absolute ``http`` or ``https`` URL."""
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    once: bool = False
    """Must not be sent twice, whatever happens: gets a fresh connection, so the silent repeat after a kept
    connection was closed under it can't occur. For submits of tasks and media."""


class UpstreamResponse(Protocol):
    """A response whose headers have come. It must be closed; closing early stops the upstream at once."""

    status: int
    headers: dict[str, str]
    """Lower-case names; repeated ones joined by ", "."""

    async def next_chunk(self) -> bytes:
        """The next piece of the decoded body, never empty; ``b""`` exactly at its proper end.

        Raises TransportFault at a cut (``truncated``, ``reset``), an idle or total deadline, a bad encoding.
        Never more than one caller at a time.
        """

    async def pump(self, sink: Callable[[bytes], bool]) -> bool:
        """Hands every piece of the decoded body to ``sink`` as it comes, until it gives False or the body
        ends.

        True at the body's proper end, False when the sink wanted no more for now; then it may be called
        again. What the sink raises comes out of here. Raises TransportFault as ``next_chunk`` does.
        """

    async def read(self, bytes_max: int, grow: Grow | None = None) -> bytes:
        """The whole decoded body; ``body_too_large`` beyond ``bytes_max``. ``grow`` is asked for room for
        what is longer than REPLY_STEP_BYTES."""

    def close(self) -> None:
        """Done with it. After the proper end the connection goes back to the pool, before it it is cut."""


class Transport(Protocol):
    """Opens exchanges; owns a pool."""

    def open(self, request: UpstreamRequest, timeouts: Timeouts) -> Awaitable[UpstreamResponse]:
        """Sends the request and waits for the headers. Cancelling it closes the connection at once."""

    async def close(self) -> None:
        """Cuts what is left and frees the pool."""


async def read_chunks(response: UpstreamResponse, bytes_max: int, grow: Grow | None) -> bytes:
    """``read`` for all implementations: one growing buffer, whose bytes are the body without a copy."""
    room = max(REPLY_STEP_BYTES, min(_declared(response), bytes_max))
    if grow is not None and room > REPLY_STEP_BYTES:
        await grow(room)  # all at once, as two that grow side by side could each wait for the other
    first = await _chunk_within(response, bytes_max, 0)
    piece = await _chunk_within(response, bytes_max, len(first)) if first else b""
    if not piece:
        return first
    whole = BytesIO()
    whole.write(first)
    while piece:
        whole.write(piece)
        if grow is not None and whole.tell() > room:
            await grow(step := max(REPLY_STEP_BYTES, whole.tell() - room))
            room += step
        piece = await _chunk_within(response, bytes_max, whole.tell())
    return whole.getvalue()


def _declared(response: UpstreamResponse) -> int:
    """Length of a body as its head has it; 0 where it has none."""
    declared = response.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


async def _chunk_within(response: UpstreamResponse, bytes_max: int, size: int) -> bytes:
    """The next chunk of a body of which ``size`` bytes have come."""
    chunk = await response.next_chunk()
    if size + len(chunk) > bytes_max:
        response.close()
        raise TransportFault("body_too_large", "answered", f"more than {bytes_max} bytes")
    return chunk


async def pump_chunks(response: UpstreamResponse, sink: Callable[[bytes], bool]) -> bool:
    """``pump`` for implementations that have no shorter way than ``next_chunk``."""
    while chunk := await response.next_chunk():
        if not sink(chunk):
            return False
    return True
