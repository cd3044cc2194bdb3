"""Several upstream responses as one, for calls that want more answers than their upstream gives at a time."""

import asyncio
from collections.abc import Callable

from switchgear.kernel.limits import FANOUT_PIECES_MAX
from switchgear.net.transport import Grow, TransportFault, UpstreamResponse
from switchgear.wire.convert.fan_in import packed, tagged

_Item = tuple[int, bytes] | TransportFault


class FannedResponse:
    """See ``net.transport.UpstreamResponse``. Chunks come tagged, whole bodies packed (``wire.fan``)."""

    def __init__(self, responses: list[UpstreamResponse]) -> None:
        self._responses = responses
        self.status = responses[0].status
        self.headers = responses[0].headers
        self._items: asyncio.Queue[_Item] = asyncio.Queue(FANOUT_PIECES_MAX)
        self._tasks: list[asyncio.Task[None]] = []
        self._open = len(responses)

    async def next_chunk(self) -> bytes:
        self._start()
        if not self._open:
            return b""
        item = await self._items.get()
        if isinstance(item, TransportFault):
            raise item
        index, piece = item
        self._open -= not piece
        return tagged(index, piece)

    async def pump(self, sink: Callable[[bytes], bool]) -> bool:
        while chunk := await self.next_chunk():
            if not sink(chunk):
                return False
        return True

    async def read(self, bytes_max: int, grow: Grow | None = None) -> bytes:
        try:
            async with asyncio.TaskGroup() as group:
                reads = [group.create_task(response.read(bytes_max, grow)) for response in self._responses]
        except BaseExceptionGroup as faults:
            raise faults.exceptions[0] from None  # one that broke is the answer; the others are let go
        return packed([read.result() for read in reads])

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for response in self._responses:
            response.close()

    def _start(self) -> None:
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._pass(index, response))
                for index, response in enumerate(self._responses)
            ]

    async def _pass(self, index: int, response: UpstreamResponse) -> None:
        try:
            while piece := await response.next_chunk():
                await self._items.put((index, piece))
            await self._items.put((index, b""))
        except TransportFault as fault:
            await self._items.put(fault)
