"""Streams with something between their frames that is no object, in every dialect to every client.

Without this a good answer would end as an upstream's failure for a ``null`` that its host lets slip.
"""

import json
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.pairs.asks import ASKERS
from tests.wire.pairs.relay import Outcome, run
from tests.wire.pairs.scenarios import HEADERS, PAIRS, SCENARIOS, target_of
from tests.wire.pairs.test_odd_hosts import CHAT, GEMINI, MESSAGES
from tests.wire.pairs.upstream import Said, Wire

from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.net.transport import Timeouts, UpstreamRequest
from switchgear.wire.framing.filler import is_filler

FILLERS = ["null", "[]", '""', "0", "true", "-1.5", '"x"', "[[]]", "[1, null]", "[{}]", " null "]
FILLERS += ["", " ", "None"]
NAMES = ["", "event: x\n", "id: 1\n"]
ASK = SCENARIOS["reasoning_with_tools_stream"]


class Spoiled(Wire):
    """A transport to the simulated vendors that puts a frame in between. ``at``: before which frame."""

    def __init__(self, filler: bytes = b"", at: int = 0, size: int = 0) -> None:
        super().__init__()
        self._filler, self._at, self._size = filler, at, size
        self.frames = 0

    async def open(self, request: UpstreamRequest, timeouts: Timeouts) -> Said:
        said = await super().open(request, timeouts)
        frames = [frame + b"\n\n" for frame in said.body.replace(b"\r\n", b"\n").split(b"\n\n") if frame]
        self.frames = len(frames)
        if self._filler:
            frames.insert(self._at % (len(frames) + 1), self._filler)
        body = b"".join(frames)
        chunks = (
            [body[at : at + self._size] for at in range(0, len(body), self._size)] if self._size else frames
        )
        self.said = Said(said.status, said.headers, chunks, said.is_cut)
        return self.said


def played(client: DialectName, upstream: DialectName, wire: Wire) -> Outcome:
    asker = ASKERS[client](ASK)
    body = json.dumps(asker.body).encode()
    return run(asker.path, body, target_of(upstream, ASK), wire, HEADERS.get(client))


@cache
def unspoiled(client: DialectName, upstream: DialectName) -> Outcome:
    outcome = played(client, upstream, Spoiled())
    assert outcome.state == "complete"
    return outcome


def assert_same(outcome: Outcome, client: DialectName, upstream: DialectName) -> None:
    usual = unspoiled(client, upstream)
    assert (outcome.state, outcome.usage) == (usual.state, usual.usage)
    assert outcome.body == usual.body


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(PAIRS),
    st.sampled_from(FILLERS),
    st.sampled_from(NAMES),
    st.integers(0, 60),
    st.sampled_from([0, 0, 7, 100, 10**6]),
)
def test_what_is_no_object_is_passed_by(
    pair: tuple[DialectName, DialectName], filler: str, name: str, at: int, size: int
) -> None:
    client, upstream = pair
    wire = Spoiled(f"{name}data: {filler}\n\n".encode(), at, size)
    assert_same(played(client, upstream, wire), client, upstream)


@pytest.mark.parametrize("upstream", DIALECTS)
def test_null_at_each_place_of_a_stream_that_passes_through(upstream: DialectName) -> None:
    wire = Spoiled(b"data: null\n\n", 0)
    played(upstream, upstream, wire)
    for at in range(wire.frames + 1):
        assert_same(played(upstream, upstream, Spoiled(b"data: null\n\n", at)), upstream, upstream)


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("upstream", [CHAT, MESSAGES, GEMINI])
def test_null_without_a_blank_line_after_it_ends_no_stream(
    upstream: DialectName, client: DialectName
) -> None:
    """Where the end of file ends an answer that said why it ended."""
    marks = {CHAT: b"data: [DONE]", MESSAGES: b'data: {"type":"message_stop"', GEMINI: b"\0"}

    class Unmarked(Wire):
        async def open(self, request: UpstreamRequest, timeouts: Timeouts) -> Said:
            said = await super().open(request, timeouts)
            frames = said.body.replace(b"\r\n", b"\n").split(b"\n\n")
            kept = [frame for frame in frames if marks[upstream] not in frame]
            self.said = Said(200, said.headers, [b"\n\n".join(kept) + b"data: null\n"], cut=False)
            return self.said

    assert_same(played(client, upstream, Unmarked()), client, upstream)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_list_that_holds_an_error_is_a_failure(pair: tuple[DialectName, DialectName]) -> None:
    client, upstream = pair
    failed = b'data: [{"error":{"code":503,"message":"The model is overloaded."}}]\n\n'
    assert played(client, upstream, Spoiled(failed, 1)).state == "error"


def test_half_an_object_is_no_filler() -> None:
    for data in (b"{", b'{"a"', b"{}", b'[{"error":{"message":"x"}}]', b"nul", b"[", b"<html>", b"[DONE]"):
        assert not is_filler(data), data
