"""An upstream response that is read for what it says of the mode it was served in."""

from collections.abc import Callable

from switchgear.net.transport import Grow, UpstreamResponse
from switchgear.wire.modes import ModeReports


class WatchedResponse:
    """See ``net.transport.UpstreamResponse``."""

    def __init__(self, response: UpstreamResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.headers
        self.reports = ModeReports(response.headers)

    async def next_chunk(self) -> bytes:
        chunk = await self._response.next_chunk()
        self.reports.feed(chunk)
        return chunk

    async def pump(self, sink: Callable[[bytes], bool]) -> bool:
        feed = self.reports.feed

        def watched(chunk: bytes) -> bool:
            feed(chunk)
            return sink(chunk)

        return await self._response.pump(watched)

    async def read(self, bytes_max: int, grow: Grow | None = None) -> bytes:
        body = await self._response.read(bytes_max, grow)
        self.reports.feed(body)
        return body

    def close(self) -> None:
        self._response.close()
