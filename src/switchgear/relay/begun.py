"""An upstream's response of which the first bytes have come: only then has its answer begun, and its form can
be seen."""

from collections.abc import Callable

from switchgear.kernel.limits import FORM_BYTES_MAX
from switchgear.net.transport import Grow, UpstreamResponse, read_chunks
from switchgear.wire.convert.answer_form import Form, form_of


class BegunResponse:
    """See ``net.transport.UpstreamResponse``."""

    __slots__ = ("_response", "_start", "form", "headers", "status")

    def __init__(self, response: UpstreamResponse, start: bytes, form: Form) -> None:
        self._response = response
        self._start = start
        self.form = form
        self.status = response.status
        self.headers = response.headers

    async def next_chunk(self) -> bytes:
        if self._start:
            return self._take_start()
        return await self._response.next_chunk()

    async def pump(self, sink: Callable[[bytes], bool]) -> bool:
        if self._start and not sink(self._take_start()):
            return False
        return await self._response.pump(sink)

    async def read(self, bytes_max: int, grow: Grow | None = None) -> bytes:
        return await read_chunks(self, bytes_max, grow)

    def close(self) -> None:
        self._response.close()

    def _take_start(self) -> bytes:
        start, self._start = self._start, b""
        return start


async def begin(response: UpstreamResponse) -> BegunResponse:
    """Waits for the first bytes that are no blanks. Raises TransportFault."""
    start = chunk = await response.next_chunk()
    while chunk and not form_of(start) and len(start) < FORM_BYTES_MAX:
        chunk = await response.next_chunk()
        start += chunk
    return BegunResponse(response, start, form_of(start))
