"""Passing a streamed answer on: a chunk comes, the tap looks at it, it goes out.

Nothing goes to the client before the first content frame, so that until then another candidate may be tried.
Reading stops while the client has not taken what was sent, so a slow client slows the upstream.
"""

import contextlib
from collections.abc import Callable
from typing import Literal

import msgspec

from switchgear.kernel.clock import Clock
from switchgear.kernel.limits import ESTIMATE_TEXT_BYTES_MAX, FRAME_BYTES_MAX, REPLY_STEP_BYTES
from switchgear.net.transport import TransportFault, UpstreamResponse
from switchgear.relay.attempt import is_stall
from switchgear.relay.heartbeat import Pulse
from switchgear.relay.http import ClientGone
from switchgear.relay.meter import TokenTally
from switchgear.relay.redact import Redactor, StreamRedactor
from switchgear.relay.room import Holding
from switchgear.wire.dialect import Tap

StreamState = Literal["complete", "cut", "stalled", "error"]


class StreamEnd(msgspec.Struct, frozen=True, gc=False):
    """How the upstream's side of a stream ended, as far as it was read."""

    state: StreamState
    fault: TransportFault | None = None
    first_chunk_ns: int = 0
    """When the first content came from the upstream."""
    first_byte_ns: int = 0
    """When it had gone to the client; 0 = nothing did."""
    held_back: bytes = b""
    """The beginning of an answer that showed nothing before its end; it goes out before the closing."""

    @property
    def committed(self) -> bool:
        return self.first_byte_ns != 0


class Passage:
    """The way of one stream's content: from the upstream's chunks, through the tap, to the client."""

    __slots__ = (
        "_clock",
        "_feed_alike",
        "_holding",
        "_pulse",
        "_send",
        "_silent_bytes",
        "_tally",
        "_tap",
        "_waiting",
        "first_byte_ns",
        "first_chunk_ns",
    )

    def __init__(self, tap: Tap, tally: TokenTally, pulse: Pulse, clock: Clock, holding: Holding) -> None:
        self._tap = tap
        self._holding = holding
        self._silent_bytes = 0
        """Read since the last that went to the client: they are kept, here or in the tap."""
        self._feed_alike = tap.feed_alike
        self._tally = tally
        self._pulse = pulse
        self._send = pulse.send
        self._clock = clock
        self._waiting = b""
        self.first_chunk_ns = 0
        self.first_byte_ns = 0

    def take(self, chunk: bytes) -> bool:
        """One chunk; False when no further one is wanted now: the end, a fault, or a client that is slow.

        Called straight from the socket, a hundred times a second for each stream. Raises ClientGone, and
        TransportFault ``no_room`` where a frame is so large that there is no memory for it.
        """
        feed_alike = self._feed_alike
        if self.first_byte_ns and feed_alike is not None and (out := feed_alike(chunk)):
            send = self._send
            room = send(out)
            self._pulse.delivered_bytes += len(out)
            return room
        tap = self._tap
        out = tap.feed(chunk)
        room = True
        if out:
            room = self._pulse.push(out) if self.first_byte_ns else self._hold_back(out)
        if out and self.first_byte_ns:
            if self._silent_bytes:
                self._silent_bytes = 0
                self._holding.close()
        else:
            self._keep_silent(len(chunk))
        if tap.text_bytes > ESTIMATE_TEXT_BYTES_MAX:
            self._tally.add(tap.take_text())
        return room and not tap.ended and tap.fault is None and not self.is_enough

    @property
    def is_enough(self) -> bool:
        """Nobody is there, and what the call costs is known."""
        return self._pulse.is_left and self._tap.is_told

    def client_left(self) -> None:
        """From now on what comes is read, and goes nowhere."""
        self._feed_alike = None
        self._pulse.lose_client()

    @property
    def waiting(self) -> bytes:
        """What was held back, as no content has come."""
        return self._waiting

    def _keep_silent(self, size: int) -> None:
        self._silent_bytes += size
        over = self._silent_bytes - self._holding.bytes - REPLY_STEP_BYTES
        if over > 0 and not self._holding.take(max(over, REPLY_STEP_BYTES)):
            raise TransportFault("no_room", "answered", "no memory for so large a frame")

    @property
    def overrun(self) -> bool:
        """So much came without any content that it can be no answer."""
        return len(self._waiting) > FRAME_BYTES_MAX

    def _hold_back(self, out: bytes) -> bool:
        """Nothing is shown before the first content, so that another candidate may still be tried."""
        self._waiting += out
        if not self._tap.has_content:
            return not self.overrun
        self.first_chunk_ns = self._pulse.first_content_ns = self._clock.monotonic_ns()
        room = self._pulse.push(self._waiting)
        self.first_byte_ns = self._clock.monotonic_ns()
        self._waiting = b""
        return room


async def pass_on(
    response: UpstreamResponse,
    tap: Tap,
    tally: TokenTally,
    pulse: Pulse,
    clock: Clock,
    holding: Holding,
    redactor: Redactor | None = None,
) -> StreamEnd:
    """Forwards content until the upstream's end, a fault, or its end marker, which is not forwarded.
    ``redactor``: for what must not be shown.

    Goes on without the client where that leaves, until it is cancelled.
    """
    passage = Passage(tap, tally, pulse, clock, holding)
    guard = StreamRedactor(redactor, passage.take) if redactor else None
    take = passage.take if guard is None else guard.take
    state: StreamState = "cut"
    fault: TransportFault | None = None
    try:
        while not await _pumped(response, take, passage):
            if tap.ended or tap.fault is not None or passage.overrun or passage.is_enough:
                break
            await _room(pulse)
    except TransportFault as broken:
        fault = broken
    if guard is not None and not tap.ended:
        guard.finish()
    is_complete = tap.finish() == "complete"
    if tap.fault is not None or passage.overrun:
        state = "error"
    elif is_complete:
        # With every choice finished only the end marker is missing: that is an end, whatever the socket did.
        state, fault = "complete", None
    elif fault is not None and is_stall(fault):
        state = "stalled"
    return StreamEnd(state, fault, passage.first_chunk_ns, passage.first_byte_ns, passage.waiting)


async def _pumped(response: UpstreamResponse, take: Callable[[bytes], bool], passage: Passage) -> bool:
    try:
        return await response.pump(take)
    except ClientGone:
        passage.client_left()
        return False


async def _room(pulse: Pulse) -> None:
    with contextlib.suppress(ClientGone):
        await pulse.room()
