"""The commit point of a stream. Without this, a client would see the start of an answer that breaks before it
says anything, and no other channel could be tried."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.relay.test_heartbeat import Clock, Reply, pulse_for
from tests.wire.anthropic_messages.vectors import call_of

from switchgear.kernel.clock import SystemClock
from switchgear.kernel.limits import MIB
from switchgear.kernel.usage import Usage
from switchgear.net.transport import TransportFault
from switchgear.relay.begun import BegunResponse, begin
from switchgear.relay.endings import uncommitted
from switchgear.relay.meter import TokenTally
from switchgear.relay.redact import Redactor
from switchgear.relay.room import Holding, Room
from switchgear.relay.stream import StreamEnd, pass_on
from switchgear.wire.call import InPath
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.framing.splice import read_object


def frame(item: dict[str, Any]) -> bytes:
    name = f"event: {item['type']}\n" if "type" in item else ""
    return f"{name}data: {json.dumps(item)}\n\n".encode()


def chunk(delta: dict[str, Any]) -> bytes:
    return frame({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


BEGUN = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}
MESSAGE = {"id": "m", "type": "message", "role": "assistant", "content": [], "usage": {"input_tokens": 1}}
# (prefaces, content)
STREAMS: dict[str, tuple[list[bytes], bytes]] = {
    "openai_chat": ([chunk({"role": "assistant", "content": ""})], chunk({"content": "Hi"})),
    "openai_responses": (
        [
            frame({"type": "response.created", "sequence_number": 0, "response": BEGUN}),
            frame({"type": "response.in_progress", "sequence_number": 1, "response": BEGUN}),
            frame(
                {"type": "response.output_item.added", "sequence_number": 2, "output_index": 0, "item": {}}
            ),
        ],
        frame({"type": "response.output_text.delta", "sequence_number": 3, "delta": "Hi"}),
    ),
    "anthropic_messages": (
        [
            frame({"type": "message_start", "message": MESSAGE}),
            frame({"type": "ping"}),
            frame({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ],
        frame({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}),
    ),
    "gemini_generate": (
        [frame({"usageMetadata": {"promptTokenCount": 1}, "responseId": "r", "candidates": []})],
        frame({"candidates": [{"index": 0, "content": {"parts": [{"text": "Hi"}]}}]}),
    ),
}
TURNS = [{"role": "user", "content": "x"}]
BODIES: dict[str, dict[str, Any]] = {
    "openai_chat": {"model": "m", "messages": TURNS, "stream": True},
    "openai_responses": {"model": "m", "input": "x", "stream": True},
    "anthropic_messages": {"model": "m", "max_tokens": 9, "messages": TURNS, "stream": True},
    "gemini_generate": {"contents": [{"role": "user", "parts": [{"text": "x"}]}]},
}


class Response:
    """Brings these pieces, and then breaks."""

    status = 200

    def __init__(self, pieces: list[bytes], fault: TransportFault | None = None) -> None:
        self.headers: dict[str, str] = {}
        self._pieces = list(pieces)
        self._fault = fault

    async def next_chunk(self) -> bytes:
        if not self._pieces and self._fault is not None:
            raise self._fault
        return self._pieces.pop(0) if self._pieces else b""

    async def pump(self, sink: Callable[[bytes], bool]) -> bool:
        while piece := await self.next_chunk():
            if not sink(piece):
                return False
        return True

    async def read(self, bytes_max: int) -> bytes:
        return b"".join([piece async for piece in self._all()])

    async def _all(self) -> Any:
        while piece := await self.next_chunk():
            yield piece

    def close(self) -> None: ...


async def count(text: str, model: str) -> int:
    return len(text)


async def passed(dialect: str, pieces: list[bytes], room_bytes: int = MIB) -> tuple[StreamEnd, list[bytes]]:
    """How the stream ended, and what the client had got by then."""
    client = DIALECT_OF_OPERATION[dialect]  # type: ignore[index]  # names of operations, too
    fields = read_object(json.dumps(BODIES[dialect]).encode())
    call = client.read_call(dialect, fields, "m", InPath(stream=True))  # type: ignore[arg-type]
    reply = Reply()
    response = Response(pieces, TransportFault("reset", "answered"))
    pulse, holding = pulse_for(reply, [], Clock()), Holding(Room(room_bytes, "replies"), "key")
    tap, tally, nothing = client.tap(call), TokenTally(count, "m"), Redactor((), ())
    end = await pass_on(response, tap, tally, pulse, SystemClock(), holding, nothing)
    return end, reply.sent


@pytest.mark.parametrize("dialect", STREAMS)
async def test_nothing_is_shown_before_the_first_content(dialect: str) -> None:
    prefaces, _ = STREAMS[dialect]
    end, sent = await passed(dialect, prefaces)
    assert sent == []
    assert not end.committed


@pytest.mark.parametrize("dialect", STREAMS)
async def test_with_the_first_content_all_before_it_is_shown(dialect: str) -> None:
    prefaces, content = STREAMS[dialect]
    end, sent = await passed(dialect, [*prefaces, content])
    assert b"".join(sent) == b"".join(prefaces) + content
    assert end.committed


@pytest.mark.parametrize("pieces", [[b"ab", b"cd"], [b" \n", b"\n", b"ab", b"cd"], [b"ab"], [b"\n"], []])
async def test_a_response_whose_first_bytes_were_seen_is_the_same_response(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert await (await begin(Response(pieces))).read(100) == whole
    got: list[bytes] = []
    begun = await begin(Response(pieces))
    while not await begun.pump(lambda piece: got.append(piece) or False):  # type: ignore[func-returns-value]
        pass
    assert b"".join(got) == whole
    begun = await begin(Response(pieces))
    assert b"".join([piece async for piece in chunks(begun)]) == whole


async def chunks(response: BegunResponse) -> Any:
    while piece := await response.next_chunk():
        yield piece


async def test_the_bound_of_a_whole_reply_counts_its_first_bytes() -> None:
    begun = await begin(Response([b"{" + b"x" * 10]))
    with pytest.raises(TransportFault) as fault:
        await begun.read(5)
    assert fault.value.kind == "body_too_large"


async def test_a_response_that_breaks_before_its_first_byte_has_not_begun() -> None:
    with pytest.raises(TransportFault):
        await begin(Response([b"\n"], TransportFault("truncated", "answered")))


HALF_A_FRAME = [b'data: {"id":"' + b"x" * MIB, *[b"x" * MIB] * 3]


@pytest.mark.parametrize("dialect", STREAMS)
@pytest.mark.parametrize("begins", [0, 1], ids=["before content", "behind content"])
async def test_a_frame_for_which_there_is_no_memory_ends_the_stream(dialect: str, begins: int) -> None:
    _, content = STREAMS[dialect]
    end, sent = await passed(dialect, [content] * begins + HALF_A_FRAME, 4 * MIB)
    assert end.fault is not None
    assert end.fault.kind == "no_room"
    assert len(sent) == begins
    end, _ = await passed(dialect, [content] * begins + HALF_A_FRAME, 32 * MIB)
    assert end.fault is not None
    assert end.fault.kind == "reset"


@pytest.mark.parametrize("kind", [None, "truncated", "idle_timeout", "no_room"])
def test_what_the_start_announced_is_not_charged_for_an_answer_that_never_came(kind: Any) -> None:
    """Its client hears an error."""
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    tap = DIALECT_OF_OPERATION["anthropic_messages"].tap(call_of(body))
    start = {**MESSAGE, "usage": {"input_tokens": 1000, "output_tokens": 1}}
    tap.feed(frame({"type": "message_start", "message": start}))
    assert tap.usage == Usage(1000)
    fault = None if kind is None else TransportFault(kind, "answered")
    assert uncommitted(StreamEnd("cut", fault), tap, 200).usage is None
