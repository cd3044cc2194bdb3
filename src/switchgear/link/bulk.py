"""Calls with large bodies: each over a connection of its own, so that no money waits behind content."""

import asyncio

from switchgear.kernel.home import Home
from switchgear.kernel.limits import BULK_CALLS_MAX
from switchgear.link.protocol import Result, WorkerCall
from switchgear.link.unix import LinkAway, call_once


class BulkLink:
    """A worker's way to the controller for what customers said and were answered."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._room = asyncio.Semaphore(BULK_CALLS_MAX)

    async def call(self, body: WorkerCall, timeout_s: float) -> Result:
        """Asks the controller, with the wait for a turn in the time. Raises LinkAway."""
        try:
            async with asyncio.timeout(timeout_s), self._room:
                answer = await call_once(self._home, body, timeout_s)
        except TimeoutError:
            raise LinkAway(f"no answer within {timeout_s:g} s") from None
        except OSError as fault:
            raise LinkAway(str(fault)) from None
        if answer is None:
            raise LinkAway("the controller is away")
        return answer
