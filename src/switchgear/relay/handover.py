"""A call that its upstream goes on with in the background, whatever becomes of its client and of us.

States: ``with us`` → ``secured`` (its bill is in the database, in case this worker dies) → ``done`` (handed
over to be followed), or ended here by a stream that came to its end.
"""

import asyncio

from switchgear.kernel.limits import RESPONSE_KEEP_TIMEOUT_S
from switchgear.relay.attempt import Exchange
from switchgear.relay.call import Books, Outcome, RunningCall
from switchgear.relay.following import Follower, bill_of
from switchgear.relay.keeping import Keeping
from switchgear.wire.call import Call
from switchgear.wire.convert.renamed import bare_tap
from switchgear.wire.dialect import Tap
from switchgear.wire.openai_responses.kept import Answered
from switchgear.wire.openai_responses.passing.tap import StreamTap


class Handover:
    """Of one call; made for those that run in their upstream's background."""

    def __init__(self, follower: Follower, keeping: Keeping, running: RunningCall, books: Books) -> None:
        self._follower = follower
        self._keeping = keeping
        self._running = running
        self._books = books
        self._securing: asyncio.Future[None] | None = None
        self.is_done = False

    @property
    def is_secured(self) -> bool:
        return self._securing is not None

    def secure(self, exchange: Exchange, call: Call, answered: Answered, so_far: Outcome) -> None:
        """Has the bill kept; does not wait for it."""
        bill = bill_of(self._running, call, so_far, self._books)
        self._securing = self._follower.secure(self._keeping.row(exchange, answered), bill)

    async def secured(self) -> None:
        """What is kept next must not come before the bill."""
        if self._securing is not None:
            await asyncio.wait((self._securing,), timeout=RESPONSE_KEEP_TIMEOUT_S)

    async def take(self, exchange: Exchange, call: Call, answered: Answered, so_far: Outcome) -> None:
        """From now on the call is followed, and charged once it is over."""
        self.is_done = True
        bill = bill_of(self._running, call, so_far, self._books)
        safe = self._follower.follow(self._keeping.row(exchange, answered), bill, self._running)
        await asyncio.wait((safe,), timeout=RESPONSE_KEEP_TIMEOUT_S)


def open_stream(tap: Tap | None) -> Answered | None:
    """The response of a stream that is not over; None before its id is known."""
    tap = bare_tap(tap)
    if not isinstance(tap, StreamTap) or not tap.response_id or tap.ended or tap.fault is not None:
        return None
    return Answered(tap.response_id, "in_progress", b"", b"[]")
