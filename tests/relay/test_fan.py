"""Without this, one of several answers that breaks could pass for its end, or a client that leaves would not
stop the other calls."""

from collections.abc import Callable

import pytest

from switchgear.net.transport import Grow, TransportFault, pump_chunks
from switchgear.relay.fan import FannedResponse
from switchgear.wire.convert.fan_in import unpacked


class Response:
    """Gives its chunks, then its end or a fault."""

    status = 200

    def __init__(self, *chunks: bytes, fault: TransportFault | None = None) -> None:
        self.headers: dict[str, str] = {}
        self._chunks = list(chunks)
        self._fault = fault
        self.closed = False

    async def next_chunk(self) -> bytes:
        if self._chunks:
            return self._chunks.pop(0)
        if self._fault is not None:
            raise self._fault
        return b""

    async def pump(self, sink: Callable[[bytes], bool]) -> bool:
        return await pump_chunks(self, sink)

    async def read(self, bytes_max: int, grow: Grow | None = None) -> bytes:
        if self._fault is not None:
            raise self._fault
        return b"".join(self._chunks)

    def close(self) -> None:
        self.closed = True


async def test_chunks_say_whose_they_are_and_each_end_is_told() -> None:
    taken: list[bytes] = []
    fanned = FannedResponse([Response(b"a", b"b"), Response(b"c")])
    assert await fanned.pump(lambda chunk: bool(taken.append(chunk)) or True)
    assert sorted(taken) == [b"\x00", b"\x00a", b"\x00b", b"\x01", b"\x01c"]
    assert await fanned.next_chunk() == b""


async def test_a_sink_that_wants_no_more_may_come_again() -> None:
    fanned = FannedResponse([Response(b"a"), Response(b"b")])
    taken: list[bytes] = []
    while not await fanned.pump(lambda chunk: bool(taken.append(chunk))):
        assert len(taken) <= 4
    assert len(taken) == 4


async def test_a_fault_of_one_comes_out() -> None:
    fault = TransportFault("truncated", "answered")
    fanned = FannedResponse([Response(b"a"), Response(b"b", fault=fault)])
    with pytest.raises(TransportFault) as caught:
        await fanned.pump(lambda _: True)
    assert caught.value is fault
    fanned.close()


async def test_a_fault_while_whole_replies_are_read_is_a_fault_of_the_transport() -> None:
    fault = TransportFault("truncated", "answered")
    with pytest.raises(TransportFault):
        await FannedResponse([Response(b"a"), Response(fault=fault)]).read(100)


async def test_whole_replies_come_packed_in_their_order_and_closing_closes_all() -> None:
    responses = [Response(b"a"), Response(b"b")]
    fanned = FannedResponse(responses)
    assert unpacked(await fanned.read(100)) == [b"a", b"b"]
    fanned.close()
    assert all(response.closed for response in responses)
