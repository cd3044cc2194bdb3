"""Passing a streamed answer on: pull one chunk, let the tap look, send it, pull the next.

Nothing goes to the client before the first content frame, so that until then another candidate may be tried.
Reading waits for sending, so a slow client slows the upstream and no more than a chunk or two is in memory.
"""

from typing import Literal

import msgspec

from switchgear.kernel.clock import Clock
from switchgear.kernel.limits import ESTIMATE_TEXT_BYTES_MAX, FRAME_BYTES_MAX
from switchgear.net.transport import TransportFault, UpstreamResponse
from switchgear.relay.attempt import is_stall
from switchgear.relay.heartbeat import Pulse
from switchgear.relay.meter import TokenTally
from switchgear.wire.openai_chat.stream import StreamTap

StreamState = Literal["complete", "cut", "stalled", "error"]


class StreamEnd(msgspec.Struct, frozen=True, gc=False):
    """How the upstream's side of a stream ended, as far as it was read."""

    state: StreamState
    fault: TransportFault | None = None
    first_chunk_ns: int = 0
    """When the first content came from the upstream."""
    first_byte_ns: int = 0
    """When it had gone to the client; 0 = nothing did."""

    @property
    def committed(self) -> bool:
        return self.first_byte_ns != 0


async def pass_on(
    response: UpstreamResponse, tap: StreamTap, tally: TokenTally, pulse: Pulse, clock: Clock
) -> StreamEnd:
    """Forwards content until the upstream's end, a fault, or its end marker, which is not forwarded.

    Raises ClientGone (and CancelledError) when the client leaves.
    """
    waiting: list[bytes] = []
    waiting_bytes = 0
    first_chunk_ns = first_byte_ns = 0
    try:
        while chunk := await response.next_chunk():
            out = tap.feed(chunk)
            if out:
                if first_byte_ns:
                    await pulse.send(out)
                else:
                    waiting.append(out)
                    waiting_bytes += len(out)
                    if tap.has_content:
                        first_chunk_ns = clock.monotonic_ns()
                        await pulse.send(out if len(waiting) == 1 else b"".join(waiting))
                        first_byte_ns = clock.monotonic_ns()
                        waiting.clear()
            if tap.fault is not None or waiting_bytes > FRAME_BYTES_MAX:
                return StreamEnd("error", None, first_chunk_ns, first_byte_ns)
            if tap.ended:
                break
            if tap.text_bytes > ESTIMATE_TEXT_BYTES_MAX:
                tally.add(tap.take_text())
    except TransportFault as fault:
        # All choices had finished and only the end marker is missing: that is an end, whatever the socket
        # did.
        if tap.finish() != "complete":
            return StreamEnd("stalled" if is_stall(fault) else "cut", fault, first_chunk_ns, first_byte_ns)
    if tap.finish() != "complete":
        return StreamEnd("cut", None, first_chunk_ns, first_byte_ns)
    return StreamEnd("complete", None, first_chunk_ns, first_byte_ns)
