"""Each transport against the faults of the simulated vendor. Without it: one that hangs, or ends unnamed."""

import json

import pytest
from tests.sim.upstream import FakeUpstream

from switchgear.net.transport import Timeouts, Transport, TransportFault, UpstreamRequest

BODY_BYTES_MAX = 4 << 20
TIMEOUTS = Timeouts(connect_s=1, first_byte_s=0.3, idle_chunk_s=0.3, total_s=10)

FAULTS = [
    ("reset-accept", "reset", "maybe_served"),
    ("reset-headers", "reset", "answered"),
    ("reset-mid", "reset", "answered"),
    ("stall-first", "idle_timeout", "answered"),
    ("stall-mid", "idle_timeout", "answered"),
    ("cut-0", "truncated", "answered"),
    ("cut-200", "truncated", "answered"),
    ("garbage", "protocol", "maybe_served"),
    ("big-header", "header_too_large", "maybe_served"),
    ("gzip-bomb", "body_too_large", "answered"),
]


def chat(upstream: FakeUpstream, model: str) -> UpstreamRequest:
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    headers = (("authorization", f"Bearer {upstream.api_key}"), ("content-type", "application/json"))
    url = f"{upstream.base_url}/chat/completions"
    return UpstreamRequest("POST", url, headers, json.dumps(body).encode())


async def read(client: Transport, request: UpstreamRequest) -> bytes:
    response = await client.open(request, TIMEOUTS)
    try:
        return await response.read(BODY_BYTES_MAX)
    finally:
        response.close()


@pytest.mark.parametrize(("name", "kind", "stage"), FAULTS)
async def test_faults_have_their_names(client: Transport, name: str, kind: str, stage: str) -> None:
    async with FakeUpstream() as upstream:
        with pytest.raises(TransportFault) as raised:
            await read(client, chat(upstream, f"fault-{name}"))
        assert (raised.value.kind, raised.value.stage) == (kind, stage)
        assert len(upstream.requests) == 1


async def test_silence_before_the_headers_has_its_name(client: Transport) -> None:
    async with FakeUpstream() as upstream:
        with pytest.raises(TransportFault) as raised:
            await client.open(chat(upstream, "fault-stall-headers"), Timeouts(0.1, 0.2, 1, 5))
        assert (raised.value.kind, raised.value.stage) == ("first_byte_timeout", "maybe_served")


async def test_proper_streams_come_whole_and_keep_their_connection(client: Transport) -> None:
    async with FakeUpstream() as upstream:
        for model in ("gpt-5.2", "fault-slow", "fault-tiny-frames-2000", "fault-no-done", "fault-429"):
            assert await read(client, chat(upstream, model))
        assert (await read(client, chat(upstream, "gpt-5.2"))).endswith(b"data: [DONE]\n\n")
        assert upstream.connections == 1
        assert upstream.closed_early == []
